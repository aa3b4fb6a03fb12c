"""Periodic maintenance of what waits: expiry, servers that come and go, wake-ups for what is due."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from dispatch.broadcasts import control, planning
from dispatch.models import Delivery, DeliveryText, Event
from dispatch.outbox import deliveries, events, removal, withheld
from dispatch.rules import states
from dispatch.upkeep import receipts
from dispatch.wakeup import wake_ups
from servers import queries
from servers.values import ServerKind

CHUNK = 500
MOST_CHUNKS = 20
"""After so many the sweep goes on with something else; it comes again in a few seconds."""


def sweep(*, now: datetime, may_expire: bool = True) -> None:
    """All periodic maintenance, in order; run by the beat every few seconds, two runs side by side do no harm.

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
    control.watch(now=now)
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
    for server_id in deliveries.servers_with_due():
        if server_id in active.values():
            continue
        for kind in ServerKind:
            target = active.get(kind)
            if target != server_id:
                moved += deliveries.reroute(kind, source=server_id, target=target)
    return moved


def wipe_secrets() -> int:
    """Secret values go, in chunks, when nothing of their event can be sent any more; returns how many events."""
    total = 0
    for _ in range(MOST_CHUNKS):
        if not (ids := events.with_idle_secrets(most=CHUNK)):
            break
        with transaction.atomic():
            texts = Delivery.objects.filter(event__in=ids, text__isnull=False).values("text")
            DeliveryText.objects.filter(pk__in=texts).exclude(sealed="").update(sealed=Event.WIPED)
            total += Event.objects.filter(pk__in=ids).update(sealed=Event.WIPED)
    return total


def wake_where_due(*, now: datetime) -> int:
    """Wake for every server with work due; returns how many."""
    found = deliveries.servers_with_due()
    due = [server_id for server_id in found if server_id and deliveries.any_due(server_id, now=now)]
    for server_id in due:
        wake_ups.wake(server_id)
    return len(due)
