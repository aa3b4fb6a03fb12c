"""The right to drain one server: lanes over all workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, OuterRef
from msgspec import Struct

from dispatch.models import Delivery, Lane
from dispatch.outbox import trouble
from dispatch.outbox.indexes import IS_CLAIMED
from dispatch.outbox.trouble import Standing
from dispatch.rules.states import DeliveryState
from foundation.sql import dialect, statements
from servers.models import Server
from servers.values import Limits


class Held(Struct):
    """A lane that is ours while its lease lasts.

    `probing`: the server was in trouble, and this lane tries it with one message. `standing` is how the server stood.
    `was_last`: none was free until it was released.
    """

    id: int
    server_id: int
    lease: UUID
    probing: bool
    lanes: int
    standing: Standing
    was_last: bool = False


def take(server_id: int, *, limits: Limits, worker: UUID, now: datetime) -> Held | None:
    """A free lane of an active server that is neither paused nor stopped, for that worker; None when there is none.

    One that is held is not free, however long ago its lease ended: whether its worker is dead the sweep finds out.
    Just after a pause there is only one.
    """
    standing = trouble.standing(server_id, now=now)
    if standing is None or (standing.paused_until and standing.paused_until > now):
        return None
    slots = 1 if standing.is_alone(now) else limits.lanes
    held = _take_free(server_id, standing=standing, slots=slots, limits=limits, worker=worker, now=now)
    if held and held.probing and not _win_probe(server_id, standing.paused_until, limits=limits, now=now):
        release(held)
        return None
    return held


def count_free(server_id: int, *, limits: Limits) -> int:
    """How many more lanes could be taken."""
    found = statements.read(
        "SELECT count(*) FROM dispatch_lane WHERE server_id = %s AND slot < %s AND lease IS NOT NULL",
        [server_id, limits.lanes],
    )
    busy: int = found[0][0]
    return max(0, limits.lanes - busy)


def renew(held: Held, *, limits: Limits, now: datetime) -> bool:
    """Keep the lane for another lease; False when it was lost."""
    return bool(Lane.objects.filter(pk=held.id, lease=held.lease).update(lease_until=now + limits.lease))


@transaction.atomic
def free(leases: Sequence[UUID]) -> int:
    """Free the lanes of workers that are dead; returns how many.

    What is claimed under these is taken back before. A lane under which something is left, as what somebody just
    writes, stays, and so does one that somebody else frees or renews at this moment: the next look takes it.
    """
    claimed = Delivery.objects.filter(state=DeliveryState.CLAIMED, lease=OuterRef("lease"))
    empty = Lane.objects.filter(~Exists(claimed), lease__in=leases).select_for_update(skip_locked=True)
    return Lane.objects.filter(pk__in=list(empty.values_list("pk", flat=True))).update(
        lease=None, lease_until=None, worker=None
    )


def leases() -> dict[UUID, tuple[int | None, object]]:
    """Every lease of lanes and of claims, with its server and when it was to end, which each renewal changes."""
    found = statements.read(
        f"""SELECT lease, min(server_id), max(lease_until) FROM (
            SELECT lease, server_id, lease_until FROM dispatch_delivery WHERE {IS_CLAIMED}
            UNION ALL SELECT lease, server_id, lease_until FROM dispatch_lane WHERE lease IS NOT NULL
        ) AS held GROUP BY lease"""  # noqa: S608 - constants of ours only
    )
    return {dialect.read_uid(lease): (server, until) for lease, server, until in found}


def look(held: Held, *, now: datetime) -> Standing | None:
    """How the server stands now; None when this lane may not use it any more."""
    standing = trouble.standing(held.server_id, now=now)
    if standing is None or (standing.paused_until and not held.probing):
        return None
    return standing


def release(held: Held) -> None:
    """Give the lane back. A wake-up that found none free was in vain: whoever released the last one has to look.

    Of several that are released together, at least the first still sees the others taken.
    """
    others = statements.run(
        """UPDATE dispatch_lane SET lease = NULL, lease_until = NULL, worker_id = NULL
            WHERE id = %s AND lease = %s RETURNING (
            SELECT count(*) FROM dispatch_lane AS other WHERE other.server_id = %s AND other.slot < %s
            AND other.id <> %s AND other.lease IS NOT NULL)""",
        [held.id, dialect.uid(held.lease), held.server_id, held.lanes, held.id],
    )
    held.was_last = not others or others[0][0] >= held.lanes - 1


def reserve(server_id: int, count: int, *, rate: float, most: timedelta, now: datetime) -> timedelta | None:
    """Book `count` messages at `rate` a second over all workers; returns how long to wait before sending them.

    None, and nothing is booked, when that is longer than `most`.
    """
    with transaction.atomic():
        free_at = Server.objects.select_for_update().values_list("rate_free_at", flat=True).get(pk=server_id)
        start = max(free_at or now, now)
        if start - now > most:
            return None
        Server.objects.filter(pk=server_id).update(rate_free_at=start + timedelta(seconds=count / rate))
    return start - now


def _win_probe(server_id: int, paused_until: datetime | None, *, limits: Limits, now: datetime) -> bool:
    """Only one worker probes: whoever moves `paused_until` on first."""
    return bool(Server.objects.filter(pk=server_id, paused_until=paused_until).update(paused_until=now + limits.lease))


def _take_free(
    server_id: int, *, standing: Standing, slots: int, limits: Limits, worker: UUID, now: datetime
) -> Held | None:
    lease = uuid4()
    lane_id = _lease_free(server_id, lease=lease, worker=worker, slots=slots, limits=limits, now=now)
    if lane_id is None and Lane.objects.filter(server_id=server_id, slot__lt=limits.lanes).count() < limits.lanes:
        Lane.objects.bulk_create(
            [Lane(server_id=server_id, slot=slot) for slot in range(limits.lanes)], ignore_conflicts=True
        )
        lane_id = _lease_free(server_id, lease=lease, worker=worker, slots=slots, limits=limits, now=now)
    return None if lane_id is None else Held(lane_id, server_id, lease, standing.probed, slots, standing)


def _lease_free(server_id: int, *, lease: UUID, worker: UUID, slots: int, limits: Limits, now: datetime) -> int | None:
    found = statements.run(
        f"""UPDATE dispatch_lane SET lease = %s, lease_until = %s, worker_id = %s WHERE id = (
            SELECT id FROM dispatch_lane WHERE server_id = %s AND slot < %s AND lease IS NULL
            ORDER BY slot LIMIT 1 {dialect.skip_locked()})
        RETURNING id""",  # noqa: S608 - constants of ours only
        [dialect.uid(lease), dialect.time(now + limits.lease), dialect.uid(worker), server_id, slots],
    )
    return found[0][0] if found else None
