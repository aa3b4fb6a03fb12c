"""What a server refused message after message waits for a person: the rest of that broadcast, or of that text."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from msgspec import Struct

from dispatch.models import Broadcast, Delivery, Event, Withheld
from dispatch.outbox import deliveries, indexes
from dispatch.outbox.deliveries import Claim
from dispatch.rules.alike import Blame, Refused
from dispatch.rules.states import BroadcastChange, BroadcastState, DeliveryState
from dispatch.wakeup import wake_ups
from foundation.sql import dialect, statements
from servers.queries import active_routes
from transports.types import ChannelKind, Reason, ReasonCode

CHUNK = 5000
CHUNKS = 4
"""So many of them at a sweep."""
CODE = ReasonCode.REFUSED_ALIKE.value
_Decision = Withheld.Decision
_WAITING = "SELECT broadcast_id, template_version_id, channel, words FROM dispatch_withheld WHERE decision = ''"


class Waiting(Struct, frozen=True):
    """What is withheld now, each with the words it was refused with."""

    broadcasts: dict[UUID, str]
    texts: dict[tuple[int | None, str], str]

    def words(self, claim: Claim) -> str | None:
        """Why this one is withheld; None when it is not."""
        if claim.broadcast_id in self.broadcasts:
            return self.broadcasts[claim.broadcast_id]
        return self.texts.get((claim.template_version_id, claim.channel))


def waiting() -> Waiting:
    found = statements.read(_WAITING)
    return Waiting(
        {dialect.read_uid(broadcast): words for broadcast, _version, _channel, words in found if broadcast},
        {(version, channel): words for _broadcast, version, channel, words in found if version},
    )


def put_aside(claims: list[Claim], *, lease: UUID) -> list[Claim]:
    """Those that may be sent; the others wait for a person, as if they had not been claimed."""
    held = waiting()
    for claim in claims:
        words = held.words(claim)
        if words is not None:
            state = DeliveryState.PAUSED if claim.broadcast_id in held.broadcasts else DeliveryState.HELD
            deliveries.put_aside(claim.id, lease=lease, state=state, code=CODE, detail=words)
    return [claim for claim in claims if held.words(claim) is None]


@transaction.atomic
def begin(
    blame: Blame, refused: Refused, reason: Reason, *, channel: ChannelKind, server_name: str, now: datetime
) -> None:
    """Withhold the broadcast or the text that `refused` is of, if it is not yet."""
    of_broadcast = blame is Blame.BROADCAST
    subject: dict[str, Any] = {"broadcast_id": UUID(refused["broadcast"])} if of_broadcast else {}
    subject = subject or {"template_version_id": refused["version"], "channel": channel}
    fields = {"server_name": server_name, "words": reason.detail, "since": now, "decision": "", "settled": False}
    Withheld.objects.update_or_create(**subject, defaults=fields)
    if of_broadcast:
        going_on = Broadcast.objects.filter(pk=subject["broadcast_id"], state__in=BroadcastChange.WITHHOLD.before)
        going_on.update(state=BroadcastState.PAUSED)


def decide(withheld: Withheld, decision: Withheld.Decision, *, now: datetime) -> bool:
    """A person says what becomes of it; False when somebody said so before. Many take a few sweeps."""
    if not Withheld.objects.filter(pk=withheld.pk, decision="").update(decision=decision, settled=False):
        return False
    if withheld.broadcast_id:
        state = BroadcastState.PLANNING if decision is _Decision.SEND else BroadcastState.CANCELLED
        paused = Broadcast.objects.filter(pk=withheld.broadcast_id, state=BroadcastState.PAUSED)
        paused.update(state=state, lease_until=None)
    sweep(now=now)
    return True


def count(withheld: Withheld) -> int:
    """How many messages wait; stops at CHUNK."""
    return _aside(withheld).order_by()[:CHUNK].count()


def sweep(*, now: datetime) -> int:
    """What is due goes aside, and what was decided is done, in chunks; returns how many messages it changed."""
    return sum(_sweep(withheld, now=now) for withheld in Withheld.objects.filter(settled=False))


def _sweep(withheld: Withheld, *, now: datetime) -> int:
    total = 0
    for _ in range(CHUNKS):
        changed = _change(withheld, now=now)
        total += changed
        if not changed:
            _settle(withheld)
            break
    return total


def _settle(withheld: Withheld) -> None:
    """All that was due is aside, and what comes later goes there when it is claimed; or all is as was decided."""
    row = Withheld.objects.filter(pk=withheld.pk, decision=withheld.decision)
    if not withheld.decision:
        row.update(settled=True)
    elif not _aside(withheld).exists():  # some may just be written by others
        row.delete()


@transaction.atomic
def _change(withheld: Withheld, *, now: datetime) -> int:
    held = _held_state(withheld)
    if not withheld.decision:
        return _still_due(withheld).update(state=held, reason_code=CODE, reason_detail=withheld.words)
    rows = deliveries.lock(_aside(withheld).order_by()[:CHUNK])
    if withheld.decision == _Decision.CANCEL:
        return _cancel(rows) or (_cancel(_still_due(withheld)) if withheld.broadcast_id else 0)
    changed = rows.update(state=DeliveryState.DUE, due_at=now, tries=0, reason_code="", reason_detail="")
    if changed:
        _wake()
    return changed


def _cancel(rows: QuerySet[Delivery]) -> int:
    return rows.update(state=DeliveryState.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail="")


def _still_due(withheld: Withheld) -> QuerySet[Delivery]:
    return deliveries.lock(_rows(withheld, DeliveryState.DUE).order_by()[:CHUNK])


def _wake() -> None:
    for route in active_routes().values():
        transaction.on_commit(partial(wake_ups.wake, route.server_id))


def _aside(withheld: Withheld) -> QuerySet[Delivery]:
    return _rows(withheld, _held_state(withheld)).filter(reason_code=CODE)


def _held_state(withheld: Withheld) -> DeliveryState:
    return DeliveryState.PAUSED if withheld.broadcast_id else DeliveryState.HELD


def _rows(withheld: Withheld, state: DeliveryState) -> QuerySet[Delivery]:
    """Its messages in a state; those of a broadcast stand with the event that began it."""
    if withheld.broadcast_id:
        return Delivery.objects.filter(event__in=Event.objects.filter(broadcast=withheld.broadcast_id), state=state)
    version, channel = withheld.template_version_id, withheld.channel
    found = Delivery.objects.filter(indexes.in_state(state), template_version=version, channel=channel)
    return found if state is DeliveryState.DUE else found.filter(indexes.RARE_ONES)
