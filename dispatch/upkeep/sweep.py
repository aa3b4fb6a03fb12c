"""Periodic maintenance of what waits: expiry, servers that come and go, wake-ups for what is due."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from dispatch.broadcasts import planning
from dispatch.models import Delivery, DeliveryText, Event
from dispatch.outbox import deliveries, removal, withheld
from dispatch.outbox.indexes import IS_DUE, listed
from dispatch.rules import states
from dispatch.upkeep import receipts
from dispatch.wakeup import wake_ups
from foundation.sql import dialect
from servers import queries
from servers.values import ServerKind

CHUNK = 500
MOST_CHUNKS = 20
"""After so many the sweep goes on with something else; it comes again in a few seconds."""


def sweep(*, now: datetime, may_expire: bool = True) -> None:
    """Everything that time brings, in order; run by the beat every few seconds, twice at once does no harm.

    `may_expire`: whether the clock is trusted to say what is over.
    """
    if may_expire:
        expire(now=now)
    reroute()
    receipts.follow_early(now=now)
    wipe_secrets()
    removal.follow()
    planning.resume()
    planning.finish(now=now)
    withheld.sweep(now=now)
    wake_where_due(now=now)


def expire(*, now: datetime) -> int:
    """What was not sent in its time ends, in chunks."""
    total = 0
    for _ in range(MOST_CHUNKS):
        ids = list(
            Delivery.objects.filter(state__in=states.WAITING, expires_at__lte=now).values_list("id", flat=True)[:CHUNK]
        )
        expired = deliveries.expire(ids, now=now) if ids else 0
        total += expired
        if len(ids) < CHUNK or not expired:
            break
    return total


def reroute() -> int:
    """What waits without a server, or for one that is not active, moves to the active one of its kind, if any."""
    active = {kind: route.server_id for kind, route in queries.active_routes().items()}
    moved = 0
    for server_id in _servers_with_waiting():
        if server_id in active.values():
            continue
        for kind in ServerKind:
            target = active.get(kind)
            if target != server_id:
                moved += deliveries.reroute(kind, source=server_id, target=target)
    return moved


def wipe_secrets() -> int:
    """Secret values go, in chunks, when nothing of their event can be sent any more; answers how many events."""
    total = 0
    for _ in range(MOST_CHUNKS):
        if not (ids := _with_idle_secrets()):
            break
        with transaction.atomic():
            texts = Delivery.objects.filter(event__in=ids, text__isnull=False).values("text")
            DeliveryText.objects.filter(pk__in=texts).exclude(sealed="").update(sealed=Event.WIPED)
            total += Event.objects.filter(pk__in=ids).update(sealed=Event.WIPED)
    return total


def wake_where_due(*, now: datetime) -> int:
    """Wake for every server with work due; returns how many."""
    due = [server_id for server_id in _servers_with_waiting() if server_id and deliveries.any_due(server_id, now=now)]
    for server_id in due:
        wake_ups.wake(server_id)
    return len(due)


def _servers_with_waiting() -> list[int | None]:
    """The servers that have anything due now or later, None for no server; a loose scan of the partial index."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH RECURSIVE found AS (
                SELECT min(server_id) AS id FROM dispatch_delivery WHERE {IS_DUE}
                UNION ALL
                SELECT (SELECT min(server_id) FROM dispatch_delivery WHERE {IS_DUE} AND server_id > found.id)
                FROM found WHERE found.id IS NOT NULL
            ) SELECT id FROM found WHERE id IS NOT NULL"""  # noqa: S608 - constants of ours only
        )
        found: list[int | None] = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            f"""SELECT 1 FROM dispatch_delivery WHERE {IS_DUE} AND server_id IS NULL
            ORDER BY priority, due_at LIMIT 1"""  # noqa: S608
        )
        return [*found, None] if cursor.fetchall() else found


def _with_idle_secrets() -> list[UUID]:
    """Events with secrets that no delivery or broadcast needs; by the partial index on those with secrets."""
    open_states, unplanned = listed(states.OPEN), listed(states.UNPLANNED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT e.id FROM dispatch_event e WHERE NOT (e.sealed IN ('', '{Event.WIPED}'))
            AND NOT EXISTS (SELECT 1 FROM dispatch_delivery d WHERE d.event_id = e.id AND d.state IN ({open_states}))
            AND NOT EXISTS (SELECT 1 FROM dispatch_broadcast b WHERE b.id = e.broadcast_id AND b.state IN ({unplanned}))
            LIMIT {CHUNK}"""  # noqa: S608 - constants of ours only
        )
        return [dialect.read_uid(row[0]) for row in cursor.fetchall()]
