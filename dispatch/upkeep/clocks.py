"""Notices that somebody set the wall clock, and puts right what was planned by it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from msgspec import Struct

from dispatch.models import Attempt, Delivery, SweepRecord
from dispatch.outbox import deliveries
from dispatch.rules.clock import Clock
from dispatch.rules.states import DeliveryState
from foundation.sql.ids import first_id
from servers.models import Server

FORWARD = timedelta(minutes=10)
"""A clock that ran so much ahead between two sweeps was set; a machine that slept counts its sleep."""
BACK = timedelta(minutes=1)
DISTRUSTED = timedelta(minutes=15)
"""For how long after it was set forward nothing expires, and after any jump Health tells of it."""
CHUNK = 5000

logger = logging.getLogger(__name__)


class ClockWatch(Struct):
    """Compares the wall clock with one that nobody sets; one in each process that sweeps.

    `jump` is how far the clock was set in all, as long as that is reported; `behind` how far back, until what was
    planned before is put right.
    """

    jump: timedelta = timedelta()
    behind: timedelta = timedelta()
    _last: tuple[datetime, float] | None = None
    _since: float = 0.0

    def look(self, *, clock: Clock) -> datetime:
        """Returns the moment that it saw, of which `may_expire` speaks: the clock may be set right after it."""
        now, elapsed = clock.now(), clock.elapsed()
        if self._last is None:
            drift = _left_by_another(now=now)
        else:
            drift = now - self._last[0] - timedelta(seconds=elapsed - self._last[1])
        self._last = now, elapsed
        if drift >= FORWARD or drift <= -BACK:
            self._note(drift, at=elapsed)
        elif elapsed - self._since >= DISTRUSTED.total_seconds():
            self.jump = timedelta()
        return now

    def may_expire(self) -> bool:
        """Whether what is over by the clock may be taken for over."""
        return self.jump < FORWARD

    def _note(self, drift: timedelta, *, at: float) -> None:
        both = self.jump + drift
        self.jump = both if abs(both) >= BACK else timedelta()
        self.behind += max(-drift, timedelta())
        self._since = at
        logger.warning("clock.set seconds=%d", drift.total_seconds())


def _left_by_another(*, now: datetime) -> timedelta:
    """The jump that a sweep before this process left: a time that is still to come was written before a setting back.

    A jump forward that it reported is reported anew, for nobody knows how long ago that was.
    """
    record = SweepRecord.objects.first()
    if record is None:
        return timedelta()
    ahead = record.at - now
    return -ahead if ahead >= BACK else timedelta(seconds=max(0, record.jumped_seconds))


def show_life(*, jump: timedelta, now: datetime) -> None:
    """Somebody sweeps, and this is what it knows of the clock."""
    seen = {"at": now, "jumped_seconds": round(jump.total_seconds())}
    if not SweepRecord.objects.filter(pk=1).update(count=F("count") + 1, **seen):
        SweepRecord.objects.update_or_create(pk=1, defaults=seen)


def set_back(by: timedelta, *, now: datetime) -> int:
    """What was planned while the clock was ahead is due that much earlier, and paused servers are tried now.

    Returns how many deliveries. When they expire stays: the clock may be wrong now rather than then.
    """
    for server_id in Server.objects.values_list("pk", flat=True):  # one by one, so that none is held while one waits
        Server.objects.filter(pk=server_id, paused_until__gt=now).update(paused_until=now)
        Server.objects.filter(pk=server_id, rate_free_at__gt=now).update(rate_free_at=None)
    ahead = now + BACK
    tried = Exists(Attempt.objects.filter(delivery=OuterRef("pk"), started_at__gt=ahead))
    planned = Delivery.objects.filter(Q(id__gte=first_id(ahead)) | Q(attempt_count__gt=0) & tried)
    waiting = planned.filter(state=DeliveryState.DUE, due_at__gt=now).order_by("id")
    moved, last = 0, None
    while ids := list((waiting.filter(id__gt=last) if last else waiting).values_list("id", flat=True)[:CHUNK]):
        rows = Delivery.objects.filter(id__in=ids, state=DeliveryState.DUE)
        with transaction.atomic():
            moved += deliveries.lock(rows).update(due_at=F("due_at") - by)
        last = ids[-1]
    return moved
