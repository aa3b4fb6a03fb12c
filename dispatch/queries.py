"""What pages ask about deliveries; a fixed, small number of queries however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from msgspec import Struct

from dispatch import dialect
from dispatch.models import TROUBLE, Delivery, HourFigures
from dispatch.statistics import DAYS, SAMPLE, Latency, first_id, latency
from servers.models import Server

State = Delivery.State
MOST_COUNTED = 100_000
_SENT = (State.SENT, State.DELIVERED, State.UNDELIVERED)
_FAILED = (State.FAILED, State.EXPIRED)
_WAITING = timedelta(minutes=5)
_HASTY = (0, 5)
_OLDEST = " UNION ALL ".join(
    f"""SELECT due_at FROM (SELECT due_at FROM dispatch_delivery WHERE state = 'due' AND server_id = %s
    AND priority = {priority} ORDER BY due_at LIMIT 1) AS p{priority}"""  # noqa: S608 - constants of this module only
    for priority in _HASTY
)


def _literally(condition: str) -> RawSQL:
    """SQLite finds a partial index only by a condition written as in the index, with literals, not parameters."""
    return RawSQL(condition, [], output_field=BooleanField())  # noqa: S611 - our own constants


def _in_state(state: Delivery.State) -> RawSQL:
    return _literally(f"state = '{state.value}'")


_TROUBLE = _literally(f"state IN ({', '.join(repr(state) for state in TROUBLE)})")


class Day(Struct, frozen=True):
    """`sent` is {server kind: number}; times in seconds, None when nothing was sent."""

    on: date
    sent: dict[str, int]
    failed: int
    median: float | None


class Now(Struct, frozen=True):
    """The last 24 hours. `queued` and `failed` stop at MOST_COUNTED; `sent` is as of `counted_at`."""

    sent: int
    failed: int
    queued: int
    latency: Latency | None
    counted_at: datetime | None


def now_figures(*, now: datetime) -> Now:
    day_ago = now - timedelta(days=1)
    hours = list(HourFigures.objects.filter(start__gt=day_ago - timedelta(hours=1)))
    recent = list(Delivery.objects.order_by("-id").values_list("created_at", "sent_at")[:SAMPLE])
    failed = sum(
        Delivery.objects.filter(_TROUBLE, _in_state(state), id__gte=first_id(day_ago)).order_by()[:MOST_COUNTED].count()
        for state in _FAILED
    )
    return Now(
        sent=sum(_count(row, _SENT) for row in hours),
        failed=min(failed, MOST_COUNTED),
        queued=Delivery.objects.filter(_in_state(State.DUE)).order_by()[:MOST_COUNTED].count(),
        latency=latency([pair for pair in recent if pair[0] >= day_ago]),
        counted_at=max((row.counted_at for row in hours), default=None),
    )


def days(*, now: datetime) -> list[Day]:
    """The last two weeks by the day (UTC) of acceptance, oldest first."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    by_day: dict[date, list[HourFigures]] = {first + timedelta(days=number): [] for number in range(DAYS)}
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    for row in HourFigures.objects.filter(start__gte=start):
        if row.start.astimezone(UTC).date() in by_day:
            by_day[row.start.astimezone(UTC).date()].append(row)
    return [_day(on, rows) for on, rows in by_day.items()]


def anything_sent() -> bool:
    """Whether a delivery ever succeeded, as far as the figures and the newest deliveries tell."""
    recent = Delivery.objects.order_by("-id").values_list("sent_at", flat=True)[:SAMPLE]
    return any(recent) or any(_count(row, _SENT) for row in HourFigures.objects.order_by("-start")[: 24 * DAYS])


def recent_failures(*, limit: int = 8) -> list[Delivery]:
    return list(
        Delivery.objects.filter(_TROUBLE, _in_state(State.FAILED))
        .order_by("-id")
        .only(
            "id", "server_id", "server_kind", "address", "address_kind", "reason_code", "reason_detail", "created_at"
        )[:limit]
    )


def waiting_since(server: Server, *, now: datetime) -> datetime | None:
    """Since when the oldest message that is no broadcast waits for this server, if that is longer than it should."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, [server.pk, server.pk])
        since = min((dialect.read_time(row[0]) for row in cursor.fetchall()), default=now)
    return since if now - since > _WAITING else None


def waiting_for(server: Server) -> int:
    """How many messages wait for this server; stops at MOST_COUNTED."""
    return Delivery.objects.filter(_in_state(State.DUE), server_id=server.pk).order_by()[:MOST_COUNTED].count()


def _count(row: HourFigures, states: Iterable[str]) -> int:
    return sum(by_state.get(state, 0) for by_state in row.counts.values() for state in states)


def _day(on: date, rows: list[HourFigures]) -> Day:
    sent: dict[str, int] = {}
    weighted: list[tuple[int, int]] = []
    for row in rows:
        for kind, by_state in row.counts.items():
            sent[kind] = sent.get(kind, 0) + sum(by_state.get(state, 0) for state in _SENT)
        if row.median_ms is not None:
            weighted.append((row.median_ms, _count(row, _SENT)))
    return Day(
        on=on,
        sent=sent,
        failed=sum(_count(row, _FAILED) for row in rows),
        median=_weighted_median(weighted) / 1000 if weighted else None,
    )


def _weighted_median(pairs: list[tuple[int, int]]) -> int:
    """The median of the hours' medians, each counting as often as its messages."""
    half, passed = sum(weight for _value, weight in pairs) / 2, 0
    for value, weight in sorted(pairs):
        passed += weight
        if passed >= half:
            return value
    return pairs[-1][0]
