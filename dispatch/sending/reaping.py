"""Takes back what dead workers hold."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from dispatch.models import Lane
from dispatch.outbox import deliveries, lanes
from dispatch.outbox.deliveries import Claim, Leased
from dispatch.rules.settlement import Settlement
from dispatch.sending import journal
from dispatch.sending.settle import judged
from dispatch.wakeup import workers
from servers import queries
from servers.values import Limits
from transports.types import Deferred, Outcome, Reason, ReasonCode, Scope, Unknown

CHUNK = 500
NO_SERVER = Limits(timeout=timedelta(seconds=30), max_attempts=6)
"""The limits of a server that is gone: the defaults."""

_LOST = Unknown(Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost while it was being sent"))
_LOST_BEFORE = Deferred(Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost before it was sent"))


def free_worker(worker_id: UUID, *, now: datetime) -> int:
    """Take back what a worker held whose process has certainly ended; returns how many deliveries.

    What it had not begun is due, what it had begun has an unknown outcome: who knows better settles that before. The
    worker is forgotten once nothing of it is left.
    """
    leases = held_by_worker().get(worker_id, [])
    reaped = reap(leases, now=now)
    if lanes.free(leases) == len(leases):
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
            found = deliveries.leased(leases, most=CHUNK)
            if found and said is None:
                said = journal.testimony(settings.XMNOTIFY_JOURNAL, leases)
            for (server_id, lease), held in _by_drain(found).items():
                reaped += _reap(held, server_id=server_id, lease=lease, said=(said or {}).get(lease), now=now)
        full = len(found) == CHUNK
    return reaped


def held_by_worker() -> dict[UUID, list[UUID]]:
    held: dict[UUID, list[UUID]] = {}
    for worker, lease in Lane.objects.exclude(lease=None).values_list("worker_id", "lease"):
        if worker and lease:
            held.setdefault(worker, []).append(lease)
    return held


def _by_drain(found: Sequence[Leased]) -> dict[tuple[int | None, UUID], list[Leased]]:
    held: dict[tuple[int | None, UUID], list[Leased]] = {}
    for claim in found:
        held.setdefault((claim.server_id, claim.lease), []).append(claim)
    return held


def _reap(
    held: Sequence[Leased],
    *,
    server_id: int | None,
    lease: UUID,
    said: Mapping[UUID, Settlement | None] | None,
    now: datetime,
) -> int:
    untouched, kept, settlements = [], [], []
    server = queries.find(server_id) if server_id else None
    limits = server.limits() if server else NO_SERVER
    for claim in held:
        begun = claim.begun_at is not None
        if not begun and not claim.lapsed:
            untouched.append(claim.id)
        elif begun and said is not None and not _was_handed_over(claim, said):
            kept.append(claim.id)
        else:
            known = said.get(claim.id) if begun and said else None
            settlements.append(known or _lost(claim, begun=begun, limits=limits, now=now))
    reaped = deliveries.give_back(untouched, lease=lease, lapsed=True) + deliveries.give_back(kept, lease=lease)
    if not settlements:
        return reaped
    return reaped + deliveries.settle(
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
