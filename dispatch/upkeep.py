"""What passing time does to deliveries: lapsed leases, expiry, servers that come and go."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from dispatch import dialect, doorbell, outbox
from dispatch.models import Delivery
from dispatch.outbox import CLAIM_COLUMNS, Claim, read_claim
from dispatch.settling import judged
from servers import queries
from servers.values import Limits
from transports.types import Reason, ReasonCode, Scope, Unknown

CHUNK = 500
NO_SERVER = Limits(timeout=timedelta(seconds=30), max_attempts=6)
"""The limits of a server that is gone: the defaults."""


def sweep(*, now: datetime) -> None:
    """Everything that time brings, in order; run by the beat every few seconds, twice at once does no harm."""
    reap(now=now)
    expire(now=now)
    reroute(now=now)
    ring_where_due(now=now)


def reap(*, now: datetime) -> int:
    """Take back what a lost worker held: what was not begun is due again, what was begun has an unknown outcome.

    A delivery that was alone in its lease and lapses unbegun again is charged, so that it ends at last.
    """
    reaped = 0
    while found := _lapsed(now=now):
        for claim, server_id, lease, begun in found:
            reaped += _reap_one(claim, server_id=server_id, lease=lease, begun=begun, now=now)
        if len(found) < CHUNK:
            break
    return reaped


def expire(*, now: datetime) -> int:
    """What was not sent in its time ends, in chunks."""
    total = 0
    while True:
        ids = list(
            Delivery.objects.filter(
                state__in=[Delivery.State.DUE, Delivery.State.PAUSED, Delivery.State.HELD], expires_at__lte=now
            ).values_list("id", flat=True)[:CHUNK]
        )
        total += outbox.expire(ids, now=now)
        if len(ids) < CHUNK:
            return total


def reroute(*, now: datetime) -> int:
    """What waits without a server, or for one that is no longer active, moves to the active one of its kind."""
    active = {kind: route.server_id for kind, route in queries.active_routes().items()}
    moved = 0
    for server_id in _servers_with_waiting():
        for kind, target in active.items():
            if target != server_id:
                moved += outbox.reroute(kind, source=server_id, target=target)
    return moved


def ring_where_due(*, now: datetime) -> int:
    """Ring for every server with work due; answers how many rings."""
    due = [server_id for server_id in _servers_with_waiting() if server_id and outbox.any_due(server_id, now=now)]
    for server_id in due:
        doorbell.ring(server_id)
    return len(due)


def _servers_with_waiting() -> list[int | None]:
    """The servers that have anything due now or later, None for no server; a loose scan of the partial index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH RECURSIVE found AS (
                SELECT min(server_id) AS id FROM dispatch_delivery WHERE state = 'due'
                UNION ALL
                SELECT (SELECT min(server_id) FROM dispatch_delivery WHERE state = 'due' AND server_id > found.id)
                FROM found WHERE found.id IS NOT NULL
            ) SELECT id FROM found WHERE id IS NOT NULL"""
        )
        found: list[int | None] = [row[0] for row in cursor.fetchall()]
    if Delivery.objects.filter(state=Delivery.State.DUE, server=None).order_by("priority", "due_at").first():
        found.append(None)
    return found


def _lapsed(*, now: datetime) -> list[tuple[Claim, int | None, UUID, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {CLAIM_COLUMNS}, server_id, lease, begun_at FROM dispatch_delivery
            WHERE state = 'claimed' AND lease_until <= %s ORDER BY lease_until LIMIT {CHUNK}""",  # noqa: S608
            [dialect.time(now)],
        )
        rows = cursor.fetchall()
    return [(read_claim(row), row[-3], dialect.read_uid(row[-2]), row[-1] is not None) for row in rows]


def _reap_one(claim: Claim, *, server_id: int | None, lease: UUID, begun: bool, now: datetime) -> int:
    if not begun and not claim.lapsed:
        return outbox.give_back([claim.id], lease=lease, lapsed=True)
    server = queries.find(server_id) if server_id else None
    limits = server.limits() if server else NO_SERVER
    reason = Reason(ReasonCode.LEASE_LAPSED, Scope.MESSAGE, "its worker was lost while it was being sent")
    before = claim.uncounted() if begun else claim
    settlement = judged(
        before,
        Unknown(reason),
        limits=limits,
        now=now,
        started_at=now,
        duration=timedelta(),
        jitter=random.random,
        lapsed=True,
    )
    with transaction.atomic():
        return outbox.settle([settlement], lease=lease, server_id=server_id, server_name=server.name if server else "")
