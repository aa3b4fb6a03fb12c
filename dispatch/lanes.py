"""The right to drain one server: lanes over all workers, and a server's rest, probe and stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from dispatch import retry
from dispatch.models import Lane
from servers.models import Server
from servers.values import Limits
from transports.types import Reason


@dataclass(frozen=True, slots=True)
class Held:
    """A lane that is ours while its lease lasts. `probing`: the server was down, and this lane tries it with one."""

    id: int
    server_id: int
    lease: UUID
    probing: bool


def take(server_id: int, *, limits: Limits, now: datetime) -> Held | None:
    """A free lane of an active server that neither rests nor is stopped; None when there is none."""
    with transaction.atomic():
        server = Server.objects.filter(pk=server_id, active=True, stopped_at=None).only("paused_until").first()
        if server is None or (server.paused_until and server.paused_until > now):
            return None
        probing = server.paused_until is not None
        lane = _free_lane(server_id, limits=limits, now=now)
        if lane is None or (probing and not _win_probe(server, limits=limits, now=now)):
            return None
        return Held(lane.pk, server_id, _lease(lane, limits=limits, now=now), probing)


def free(server_id: int, *, limits: Limits, now: datetime) -> int:
    """How many more lanes could be taken."""
    busy = Lane.objects.filter(server_id=server_id, slot__lt=limits.lanes, lease_until__gt=now).count()
    return max(0, limits.lanes - busy)


def renew(held: Held, *, limits: Limits, now: datetime) -> bool:
    """Keep the lane for another lease; False when it was lost."""
    return bool(Lane.objects.filter(pk=held.id, lease=held.lease).update(lease_until=now + limits.lease))


def may_send(held: Held) -> bool:
    """Whether the server may still be used by this lane."""
    resting = Q(paused_until=None) if not held.probing else Q()
    return Server.objects.filter(resting, pk=held.server_id, active=True, stopped_at=None).exists()


def release(held: Held) -> None:
    Lane.objects.filter(pk=held.id, lease=held.lease).update(lease=None, lease_until=None)


def recovered(server_id: int) -> None:
    """The server answers again: what rested goes on."""
    Server.objects.filter(pk=server_id, paused_until__isnull=False).update(
        paused_until=None, pause_count=0, troubled_at=None, told_at=None, trouble_code="", trouble_detail=""
    )


def nothing_to_probe(held: Held, *, now: datetime) -> None:
    """There was nothing to try the server with: whoever comes next may probe it at once."""
    Server.objects.filter(pk=held.server_id, paused_until__gt=now).update(paused_until=now)


def rest(held: Held, reason: Reason, *, retry_after: timedelta | None, now: datetime) -> datetime:
    """Let the server rest, longer with every failed probe; answers until when.

    Lanes that fail while it rests already have met the same failure: they neither lengthen nor shorten the rest.
    """
    with transaction.atomic():
        server = Server.objects.select_for_update().get(pk=held.server_id)
        if not held.probing and server.paused_until and server.paused_until > now:
            return server.paused_until
        count = server.pause_count + 1
        until = now + retry.pause(count, reason=reason, retry_after=retry_after)
        Server.objects.filter(pk=held.server_id).update(
            paused_until=until,
            pause_count=count,
            troubled_at=server.troubled_at or now,
            trouble_code=reason.code.value,
            trouble_detail=reason.detail,
        )
    return until


def stop(server_id: int, reason: Reason, *, now: datetime) -> bool:
    """Stop the server until a person mends it; True when it was not stopped before."""
    return bool(
        Server.objects.filter(pk=server_id, stopped_at=None).update(
            stopped_at=now,
            troubled_at=Coalesce("troubled_at", now),
            trouble_code=reason.code.value,
            trouble_detail=reason.detail,
        )
    )


def reserve(server_id: int, count: int, *, rate: float, most: timedelta, now: datetime) -> timedelta | None:
    """Book `count` messages at `rate` a second over all workers; answers how long to wait before sending them.

    None, and nothing is booked, when that is longer than `most`.
    """
    with transaction.atomic():
        free_at = Server.objects.select_for_update().values_list("rate_free_at", flat=True).get(pk=server_id)
        start = max(free_at or now, now)
        if start - now > most:
            return None
        Server.objects.filter(pk=server_id).update(rate_free_at=start + timedelta(seconds=count / rate))
    return start - now


def _win_probe(server: Server, *, limits: Limits, now: datetime) -> bool:
    """Only one worker probes: whoever moves `paused_until` on first."""
    return bool(
        Server.objects.filter(pk=server.pk, paused_until=server.paused_until).update(paused_until=now + limits.lease)
    )


def _free_lane(server_id: int, *, limits: Limits, now: datetime) -> Lane | None:
    free = Lane.objects.filter(Q(lease=None) | Q(lease_until__lte=now), server_id=server_id, slot__lt=limits.lanes)
    lane = free.select_for_update(skip_locked=True).order_by("slot").first()
    if lane is None and Lane.objects.filter(server_id=server_id, slot__lt=limits.lanes).count() < limits.lanes:
        Lane.objects.bulk_create(
            [Lane(server_id=server_id, slot=slot) for slot in range(limits.lanes)], ignore_conflicts=True
        )
        lane = free.select_for_update(skip_locked=True).order_by("slot").first()
    return lane


def _lease(lane: Lane, *, limits: Limits, now: datetime) -> UUID:
    lease = uuid4()
    Lane.objects.filter(pk=lane.pk).update(lease=lease, lease_until=now + limits.lease)
    return lease
