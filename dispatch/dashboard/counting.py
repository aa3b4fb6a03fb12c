"""Counts deliveries hour by hour into HourFigures, so that no page counts a million rows.

Ids are UUIDv7, so the deliveries accepted in an hour are one range of the primary key and need no index of their own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db.models import Case, Count, F, QuerySet, Value, When
from django.db.models.functions import TruncHour
from msgspec import Struct

from dispatch.models import Delivery, HourFigures
from dispatch.rules.states import UNSETTLED
from foundation.sql.ids import first_id
from servers.values import KINDS_OF_CHANNEL
from templates_app.channels import ADDRESSED

HOUR = timedelta(hours=1)
DAYS = 14
SAMPLE = 500
_EVERY = timedelta(seconds=30)
_LATE_EVERY = timedelta(minutes=30)
_MOST_SECONDS = 2.0  # in a row, so that other maintenance has its turn
_SHARE = 20  # counting may take one part in so many of a worker's time
_KIND = Case(
    *(When(channel=kind, then=Value(KINDS_OF_CHANNEL[kind][0].value)) for kind in ADDRESSED), default=F("server_kind")
)
"""An SMS is one, though a carrier gateway is reached through the mail server."""


class Latency(Struct, frozen=True):
    """From acceptance to the server's yes; `slow` is what 95 of 100 stay below."""

    median: timedelta
    slow: timedelta


def count(*, now: datetime) -> int:
    """Count the hours whose figures may be out of date; returns how many. Run every half minute by the beat."""
    known = {row.start: row for row in HourFigures.objects.filter(start__gte=first_hour(now))}
    wanted = [start for start in _hours(now=now) if _is_stale(known.get(start), start=start, now=now)]
    until, counted = time.monotonic() + _MOST_SECONDS, 0
    for start in wanted:
        _count_hour(start, now=now)
        counted += 1
        if time.monotonic() > until:
            break
    return counted


Counts = dict[str, dict[str, int]]


def hours_of(rows: QuerySet[Delivery]) -> list[tuple[datetime, Counts, int | None]]:
    """The hours of some deliveries as HourFigures has those of all: start, counts, and median in milliseconds.

    The median is that of the newest alone.
    """
    among = rows.order_by()
    counts: dict[datetime, Counts] = {}
    start = TruncHour("created_at", tzinfo=UTC)
    for hour, kind, state, number in among.values_list(start, _KIND, "state").annotate(number=Count("*")):
        counts.setdefault(hour, {}).setdefault(kind, {})[state] = number
    sample: dict[datetime, list[tuple[datetime, datetime | None]]] = {}
    for pair in among.order_by("-id").values_list("created_at", "sent_at")[:SAMPLE]:
        sample.setdefault(_floor(pair[0]), []).append(pair)
    medians = {hour: _milliseconds(found.median) for hour, pairs in sample.items() if (found := latency(pairs))}
    return [(hour, by_kind, medians.get(hour)) for hour, by_kind in sorted(counts.items())]


def latency(sample: list[tuple[datetime, datetime | None]]) -> Latency | None:
    """Of (accepted, sent) pairs; None when none of them was sent."""
    took = sorted(sent - accepted for accepted, sent in sample if sent)
    if not took:
        return None
    return Latency(median=took[len(took) // 2], slow=took[min(len(took) * 95 // 100, len(took) - 1)])


def _hours(*, now: datetime) -> list[datetime]:
    """The hours of the last two weeks that can hold a delivery, newest first."""
    oldest = Delivery.objects.filter(id__gte=first_id(first_hour(now))).order_by("id").values_list("created_at")[:1]
    found = [row[0] for row in oldest]
    if not found:
        return [_floor(now)]
    start, hours = _floor(now), []
    while start >= max(_floor(found[0]) - HOUR, first_hour(now)):
        hours.append(start)
        start -= HOUR
    return hours


def _is_stale(row: HourFigures | None, *, start: datetime, now: datetime) -> bool:
    if row is None:
        return True
    age = abs(now - row.counted_at)  # what a clock that was ahead counted is not fresh until it comes
    fresh = start >= _floor(now) - HOUR
    patience = max(_EVERY if fresh else _LATE_EVERY, _SHARE * timedelta(milliseconds=row.took_ms))
    return (fresh or row.unfinished) and age >= patience


def _count_hour(start: datetime, *, now: datetime) -> None:
    began = time.monotonic()
    rows = Delivery.objects.filter(id__gte=first_id(start), id__lt=first_id(start + HOUR)).order_by()
    counts: dict[str, dict[str, int]] = {}
    for kind, state, number in rows.values_list(_KIND, "state").annotate(number=Count("*")):
        counts.setdefault(kind, {})[state] = number
    sample = list(rows.order_by("-id").values_list("created_at", "sent_at")[:SAMPLE])
    found = latency(sample)
    HourFigures.objects.update_or_create(
        start=start,
        defaults={
            "counts": counts,
            "median_ms": _milliseconds(found.median) if found else None,
            "slow_ms": _milliseconds(found.slow) if found else None,
            "unfinished": any(state in UNSETTLED for by_state in counts.values() for state in by_state),
            "counted_at": now,
            "took_ms": round((time.monotonic() - began) * 1000),
        },
    )


def _milliseconds(duration: timedelta) -> int:
    return max(0, round(duration / timedelta(milliseconds=1)))


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def first_hour(now: datetime) -> datetime:
    """A midnight (UTC) with which the last two weeks have begun in no time zone."""
    return _floor(now).replace(hour=0) - timedelta(days=DAYS)
