"""Sees who is dead, and has what they hold taken back.

Who is dead is seen by what stands still; clock times are never compared.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from msgspec import Struct, field

from dispatch.broadcasts import planning
from dispatch.models import Worker
from dispatch.outbox import lanes
from dispatch.rules.clock import Clock
from dispatch.rules.stillness import Stillness
from dispatch.sending import reaping
from dispatch.wakeup import workers
from servers import queries
from servers.values import Limits

DEAD_AFTER = timedelta(seconds=15)
"""A worker whose counter stood still for so long is dead; it is raised every three seconds."""
_AT_ONCE = timedelta(seconds=1)
_NOBODY = UUID(int=0)
_REMEMBERED = timedelta(hours=1)
"""How long a dead worker of which nothing else is known is reported."""

logger = logging.getLogger(__name__)


class Reaper(Struct):
    """Looks every few seconds, and remembers; one in each process that sweeps."""

    _pulses: Stillness[UUID] = field(default_factory=Stillness)
    _leases: Stillness[UUID] = field(default_factory=Stillness)
    _planners: Stillness[UUID] = field(default_factory=Stillness)

    def look(self, *, clock: Clock) -> int:
        """Take back what is held by workers whose counter, and under leases whose end, stood still for long enough.

        Returns how many deliveries, lanes and broadcasts. An error means that this process was blind: it counts anew.
        """
        try:
            self._check_sight(clock=clock)
            return self._dead_workers(clock=clock) + self._dead_leases(clock=clock) + self._dead_planners(clock=clock)
        except Exception:
            self._forget()
            raise

    def _forget(self) -> None:
        for watcher in (self._pulses, self._leases, self._planners):
            watcher.forget()

    def _check_sight(self, *, clock: Clock) -> None:
        """Where this process has to wait to write, as while another program holds a lock, no worker can show life."""
        before = clock.monotonic()
        Worker.objects.filter(pk=_NOBODY).update(lost=True)
        if clock.monotonic() - before > _AT_ONCE.total_seconds():
            self._forget()

    def _dead_workers(self, *, clock: Clock) -> int:
        held = reaping.held_by_worker()
        known = {pk: (pulse, lost) for pk, pulse, lost in Worker.objects.values_list("pk", "pulse", "lost")}
        unknown = {worker: (0, False) for worker in held if worker not in known}
        every = known | unknown
        still = self._pulses.look({worker: pulse for worker, (pulse, _lost) in every.items()}, at=clock.monotonic())
        freed = 0
        for worker, (pulse, lost) in every.items():
            leases, silence = held.get(worker, []), timedelta(seconds=still[worker])
            if lost and silence >= _REMEMBERED:
                workers.gone(worker)
            elif silence >= DEAD_AFTER and (leases or not lost) and (worker in unknown or _lose(worker, pulse=pulse)):
                freed += reaping.reap(leases, now=clock.now()) + lanes.free(leases)
        return freed

    def _dead_leases(self, *, clock: Clock) -> int:
        """Those of drains that could not give back what they held, as when the database was away."""
        held = lanes.leases()
        still = self._leases.look({lease: until for lease, (_, until) in held.items()}, at=clock.monotonic())
        dead = [lease for lease, seconds in still.items() if seconds >= _limits(held[lease][0]).lease.total_seconds()]
        return reaping.reap(dead, now=clock.now()) + lanes.free(dead) if dead else 0

    def _dead_planners(self, *, clock: Clock) -> int:
        still = self._planners.look(planning.leases(), at=clock.monotonic())
        dead = [pk for pk, seconds in still.items() if seconds >= planning.LEASE.total_seconds()]
        return planning.free(dead) if dead else 0


def _lose(worker: UUID, *, pulse: int) -> bool:
    """Between the look and this the worker can't have taken another lane: it would have raised its counter before."""
    lose = workers.lose(worker, pulse=pulse)
    if lose:
        logger.warning("worker.lost worker=%s", worker)
    return lose


def _limits(server_id: int | None) -> Limits:
    server = queries.find(server_id) if server_id else None
    return server.limits() if server else reaping.NO_SERVER
