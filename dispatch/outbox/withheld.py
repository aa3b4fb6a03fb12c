"""Broadcasts and texts of which nothing is sent until a person decides; what is due of them then goes on or ends."""

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
from dispatch.rules import states
from dispatch.rules.alike import Blame, Refused
from dispatch.rules.states import BroadcastChange, BroadcastState, Change, DeliveryState
from dispatch.wakeup import wake_ups
from foundation.sql import dialect, statements
from servers.queries import active_routes
from transports.types import ChannelKind, Reason, ReasonCode

CHUNK = 5000
CHUNKS = 4
"""So many of them at a sweep."""
CODE = ReasonCode.REFUSED_ALIKE.value
_Decision = Withheld.Decision
_WAITING = """SELECT broadcast_id, template_version_id, channel, code, words FROM dispatch_withheld
    WHERE decision = '' OR (decision = 'cancel' AND broadcast_id IS NOT NULL)"""


class Why(Struct, frozen=True):
    """What is noted with a message that waits; nothing where its broadcast says it."""

    code: str
    words: str


class Waiting(Struct, frozen=True):
    """What is withheld now, and why."""

    broadcasts: dict[UUID, Why]
    texts: dict[tuple[int | None, str], Why]

    def why(self, claim: Claim) -> Why | None:
        """Why this one is withheld; None when it is not."""
        if claim.broadcast_id in self.broadcasts:
            return self.broadcasts[claim.broadcast_id]
        return self.texts.get((claim.template_version_id, claim.channel))


def waiting() -> Waiting:
    found = statements.read(_WAITING)
    return Waiting(
        {dialect.read_uid(broadcast): _why(*why) for broadcast, _version, _channel, *why in found if broadcast},
        {(version, channel): _why(*why) for _broadcast, version, channel, *why in found if version},
    )


def _why(code: str, words: str) -> Why:
    return Why(CODE, words) if code == CODE else Why("", "")


def put_aside(claims: list[Claim], *, lease: UUID) -> list[Claim]:
    """Those that may be sent; the others wait for a person, as if they had not been claimed."""
    if not any(map(waiting().why, claims)):
        return claims
    return _put_aside(claims, lease=lease)


@transaction.atomic
def _put_aside(claims: list[Claim], *, lease: UUID) -> list[Claim]:
    """Nobody decides meanwhile: what went aside after a decision was done would wait for ever."""
    list(Withheld.objects.select_for_update(no_key=True).filter(decision="").order_by("pk"))
    held = waiting()
    for claim in claims:
        why = held.why(claim)
        if why is not None:
            state = DeliveryState.PAUSED if claim.broadcast_id in held.broadcasts else DeliveryState.HELD
            deliveries.put_aside(claim.id, lease=lease, state=state, code=why.code, detail=why.words)
    return [claim for claim in claims if held.why(claim) is None]


@transaction.atomic
def begin(
    blame: Blame, refused: Refused, reason: Reason, *, channel: ChannelKind, server_name: str, now: datetime
) -> None:
    """Withhold the broadcast or the text that `refused` is of, if it is not yet."""
    of_broadcast = blame is Blame.BROADCAST
    subject: dict[str, Any] = {"broadcast_id": UUID(refused["broadcast"])} if of_broadcast else {}
    subject = subject or {"template_version_id": refused["version"], "channel": channel}
    if of_broadcast:
        going_on = Broadcast.objects.filter(pk=subject["broadcast_id"], state__in=BroadcastChange.WITHHOLD.before)
        if not going_on.update(state=BroadcastState.PAUSED):
            return
    fields = {"server_name": server_name, "words": reason.detail, "since": now, "decision": "", "settled": False}
    Withheld.objects.update_or_create(**subject, defaults=fields | {"code": CODE})


@transaction.atomic
def pause(broadcast_id: UUID, *, now: datetime, code: str = "", words: str = "") -> bool:
    """Nothing of this broadcast is sent until a person decides; False when it does not go on by itself.

    `code` is the reason for which too much of it failed, "" where a person wants it.
    """
    going_on = Broadcast.objects.filter(pk=broadcast_id, state__in=BroadcastChange.PAUSE.before)
    if not going_on.update(state=BroadcastState.PAUSED):
        return False
    fields = {"code": code, "words": words, "server_name": "", "since": now, "decision": "", "settled": False}
    Withheld.objects.update_or_create(broadcast_id=broadcast_id, defaults=fields)
    return True


