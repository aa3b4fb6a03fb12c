"""Takes back what dead workers hold. Who is dead is seen by what stands still; clock times are never compared."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from msgspec import Struct, field

from dispatch import broadcasts, journal, lanes, outbox, workers
from dispatch.clock import Clock
from dispatch.models import Lane, Worker
from dispatch.outbox import CLAIM_COLUMNS, Claim, read_claim
from dispatch.settlement import Settlement
from dispatch.settling import judged
from dispatch.stillness import Stillness
from foundation.sql import dialect
from servers import queries
from servers.values import Limits
from transports.types import Deferred, Outcome, Reason, ReasonCode, Scope, Unknown

CHUNK = 500
DEAD_AFTER = timedelta(seconds=15)
"""A worker whose counter stood still for so long is dead; it is raised every three seconds."""
_AT_ONCE = timedelta(seconds=1)
_NOBODY = UUID(int=0)
_REMEMBERED = timedelta(hours=1)
"""How long a dead worker of which nothing else is known is told of."""
NO_SERVER = Limits(timeout=timedelta(seconds=30), max_attempts=6)
"""The limits of a server that is gone: the defaults."""

_LOST = Unknown(Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost while it was being sent"))
_LOST_BEFORE = Deferred(Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost before it was sent"))

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
        """Where this process can't write at once, as while another program holds a lock, no worker can show life."""
        before = clock.monotonic()
        Worker.objects.filter(pk=_NOBODY).update(lost=True)
        if clock.monotonic() - before > _AT_ONCE.total_seconds():
            self._forget()

    def _dead_workers(self, *, clock: Clock) -> int:
        held = _held_by_worker()
        pulses = {pk: (pulse, lost) for pk, pulse, lost in Worker.objects.values_list("pk", "pulse", "lost")}
        unknown = {worker: (0, False) for worker in held if worker not in pulses}
        still = self._pulses.look(pulses | unknown, at=clock.monotonic())
        freed = 0
        for worker, (pulse, lost) in (pulses | unknown).items():
            leases, silence = held.get(worker, []), timedelta(seconds=still[worker])
            if lost and silence >= _REMEMBERED:
                workers.gone(worker)
            elif silence >= DEAD_AFTER and (leases or not lost) and (worker in unknown or _lose(worker, pulse=pulse)):
                freed += reap(leases, now=clock.now()) + lanes.free(leases)
        return freed

    def _dead_leases(self, *, clock: Clock) -> int:
        """Those of drains that could not give back what they held, as when the database was away."""
        held = _held_leases()
        still = self._leases.look({lease: until for lease, (_, until) in held.items()}, at=clock.monotonic())
        dead = [lease for lease, seconds in still.items() if seconds >= _limits(held[lease][0]).lease.total_seconds()]
        return reap(dead, now=clock.now()) + lanes.free(dead) if dead else 0

    def _dead_planners(self, *, clock: Clock) -> int:
        still = self._planners.look(broadcasts.leases(), at=clock.monotonic())
        dead = [pk for pk, seconds in still.items() if seconds >= broadcasts.LEASE.total_seconds()]
        return broadcasts.free(dead) if dead else 0


def free_worker(worker_id: UUID, *, now: datetime) -> int:
    """Take back what a worker held whose process has certainly ended; returns how many deliveries.

    What it had not begun is due, what it had begun has an unknown outcome: who knows better settles that before.
    """
    leases = _held_by_worker().get(worker_id, [])
    reaped = reap(leases, now=now)
    lanes.free(leases)
    workers.gone(worker_id)
    return reaped


def reap(leases: Sequence[UUID], *, said: journal.Testimony | None = None, now: datetime) -> int:
    """Take back what is claimed under these leases: not begun, it is due again; begun, it is as a journal says.

    `said` is that, by default of all journals on this machine: an outcome is written as it was, what was not handed
    over is due again, and what was handed over without an outcome is unknown, as is all of a lease that none tells of.

    A delivery is not charged with its first lapse, for another one may have killed the worker; from then on it is
    alone in its lease, and each further lapse is charged, so that what kills every worker ends at last.
    """
    reaped, full = 0, bool(leases)
    while full:
        with transaction.atomic():
            found = _claimed(leases)
            if found and said is None:
                said = journal.testimony(settings.XMNOTIFY_JOURNAL, leases)
            for (server_id, lease), held in found.items():
                reaped += _reap(held, server_id=server_id, lease=lease, said=(said or {}).get(lease), now=now)
        full = sum(map(len, found.values())) == CHUNK
    return reaped


