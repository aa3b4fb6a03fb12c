"""What passing time does to deliveries: lapsed leases, expiry, servers that come and go."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from dispatch import broadcasts, doorbell, outbox, receipts
from dispatch.models import Delivery, DeliveryText, Event
from dispatch.outbox import CLAIM_COLUMNS, Claim, read_claim
from dispatch.settling import judged
from foundation.sql import dialect
from servers import queries
from servers.values import Limits, ServerKind
from transports.types import Reason, ReasonCode, Scope, Unknown

CHUNK = 500
NO_SERVER = Limits(timeout=timedelta(seconds=30), max_attempts=6)
"""The limits of a server that is gone: the defaults."""

_LOST = Unknown(Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost while it was being sent"))


def sweep(*, now: datetime) -> None:
    """Everything that time brings, in order; run by the beat every few seconds, twice at once does no harm."""
    reap(now=now)
    expire(now=now)
    reroute()
    receipts.follow_early(now=now)
    wipe_secrets()
    broadcasts.resume(now=now)
    broadcasts.finish(now=now)
    ring_where_due(now=now)


def reap(*, now: datetime) -> int:
    """Take back what a lost worker held: what was not begun is due again, what was begun has an unknown outcome.

    A delivery is not charged with its first lapse, for another one may have killed the worker; from then on it is
    alone in its lease, and each further lapse is charged, so that what kills every worker ends at last.
    """
    reaped = 0
    while found := _lapsed(now=now):
        for (server_id, lease), held in found.items():
            reaped += _reap(held, server_id=server_id, lease=lease, now=now)
        if sum(map(len, found.values())) < CHUNK:
            break
    return reaped


def expire(*, now: datetime) -> int:
    """What was not sent in its time ends, in chunks."""
    total = 0
    while True:
        ids = list(
            Delivery.objects.filter(
                state__in=[Delivery.State.DUE, Delivery.State.PAUSED, Delivery.State.HELD], expires_at__lte=now
            ).values_list("id", flat=True)[:CHUNK]
        )
        expired = outbox.expire(ids, now=now) if ids else 0
        total += expired
        if len(ids) < CHUNK or not expired:
            return total


def reroute() -> int:
    """What waits without a server, or for one that is not active, moves to the active one of its kind, if any."""
    active = {kind: route.server_id for kind, route in queries.active_routes().items()}
    moved = 0
    for server_id in _servers_with_waiting():
        if server_id in active.values():
            continue
        for kind in ServerKind:
            target = active.get(kind)
            if target != server_id:
                moved += outbox.reroute(kind, source=server_id, target=target)
    return moved


def wipe_secrets() -> int:
    """Secret values go, in chunks, when nothing of their event can be sent any more; answers how many events."""
    total = 0
    while ids := _with_idle_secrets():
        with transaction.atomic():
            texts = Delivery.objects.filter(event__in=ids, text__isnull=False).values("text")
            DeliveryText.objects.filter(pk__in=texts).exclude(sealed="").update(sealed=Event.WIPED)
            total += Event.objects.filter(pk__in=ids).update(sealed=Event.WIPED)
    return total


def ring_where_due(*, now: datetime) -> int:
    """Ring for every server with work due; answers how many rings."""
    due = [server_id for server_id in _servers_with_waiting() if server_id and outbox.any_due(server_id, now=now)]
    for server_id in due:
        doorbell.ring(server_id)
    return len(due)


def _servers_with_waiting() -> list[int | None]:
    """The servers that have anything due now or later, None for no server; a loose scan of the partial index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH RECURSIVE found AS (
                SELECT min(server_id) AS id FROM dispatch_delivery WHERE state = 'due'
                UNION ALL
                SELECT (SELECT min(server_id) FROM dispatch_delivery WHERE state = 'due' AND server_id > found.id)
                FROM found WHERE found.id IS NOT NULL
            ) SELECT id FROM found WHERE id IS NOT NULL"""
        )
        found: list[int | None] = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            """SELECT 1 FROM dispatch_delivery WHERE state = 'due' AND server_id IS NULL
            ORDER BY priority, due_at LIMIT 1"""
        )
        return [*found, None] if cursor.fetchall() else found


def _with_idle_secrets() -> list[UUID]:
    """Events with secrets and no delivery or schedule that needs them; by the partial index on those with secrets."""
    open_states = ", ".join(f"'{state}'" for state in Delivery.OPEN)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT e.id FROM dispatch_event e WHERE NOT (e.sealed IN ('', '{Event.WIPED}'))
            AND NOT EXISTS (SELECT 1 FROM dispatch_delivery d WHERE d.event_id = e.id AND d.state IN ({open_states}))
            AND NOT EXISTS (SELECT 1 FROM dispatch_schedule s WHERE s.event_id = e.id AND s.state = 'waiting')
            LIMIT {CHUNK}"""  # noqa: S608 - constants of ours only
        )
        return [dialect.read_uid(row[0]) for row in cursor.fetchall()]


def _lapsed(*, now: datetime) -> dict[tuple[int | None, UUID], list[tuple[Claim, bool]]]:
    """Claims whose lease is over, by server and lease, each with whether it was begun."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {CLAIM_COLUMNS}, server_id, lease, begun_at FROM dispatch_delivery
            WHERE state = 'claimed' AND lease_until <= %s ORDER BY lease_until LIMIT {CHUNK}""",  # noqa: S608
            [dialect.time(now)],
        )
        rows = cursor.fetchall()
    found: dict[tuple[int | None, UUID], list[tuple[Claim, bool]]] = {}
    for row in rows:
        found.setdefault((row[-3], dialect.read_uid(row[-2])), []).append((read_claim(row), row[-1] is not None))
    return found


def _reap(held: list[tuple[Claim, bool]], *, server_id: int | None, lease: UUID, now: datetime) -> int:
    untouched = [claim.id for claim, begun in held if not begun and not claim.lapsed]
    tried = [(claim, begun) for claim, begun in held if begun or claim.lapsed]
    reaped = outbox.give_back(untouched, lease=lease, lapsed=True)
    if not tried:
        return reaped
    server = queries.find(server_id) if server_id else None
    limits = server.limits() if server else NO_SERVER
    settlements = [
        judged(
            claim.uncounted() if begun else claim,
            _LOST,
            limits=limits,
            now=now,
            started_at=now,
            duration=timedelta(),
            jitter=random.random,
            lapsed=True,
            charged=claim.lapsed,
        )
        for claim, begun in tried
    ]
    return reaped + outbox.settle(
        settlements, lease=lease, server_id=server_id, server_name=server.name if server else ""
    )