@transaction.atomic
def cancel(broadcast_id: UUID, *, now: datetime) -> bool:
    """Nothing of this broadcast is sent any more, but for what is being sent; False when it has ended already."""
    unended = Broadcast.objects.filter(pk=broadcast_id, state__in=BroadcastChange.CANCEL.before)
    if not unended.update(state=BroadcastState.CANCELLED, lease_until=None, finished_at=now):
        return False
    fields = {"decision": _Decision.CANCEL, "settled": False}
    Withheld.objects.update_or_create(
        broadcast_id=broadcast_id, defaults=fields, create_defaults=fields | {"since": now}
    )
    return True


@transaction.atomic
def release(broadcast_id: UUID) -> bool:
    """A paused broadcast, or one that was not started, goes on; False when it does already or has ended."""
    waits = Broadcast.objects.filter(pk=broadcast_id, state__in=BroadcastChange.RELEASE.before)
    if not waits.update(state=BroadcastState.PLANNING, lease_until=None):
        return False
    Withheld.objects.filter(broadcast=broadcast_id, decision="").update(decision=_Decision.SEND, settled=False)
    transaction.on_commit(partial(wake_ups.wake_planner, broadcast_id))
    return True


def decide(withheld: Withheld, decision: Withheld.Decision, *, now: datetime) -> bool:
    """A person says what becomes of it; False when somebody said so before. Many take a few sweeps."""
    if withheld.broadcast_id:
        send = decision is _Decision.SEND
        done = release(withheld.broadcast_id) if send else cancel(withheld.broadcast_id, now=now)
    else:
        undecided = Withheld.objects.filter(pk=withheld.pk, decision="")
        done = bool(undecided.update(decision=decision, settled=False))
    if done:
        sweep(now=now)
    return done


def is_aside(row: Delivery) -> bool:
    """Whether it waits for a person's decision; what is of the same and still due goes aside before it is sent."""
    return row.reason_code == CODE and row.state in Change.WITHHOLD.after


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
    elif not _unsettled(withheld).exists():  # some may just be written by others
        row.delete()


@transaction.atomic
def _change(withheld: Withheld, *, now: datetime) -> int:
    if not _locked(withheld):
        return 0
    held = _held_state(withheld)
    noted = withheld.code == CODE  # else what the rows say of themselves stays
    if not withheld.decision:
        why = {"reason_code": CODE, "reason_detail": withheld.words} if noted else {}
        return _still_due(withheld).update(state=held, **why)
    rows = deliveries.lock(_aside(withheld).order_by()[:CHUNK])
    if withheld.decision == _Decision.CANCEL:
        return _cancel(rows) or (_cancel(_still_due(withheld)) if withheld.broadcast_id else 0)
    afresh: dict[str, Any] = {"due_at": now, "tries": 0, "reason_code": "", "reason_detail": ""} if noted else {}
    changed = rows.update(state=DeliveryState.DUE, **afresh)
    if changed:
        _wake()
    return changed


def _locked(withheld: Withheld) -> bool:
    """Whether nobody decided otherwise since it was read; nobody does until the transaction ends."""
    same = Withheld.objects.select_for_update(no_key=True).filter(pk=withheld.pk, decision=withheld.decision)
    return same.first() is not None


def _cancel(rows: QuerySet[Delivery]) -> int:
    return rows.update(state=DeliveryState.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail="")


def _still_due(withheld: Withheld) -> QuerySet[Delivery]:
    return deliveries.lock(_rows(withheld, DeliveryState.DUE).order_by()[:CHUNK])


def _wake() -> None:
    for route in active_routes().values():
        transaction.on_commit(partial(wake_ups.wake, route.server_id))


def _aside(withheld: Withheld) -> QuerySet[Delivery]:
    aside = _rows(withheld, _held_state(withheld))
    return aside if withheld.broadcast_id else aside.filter(reason_code=CODE)


def _unsettled(withheld: Withheld) -> QuerySet[Delivery]:
    """What is not yet as a person decided. Of a cancelled broadcast also what is being sent: it may come back."""
    if withheld.broadcast_id and withheld.decision == _Decision.CANCEL:
        return Delivery.objects.filter(event__in=_events(withheld), state__in=states.UNDERWAY)
    return _aside(withheld)


def _held_state(withheld: Withheld) -> DeliveryState:
    return DeliveryState.PAUSED if withheld.broadcast_id else DeliveryState.HELD


def _rows(withheld: Withheld, state: DeliveryState) -> QuerySet[Delivery]:
    """Its messages in a state; those of a broadcast stand with the event that began it."""
    if withheld.broadcast_id:
        return Delivery.objects.filter(event__in=_events(withheld), state=state)
    version, channel = withheld.template_version_id, withheld.channel
    found = Delivery.objects.filter(indexes.in_state(state), template_version=version, channel=channel)
    return found if state is DeliveryState.DUE else found.filter(indexes.RARE_ONES)


def _events(withheld: Withheld) -> QuerySet[Event]:
    return Event.objects.filter(broadcast=withheld.broadcast_id)