def _lose(worker: UUID, *, pulse: int) -> bool:
    """Between the look and this the worker can't have taken another lane: it would have raised its counter before."""
    lose = workers.lose(worker, pulse=pulse)
    if lose:
        logger.warning("worker.lost worker=%s", worker)
    return lose


def _held_by_worker() -> dict[UUID, list[UUID]]:
    held: dict[UUID, list[UUID]] = {}
    for worker, lease in Lane.objects.exclude(lease=None).values_list("worker_id", "lease"):
        if worker and lease:
            held.setdefault(worker, []).append(lease)
    return held


def _held_leases() -> dict[UUID, tuple[int | None, object]]:
    """Every lease of lanes and of claims, with its server and when it was to end, which each renewal changes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT lease, min(server_id), max(lease_until) FROM (
                SELECT lease, server_id, lease_until FROM dispatch_delivery WHERE state = 'claimed'
                UNION ALL SELECT lease, server_id, lease_until FROM dispatch_lane WHERE lease IS NOT NULL
            ) AS held GROUP BY lease"""
        )
        return {dialect.read_uid(lease): (server, until) for lease, server, until in cursor.fetchall()}


def _limits(server_id: int | None) -> Limits:
    server = queries.find(server_id) if server_id else None
    return server.limits() if server else NO_SERVER


def _claimed(leases: Sequence[UUID]) -> dict[tuple[int | None, UUID], list[tuple[Claim, bool]]]:
    """Some of what is claimed under these leases, by server and lease, each with whether it was begun.

    They are locked until the transaction ends. One that somebody writes at this moment is passed over: its worker was
    only late, and two who wait for each other's rows would be ended by the database. The next look takes what is left.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {CLAIM_COLUMNS}, server_id, lease, begun_at FROM dispatch_delivery
            WHERE state = 'claimed' AND {dialect.in_ids("lease")} LIMIT {CHUNK} {dialect.skip_locked()}""",  # noqa: S608
            [dialect.ids(leases)],
        )
        rows = cursor.fetchall()
    found: dict[tuple[int | None, UUID], list[tuple[Claim, bool]]] = {}
    for row in rows:
        found.setdefault((row[-3], dialect.read_uid(row[-2])), []).append((read_claim(row), row[-1] is not None))
    return found


def _reap(
    held: Sequence[tuple[Claim, bool]],
    *,
    server_id: int | None,
    lease: UUID,
    said: Mapping[UUID, Settlement | None] | None,
    now: datetime,
) -> int:
    untouched, kept, settlements = [], [], []
    server = queries.find(server_id) if server_id else None
    limits = server.limits() if server else NO_SERVER
    for claim, begun in held:
        if not begun and not claim.lapsed:
            untouched.append(claim.id)
        elif begun and said is not None and not _was_handed_over(claim, said):
            kept.append(claim.id)
        else:
            known = said.get(claim.id) if begun and said else None
            settlements.append(known or _lost(claim, begun=begun, limits=limits, now=now))
    reaped = outbox.give_back(untouched, lease=lease, lapsed=True) + outbox.give_back(kept, lease=lease)
    if not settlements:
        return reaped
    return reaped + outbox.settle(
        settlements, lease=lease, server_id=server_id, server_name=server.name if server else ""
    )


def _was_handed_over(claim: Claim, said: Mapping[UUID, Settlement | None]) -> bool:
    """Whether a begun one was, in this try: what is said of an earlier one under the same lease is settled."""
    if claim.id not in said:
        return False
    known = said[claim.id]
    return known is None or known.attempt_count == claim.attempt_count


def _lost(claim: Claim, *, begun: bool, limits: Limits, now: datetime) -> Settlement:
    outcome: Outcome = _LOST if begun else _LOST_BEFORE
    return judged(
        claim.uncounted() if begun else claim,
        outcome,
        limits=limits,
        now=now,
        started_at=now,
        duration=timedelta(),
        jitter=random.random,
        lapsed=True,
        charged=claim.lapsed,
    )
