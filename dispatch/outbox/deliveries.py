"""What happens to deliveries once they are stored: claim, begin, settle, give back, expire, reroute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, QuerySet, Value, When
from msgspec import Struct, structs

from dispatch.models import Delivery, Priority
from dispatch.outbox import columns
from dispatch.outbox.indexes import IS_CLAIMED, IS_DUE
from dispatch.rules.settlement import AttemptRecord, Settlement
from dispatch.rules.states import Change, DeliveryState
from foundation.sql import dialect, statements
from foundation.sql.statements import Statement
from servers.values import ServerKind
from transports.types import ChannelKind, ReasonCode, Recipient

MOST_CHUNKS = 20
_PRIORITY_ROWS = " UNION ALL ".join(f"SELECT {priority} AS p" for priority in Priority.values)
_DUE = f"{IS_DUE} AND server_id = %s AND due_at <= %s AND expires_at > %s"
# The inner ORDER BY is what makes PostgreSQL use the partial index: without it, it reads the table for the first match.
_MOST_URGENT = f"""SELECT p FROM ({_PRIORITY_ROWS}) AS v
    WHERE (SELECT 1 FROM dispatch_delivery WHERE {_DUE} AND priority = v.p ORDER BY due_at LIMIT 1) = 1
    ORDER BY p LIMIT 1"""  # noqa: S608 - constants of this module only


class Claim(Struct, frozen=True):
    """A delivery that this worker alone may touch while its lease lasts."""

    id: UUID
    event_id: UUID | None
    broadcast_id: UUID | None
    template_version_id: int | None
    channel: ChannelKind
    to: Recipient
    language: str
    time_zone: str
    person_id: int | None
    device_id: int | None
    via_id: int | None
    tries: int
    attempt_count: int
    hold_unknown: bool
    lapsed: bool
    text_id: UUID | None

    def uncounted(self) -> Claim:
        """The claim as it was before the try that began."""
        return structs.replace(self, tries=self.tries - 1, attempt_count=self.attempt_count - 1)


class Leased(Claim, frozen=True):
    """A claim as somebody else finds it; `begun_at` is None where no try of it has begun."""

    server_id: int | None
    lease: UUID
    begun_at: datetime | None


class NewText(Struct, frozen=True):
    """A text as DeliveryText keeps it; `id` goes out with the message."""

    id: UUID
    sender: str
    subject: str
    text: str
    html: str
    sound: str
    visible_to: list[str]
    empty: list[str]
    sealed: str


def claim_due(server_id: int, *, most: int, lease: UUID, lease_until: datetime, now: datetime) -> list[Claim]:
    """Take up to `most` due deliveries of the most urgent priority that has any; nothing is charged.

    A delivery whose lease once lapsed comes alone, so that what kills a worker costs no other message a try. A claim
    that a crash of the database undoes leaves rows that are due and can't begin under this lease.
    """
    sql = f"""WITH pick AS (
            SELECT id, lapsed, due_at FROM dispatch_delivery
            WHERE {_DUE} AND priority = ({_MOST_URGENT})
            ORDER BY due_at, id LIMIT %s {dialect.skip_locked()}
        ), numbered AS (
            SELECT id, row_number() OVER w AS n, count(CASE WHEN lapsed THEN 1 END) OVER w AS lapsed_so_far
            FROM pick WINDOW w AS (ORDER BY due_at, id)
        )
        UPDATE dispatch_delivery SET {IS_CLAIMED}, lease = %s, lease_until = %s, begun_at = NULL
        WHERE id IN (SELECT id FROM numbered WHERE lapsed_so_far = 0 OR n = 1)
        RETURNING {", ".join(_CLAIM)}"""  # noqa: S608 - constants of this module only
    moment = dialect.time(now)
    due = [server_id, moment, moment]
    values = [*due, *due, most, dialect.uid(lease), dialect.time(lease_until)]
    before = dialect.without(*dialect.SORTING, *dialect.WAITING_FOR_DISK)
    found = statements.in_one_round_trip([*before, Statement(sql, values, binary=True)])[-1]
    claims = [_read_claim(row) for row in found]
    claims.sort(key=lambda claim: claim.id.int)
    return claims


_CLAIM, _LEASED = columns.supplied(Claim, columns.DELIVERY), columns.supplied(Leased, columns.DELIVERY)
_read_claim, _read_leased = columns.reader(Claim, _CLAIM), columns.reader(Leased, _LEASED)
_BEGIN = {"delivery_id": "uuid", "text_id": "uuid"}
_TEXT = columns.supplied(NewText, columns.TEXT)
_text_row = columns.row_of(_TEXT)
_CHANGED, _TRIED = columns.supplied(Settlement, columns.DELIVERY), columns.supplied(AttemptRecord, columns.ATTEMPT)
_SETTLE = _CHANGED | _TRIED
_settle_row = attrgetter(*_CHANGED, *(f"attempt.{name}" for name in _TRIED))
_NEW_VALUES = {name: f"x.{name}" for name in _CHANGED if name != "id"} | {"due_at": "coalesce(x.due_at, d.due_at)"}
_CHANGE = f"""UPDATE dispatch_delivery AS d SET {", ".join(f"{name} = {value}" for name, value in _NEW_VALUES.items())},
    lease = NULL, lease_until = NULL, begun_at = NULL FROM """  # noqa: S608 - names of columns only
_ADD_ATTEMPTS = f"""INSERT INTO dispatch_attempt (delivery_id, number, server_id, server_name, {", ".join(_TRIED)})
    SELECT x.id, x.attempt_count, CAST(%s AS bigint), %s, {", ".join(f"x.{name}" for name in _TRIED)}
    FROM """  # noqa: S608


def begin(
    group: Sequence[tuple[UUID, UUID | None]], *, texts: Sequence[NewText], lease: UUID, until: datetime, now: datetime
) -> set[UUID]:
    """Count one try for each (delivery, text) about to be written, and keep new texts.

    Only rows that this lease still holds beyond `until` begin, and once; returns the ids of those.
    """
    before = []
    if texts:
        # In the order of their ids: several lanes may keep the same texts, and would wait for each other.
        rows, supplied = dialect.table(_TEXT, [_text_row(text) for text in sorted(texts, key=attrgetter("id"))])
        insert = f"""INSERT INTO dispatch_deliverytext ({", ".join(_TEXT)}) SELECT {", ".join(_TEXT)} FROM {rows}
            WHERE true ON CONFLICT (id) DO NOTHING"""  # noqa: S608 - constants of this module only
        before.append(Statement(insert, supplied))
    rows, supplied = dialect.table(_BEGIN, group)
    update = f"""UPDATE dispatch_delivery AS d
        SET tries = d.tries + 1, attempt_count = d.attempt_count + 1, begun_at = %s, text_id = x.text_id
        FROM {rows}
        WHERE id = x.delivery_id AND {IS_CLAIMED} AND {dialect.checked_last("lease")} = %s
        AND lease_until > %s AND begun_at IS NULL
        RETURNING id"""  # noqa: S608
    values = [dialect.time(now), *supplied, dialect.uid(lease), dialect.time(until)]
    begun = statements.in_one_round_trip([*before, Statement(update, values, binary=True)])[-1]
    return {dialect.read_uid(row[0]) for row in begun}


def settle(
    settlements: Sequence[Settlement],
    *,
    lease: UUID,
    server_id: int | None,
    server_name: str,
) -> int:
    """Write what became of a group, one Attempt each; returns how many it changed.

    A row that this lease no longer holds is left alone: whoever reaped it has written its attempt.
    """
    rows, supplied = dialect.table(_SETTLE, [_settle_row(item) for item in settlements])
    ours = f"d.{IS_CLAIMED} AND {dialect.checked_last('d.lease')} = %s"
    if dialect.is_postgresql():
        both = f"""WITH x AS MATERIALIZED (SELECT * FROM {rows}),
            changed AS ({_CHANGE} x WHERE d.id = x.id AND {ours} RETURNING d.id)
            {_ADD_ATTEMPTS} x JOIN changed USING (id) RETURNING 1"""  # noqa: S608
        return len(statements.run(both, [*supplied, dialect.uid(lease), server_id, server_name]))
    first = f"{_ADD_ATTEMPTS} {rows} JOIN dispatch_delivery d ON d.id = x.id AND {ours}"
    then = f"{_CHANGE} {rows} WHERE d.id = x.id AND {ours} RETURNING 1"
    _, changed = statements.in_one_round_trip(
        [
            Statement(first, [server_id, server_name, *supplied, dialect.uid(lease)]),
            Statement(then, [*supplied, dialect.uid(lease)]),
        ]
    )
    return len(changed)


def leased(leases: Sequence[UUID], *, most: int) -> list[Leased]:
    """Some of what is claimed under these leases, locked until the transaction ends.

    One that somebody writes at this moment is passed over: its worker was only late, and two who wait for each other's
    rows would be ended by the database.
    """
    return [
        _read_leased(row)
        for row in statements.run(
            f"""SELECT {", ".join(_LEASED)} FROM dispatch_delivery
            WHERE {IS_CLAIMED} AND {dialect.in_ids("lease")} LIMIT {most} {dialect.skip_locked()}""",  # noqa: S608
            [dialect.ids(leases)],
        )
    ]


def renew(ids: Sequence[UUID], *, lease: UUID, lease_until: datetime) -> int:
    """Hold what this lease still holds until then; returns how many. What is being written meanwhile is left out."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE dispatch_delivery SET lease_until = %s WHERE id IN (SELECT id FROM dispatch_delivery
                WHERE {dialect.in_ids("id")} AND {IS_CLAIMED} AND lease = %s {dialect.skip_locked()})""",  # noqa: S608
            [dialect.time(lease_until), dialect.ids(ids), dialect.uid(lease)],
        )
        renewed: int = cursor.rowcount
    return renewed


_GIVE_BACK = f"""UPDATE dispatch_delivery SET {IS_DUE}, lease = NULL, lease_until = NULL,
    tries = CASE WHEN begun_at IS NULL THEN tries ELSE tries - 1 END,
    attempt_count = CASE WHEN begun_at IS NULL THEN attempt_count ELSE attempt_count - 1 END,
    begun_at = NULL, lapsed = lapsed OR %s"""  # noqa: S608 - constants of this package only


def give_back(ids: Sequence[UUID], *, lease: UUID, lapsed: bool = False) -> int:
    """Claimed rows become due again as if nothing had been tried; a begun one gets its try back.

    `lapsed` marks those whose lease ran out, which are claimed alone from then on.
    """
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_GIVE_BACK} WHERE {dialect.in_ids('id')} AND {IS_CLAIMED} AND lease = %s",
            [lapsed, dialect.ids(ids), dialect.uid(lease)],
        )
        changed: int = cursor.rowcount
    return changed


def give_back_all(lease: UUID) -> int:
    """As `give_back`, for whatever is claimed under this lease: also what was claimed without our knowing."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_GIVE_BACK} WHERE {IS_CLAIMED} AND lease = %s", [False, dialect.uid(lease)])
        changed: int = cursor.rowcount
    return changed


