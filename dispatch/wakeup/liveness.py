"""Whether the workers and the sweep live, as this process sees it: their counters change.

A canary goes through the real queue, for a worker can run and yet be deaf.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import F

from dispatch.models import Pulse, SweepRecord
from dispatch.rules.clock import Clock

SILENT = timedelta(seconds=90)
"""A queue without a sign of life for so long is taken for dead; the canary flies every 20 seconds."""
SWEEP_SILENT = timedelta(seconds=30)
"""The same for the sweep, which shows life every two seconds."""
SWEEP = "sweep"


def beat(queue: str, *, now: datetime) -> None:
    """A worker of the queue did something."""
    if not Pulse.objects.filter(queue=queue).update(count=F("count") + 1, at=now):
        Pulse.objects.update_or_create(queue=queue, defaults={"count": 1, "at": now})


def counts(queues: Iterable[str]) -> dict[str, int]:
    """How often each queue showed life so far."""
    found = dict(Pulse.objects.values_list("queue", "count"))
    return {queue: found.get(queue, 0) for queue in queues}


def silent(queues: Iterable[str], *, clock: Clock) -> list[str]:
    """Those of the queues whose workers give no sign of life."""
    signs = {queue: (count, at) for queue, count, at in Pulse.objects.values_list("queue", "count", "at")}
    ages = _memory.ages({queue: signs[queue] for queue in queues if queue in signs}, clock=clock)
    return [queue for queue in queues if ages.get(queue, SILENT) >= SILENT]


def sweep_is_silent(record: SweepRecord | None, *, clock: Clock) -> bool:
    """Whether nobody sweeps, as far as one can tell from its record."""
    if record is None:
        return True
    return _memory.ages({SWEEP: (record.count, record.at)}, clock=clock)[SWEEP] >= SWEEP_SILENT


class Memory:
    """What this process saw of each counter, and when it last saw it change, by its own monotonic clock.

    A counter that it sees for the first time is as old as the clocks say, in whichever direction they differ: one that
    was written by a clock two hours ahead is not fresh for two hours.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, float]] = {}

    def ages(self, signs: Mapping[str, tuple[int, datetime]], *, clock: Clock) -> dict[str, timedelta]:
        with self._lock:
            return {name: self._age(name, count, at, clock=clock) for name, (count, at) in signs.items()}

    def _age(self, name: str, count: int, at: datetime, *, clock: Clock) -> timedelta:
        elapsed = clock.elapsed()
        seen = self._seen.get(name)
        if seen is None:
            self._seen[name] = (count, elapsed - abs((clock.now() - at).total_seconds()))
        elif seen[0] != count:
            self._seen[name] = (count, elapsed)
        return timedelta(seconds=elapsed - self._seen[name][1])


_memory = Memory()
