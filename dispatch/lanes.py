"""The right to drain one server: lanes over all workers, and a server's rest, probe and stop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Coalesce
from msgspec import Struct

from dispatch import retry
from dispatch.models import Lane
from foundation.sql import dialect, statements
from servers.models import Server
from servers.values import Limits
from transports.types import Reason


class Held(Struct):
    """A lane that is ours while its lease lasts.

    `probing`: the server was down, and this lane tries it with one. `was_last`: none was free until it was released.
    """

    id: int
    server_id: int
    lease: UUID
    probing: bool
    lanes: int
    was_last: bool = False


def take(server_id: int, *, limits: Limits, worker: UUID, now: datetime) -> Held | None:
    """A free lane of an active server that neither rests nor is stopped, for that worker; None when there is none.

    One that is held is not free, however long ago its lease ended: whether its worker is dead the sweep finds out.
    """
    found = statements.read(
        "SELECT paused_until FROM servers_server WHERE id = %s AND active AND stopped_at IS NULL", [server_id]
    )
    if not found:
        return None
    paused_until = found[0][0] and dialect.read_time(found[0][0])
    if paused_until and paused_until > now:
        return None
    held = _take_free(server_id, limits=limits, worker=worker, probing=paused_until is not None, now=now)
    if held and held.probing and not _win_probe(server_id, paused_until, limits=limits, now=now):
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


def free(leases: Sequence[UUID]) -> int:
    """Free the lanes of workers that are dead; returns how many. What is claimed under these is taken back before."""
    return Lane.objects.filter(lease__in=leases).update(lease=None, lease_until=None, worker=None)


def may_send(held: Held) -> bool:
    """Whether the server may still be used by this lane."""
    resting = "" if held.probing else "AND paused_until IS NULL"
    return bool(
        statements.read(
            f"SELECT 1 FROM servers_server WHERE id = %s AND active AND stopped_at IS NULL {resting}",  # noqa: S608
            [held.server_id],
        )
    )


def release(held: Held) -> None:
    """Give the lane back. A ring that found none free was not answered: whoever released the last one has to look.

    Of several that are released at once, at least the first still sees the others taken.
    """
    others = statements.run(
        """UPDATE dispatch_lane SET lease = NULL, lease_until = NULL, worker_id = NULL
            WHERE id = %s AND lease = %s RETURNING (
            SELECT count(*) FROM dispatch_lane AS other WHERE other.server_id = %s AND other.slot < %s
            AND other.id <> %s AND other.lease IS NOT NULL)""",
        [held.id, dialect.uid(held.lease), held.server_id, held.lanes, held.id],
    )
    held.was_last = not others or others[0][0] >= held.lanes - 1


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


def _win_probe(server_id: int, paused_until: datetime | None, *, limits: Limits, now: datetime) -> bool:
    """Only one worker probes: whoever moves `paused_until` on first."""
    return bool(Server.objects.filter(pk=server_id, paused_until=paused_until).update(paused_until=now + limits.lease))


def _take_free(server_id: int, *, limits: Limits, worker: UUID, probing: bool, now: datetime) -> Held | None:
    lease = uuid4()
    lane_id = _lease_free(server_id, lease=lease, worker=worker, limits=limits, now=now)
    if lane_id is None and Lane.objects.filter(server_id=server_id, slot__lt=limits.lanes).count() < limits.lanes:
        Lane.objects.bulk_create(
            [Lane(server_id=server_id, slot=slot) for slot in range(limits.lanes)], ignore_conflicts=True
        )
        lane_id = _lease_free(server_id, lease=lease, worker=worker, limits=limits, now=now)
    return None if lane_id is None else Held(lane_id, server_id, lease, probing, limits.lanes)


def _lease_free(server_id: int, *, lease: UUID, worker: UUID, limits: Limits, now: datetime) -> int | None:
    found = statements.run(
        f"""UPDATE dispatch_lane SET lease = %s, lease_until = %s, worker_id = %s WHERE id = (
            SELECT id FROM dispatch_lane WHERE server_id = %s AND slot < %s AND lease IS NULL
            ORDER BY slot LIMIT 1 {dialect.skip_locked()})
        RETURNING id""",  # noqa: S608 - constants of ours only
        [dialect.uid(lease), dialect.time(now + limits.lease), dialect.uid(worker), server_id, limits.lanes],
    )
    return found[0][0] if found else None