def put_aside(delivery_id: UUID, *, lease: UUID, state: DeliveryState, code: str, detail: str) -> bool:
    """A claimed row that was not begun waits in `state` instead; False when it is not ours any more."""
    ours = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.CLAIMED, lease=lease)
    return bool(
        ours.update(state=state, reason_code=code, reason_detail=detail, lease=None, lease_until=None, begun_at=None)
    )


@transaction.atomic
def expire(ids: Sequence[UUID], *, now: datetime) -> int:
    """Rows that wait and whose time is over end as expired; their last reason stays."""
    waiting = Delivery.objects.filter(id__in=ids, state__in=Change.EXPIRE.before, expires_at__lte=now)
    return lock(waiting).update(
        state=DeliveryState.EXPIRED,
        reason_code=Case(When(reason_code="", then=Value("expired")), default=F("reason_code")),
    )


def lock(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those of the rows that nobody writes at this moment, held until the transaction ends.

    A change of many rows that waits for one of them holds the others, and also those that a drain claimed while it
    waited: the drain then waits for it in turn. So each is passed over that another writes.
    """
    return Delivery.objects.filter(pk__in=list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)))


def reroute(kind: ServerKind, *, source: int | None, target: int | None, chunk: int = 5000) -> int:
    """Move what is due for `source` to `target`, in chunks; None is no server, and a row without one says so.

    Ends after MOST_CHUNKS of them; who calls again moves on.
    """
    total = 0
    code = ReasonCode.NO_ACTIVE_SERVER.value
    noted = _without(code) if target else Case(When(reason_code="", then=Value(code)), default=F("reason_code"))
    waiting = Delivery.objects.filter(state=DeliveryState.DUE, server=source, server_kind=kind.value)
    for _ in range(MOST_CHUNKS):
        with transaction.atomic():
            moved = lock(waiting.order_by()[:chunk]).update(server_id=target, reason_code=noted)
        total += moved
        if not moved:
            break
    return total


def any_due(server_id: int, *, now: datetime) -> bool:
    moment = dialect.time(now)
    before = dialect.without(*dialect.SORTING)
    return bool(statements.in_one_round_trip([*before, Statement(_MOST_URGENT, [server_id, moment, moment])])[-1])


def servers_with_due() -> list[int | None]:
    """The servers that have anything due now or later, None for no server; a loose scan of the partial index."""
    found = statements.read(
        f"""WITH RECURSIVE found AS (
            SELECT min(server_id) AS id FROM dispatch_delivery WHERE {IS_DUE}
            UNION ALL
            SELECT (SELECT min(server_id) FROM dispatch_delivery WHERE {IS_DUE} AND server_id > found.id)
            FROM found WHERE found.id IS NOT NULL
        ) SELECT id FROM found WHERE id IS NOT NULL"""  # noqa: S608 - constants of ours only
    )
    without = statements.read(
        f"SELECT 1 FROM dispatch_delivery WHERE {IS_DUE} AND server_id IS NULL ORDER BY priority, due_at LIMIT 1"  # noqa: S608
    )
    return [*(row[0] for row in found), *(None for _ in without)]


def _without(code: str) -> Case:
    return Case(When(reason_code=code, then=Value("")), default=F("reason_code"))
