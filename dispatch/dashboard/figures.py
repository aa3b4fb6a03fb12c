"""What pages ask about deliveries; a fixed, small number of queries however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from msgspec import Struct

from devices.scope import GroupScope
from dispatch.dashboard.counting import DAYS, HOUR, SAMPLE, Latency, first_hour, hours_of, latency
from dispatch.models import Delivery, HourFigures, Priority
from dispatch.outbox.indexes import RARE_ONES, in_state
from dispatch.rules import states
from dispatch.rules.states import DeliveryState
from foundation.sql.ids import first_id
from servers.models import Server

MOST_COUNTED = 100_000
KEPT_SECONDS, OVER_KEPT_SECONDS = 60, 1_800
"""How long the figures of a limited scope are kept: of the latest hours, and of those that are over."""
_WAITING = timedelta(minutes=5)
_HASTY = (Priority.SYSTEM, Priority.EVENT)


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
    anything_sent: bool


class Hour(Struct, frozen=True):
    """What was accepted in it: `counts` is {server kind: {state: number}}."""

    start: datetime
    counts: dict[str, dict[str, int]]
    median_ms: int | None
    counted_at: datetime


def hours(*, scope: GroupScope, now: datetime) -> list[Hour]:
    """Those of the last two weeks that were counted; those of a limited scope are counted here and kept for a while."""
    if scope.is_limited:
        edge = _full_hour(now) - HOUR
        return [*_kept_hours(scope, first_hour(now), edge, now=now), *_kept_hours(scope, edge, now + HOUR, now=now)]
    rows = HourFigures.objects.filter(start__gte=first_hour(now)).order_by()
    return [Hour(*row) for row in rows.values_list("start", "counts", "median_ms", "counted_at")]


def _kept_hours(scope: GroupScope, since: datetime, until: datetime, *, now: datetime) -> list[Hour]:
    """Counted anew each minute, those that are over each half hour."""
    is_over = until <= now
    key = f"dispatch.dashboard.{'older' if is_over else 'hours'}.{until:%d%H}.{scope.key}"
    known: list[Hour] | None = cache.get(key)
    if known is None:
        rows = Delivery.objects.within(scope).filter(id__gte=first_id(since), id__lt=first_id(until))
        known = [Hour(*row, now) for row in hours_of(rows)]
        cache.set(key, known, OVER_KEPT_SECONDS if is_over else KEPT_SECONDS)
    return known


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def now_figures(hours: Sequence[Hour], *, scope: GroupScope, now: datetime) -> Now:
    day_ago = now - timedelta(days=1)
    lately = [hour for hour in hours if hour.start > day_ago - timedelta(hours=1)]
    rows = Delivery.objects.within(scope).order_by()
    recent = _newest(rows.filter(id__gte=first_id(day_ago)))
    failed = sum(
        rows.filter(RARE_ONES, in_state(state), id__gte=first_id(day_ago))[:MOST_COUNTED].count()
        for state in states.LOST
    )
    return Now(
        sent=sum(_count(hour.counts, states.TAKEN) for hour in lately),
        failed=min(failed, MOST_COUNTED),
        queued=rows.filter(in_state(DeliveryState.DUE))[:MOST_COUNTED].count(),
        latency=latency(recent),
        counted_at=max((hour.counted_at for hour in lately), default=None),
        anything_sent=any(sent for _accepted, sent in recent) or scope.is_limited or _was_counted_as_sent(),
    )


def days(hours: Sequence[Hour], *, now: datetime) -> list[Day]:
    """The last two weeks by the day of acceptance in the zone of the page, oldest first."""
    first = timezone.localtime(now).date() - timedelta(days=DAYS - 1)
    by_day: dict[date, list[Hour]] = {first + timedelta(days=number): [] for number in range(DAYS)}
    for hour in hours:
        on = timezone.localtime(hour.start).date()
        if on in by_day:
            by_day[on].append(hour)
    return [_day(on, rows) for on, rows in by_day.items()]


def _newest(rows: QuerySet[Delivery]) -> list[tuple[datetime, datetime | None]]:
    """When the newest of these were accepted and sent."""
    return list(rows.order_by("-id").values_list("created_at", "sent_at")[:SAMPLE])


def _was_counted_as_sent() -> bool:
    newest = HourFigures.objects.order_by("-start").values_list("counts", flat=True)[: 24 * DAYS]
    return any(_count(counts, states.TAKEN) for counts in newest)


def recent_failures(*, scope: GroupScope, limit: int = 8) -> list[Delivery]:
    return list(
        Delivery.objects.within(scope)
        .filter(RARE_ONES, in_state(DeliveryState.FAILED))
        .order_by("-id")
        .only(
            "id", "server_id", "server_kind", "address", "address_kind", "reason_code", "reason_detail", "created_at"
        )[:limit]
    )


def waiting_long(*, now: datetime) -> Iterator[tuple[str, datetime]]:
    """The active servers that are neither stopped nor paused and yet let a message wait longer than they should.

    Each with the time since when the oldest one waits that is no broadcast.
    """
    active = Server.objects.filter(active=True, stopped_at=None).order_by("name")
    oldest = [_oldest(priority) for priority in _HASTY]
    for name, paused_until, *due in active.values_list("name", "paused_until", *oldest):
        since = min((each for each in due if each), default=now)
        is_paused = paused_until and paused_until > now
        if now - since > _WAITING and not is_paused:
            yield name, since


def _oldest(priority: Priority) -> Subquery:
    """When the first message of this priority that waits for a server is due."""
    waiting = Delivery.objects.filter(in_state(DeliveryState.DUE), server=OuterRef("pk"), priority=priority)
    return Subquery(waiting.order_by("due_at").values("due_at")[:1])


def waiting_for(server: Server, *, scope: GroupScope) -> int:
    """How many messages in the scope wait for this server; stops at MOST_COUNTED."""
    rows = Delivery.objects.within(scope).filter(in_state(DeliveryState.DUE), server_id=server.pk)
    return rows.order_by()[:MOST_COUNTED].count()


def _count(counts: Mapping[str, Mapping[str, int]], wanted: Iterable[str]) -> int:
    return sum(by_state.get(state, 0) for by_state in counts.values() for state in wanted)


def _day(on: date, rows: Sequence[Hour]) -> Day:
    sent: dict[str, int] = {}
    weighted: list[tuple[int, int]] = []
    for row in rows:
        for kind, by_state in row.counts.items():
            sent[kind] = sent.get(kind, 0) + sum(by_state.get(state, 0) for state in states.TAKEN)
        if row.median_ms is not None:
            weighted.append((row.median_ms, _count(row.counts, states.TAKEN)))
    return Day(
        on=on,
        sent=sent,
        failed=sum(_count(row.counts, states.LOST) for row in rows),
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
