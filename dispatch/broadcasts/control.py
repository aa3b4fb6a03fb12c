"""What a person does to a broadcast, and the pause that it takes itself when it fails too often for one reason."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from dispatch.models import Broadcast, Delivery, DeliveryQuerySet, Event, Withheld
from dispatch.outbox import interventions, withheld
from dispatch.outbox.indexes import RARE_ONES
from dispatch.rules import failures, states
from dispatch.rules.failures import Tally
from dispatch.rules.states import BroadcastChange, BroadcastState, DeliveryState
from foundation import audit
from foundation.audit import Action, Actor
from foundation.sql.ids import first_id

CHUNK = 5_000
FAILED = (DeliveryState.FAILED, DeliveryState.UNDELIVERED)

logger = logging.getLogger(__name__)


class NotAllowedError(Exception):
    """The broadcast is in a state that does not allow it; nothing was changed."""


def pause(broadcast_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Nothing more of it is sent until somebody resumes it, but for what is being sent at this moment.

    Raises NotAllowedError, and Broadcast.DoesNotExist.
    """
    with transaction.atomic():
        row = Broadcast.objects.get(pk=broadcast_id)
        if not withheld.pause(broadcast_id, now=now):
            raise _refusal(broadcast_id, change=BroadcastChange.PAUSE)
        _record(row, state=BroadcastState.PAUSED, actor=actor)
    withheld.sweep(now=now)


def resume(broadcast_id: UUID, *, actor: Actor, now: datetime) -> None:
    """It goes on, or starts; what failed for the reason for which it paused itself is tried again.

    Raises NotAllowedError, and Broadcast.DoesNotExist.
    """
    row = Broadcast.objects.get(pk=broadcast_id)
    waits = Withheld.objects.filter(broadcast=broadcast_id, decision="").first()
    code = waits.code if waits and waits.code != withheld.CODE else ""
    with transaction.atomic():
        if not withheld.release(broadcast_id):
            raise _refusal(broadcast_id, change=BroadcastChange.RELEASE)
        if code:
            _try_again(row, code, now=now)
        # After that: what is tried again counts anew, whatever becomes of it.
        Broadcast.objects.filter(pk=broadcast_id).update(forgiven=msgspec.to_builtins(tally(row)))
        _record(row, state=BroadcastState.PLANNING, actor=actor)
    withheld.sweep(now=now)


def cancel(broadcast_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Nothing more of it is sent, but for what is being sent at this moment.

    Raises NotAllowedError, and Broadcast.DoesNotExist.
    """
    with transaction.atomic():
        row = Broadcast.objects.get(pk=broadcast_id)
        if not withheld.cancel(broadcast_id, now=now):
            raise _refusal(broadcast_id, change=BroadcastChange.CANCEL)
        _record(row, state=BroadcastState.CANCELLED, actor=actor)
    withheld.sweep(now=now)


def watch(*, now: datetime) -> int:
    """Pause the broadcasts that fail too often for one reason; returns how many. Run by the sweep."""
    percent = settings.XMNOTIFY_BROADCAST_FAILURES
    paused = 0
    for row in Broadcast.objects.filter(state__in=states.UNDECIDED) if percent else ():
        failed = _failed(row)
        most = max(failed.values(), default=0)
        if most * 100 <= percent * failures.LEAST:
            continue  # too few for any share of enough messages
        code = failures.too_often(tally(row), forgiven=forgiven_of(row), percent=percent)
        if code and withheld.pause(row.pk, now=now, code=code, words=_words(row, code)):
            logger.warning("broadcast.paused broadcast=%s reason=%s", row.pk, code)
            paused += 1
    return paused


def tally(row: Broadcast) -> Tally:
    """What has an outcome by now."""
    settled = deliveries(row).filter(state__in=(*states.TAKEN, DeliveryState.FAILED)).count()
    return Tally(settled, _failed(row))


def forgiven_of(row: Broadcast) -> Tally:
    return msgspec.convert(row.forgiven, Tally) if row.forgiven else Tally()


def deliveries(row: Broadcast) -> DeliveryQuerySet:
    """Those of a broadcast, by the index of the events that began it."""
    return Delivery.objects.filter(event__in=Event.objects.filter(broadcast=row.pk)).order_by()


def _failed(row: Broadcast) -> dict[str, int]:
    """By the index on trouble: the ids of a broadcast's deliveries begin with the moment of its beginning."""
    found = Delivery.objects.filter(RARE_ONES, state__in=FAILED, broadcast=row.pk, id__gte=first_id(row.created_at))
    counted: QuerySet[Any] = found.order_by().values_list("reason_code").annotate(number=Count("*"))
    return dict(counted)


def _words(row: Broadcast, code: str) -> str:
    """What a server said the last time that it failed so."""
    found = deliveries(row).filter(state__in=FAILED, reason_code=code).order_by("-id")
    return found.values_list("reason_detail", flat=True).first() or ""


def _try_again(row: Broadcast, code: str, *, now: datetime) -> None:
    ids = list(deliveries(row).filter(state__in=FAILED, reason_code=code).values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        interventions.retry_all(ids[start : start + CHUNK], now=now)


def _refusal(broadcast_id: UUID, *, change: BroadcastChange) -> NotAllowedError:
    state = Broadcast.objects.values_list("state", flat=True).get(pk=broadcast_id)
    words = _("It is %(state)s; this is for broadcasts that are %(states)s.")
    return NotAllowedError(words % {"state": state, "states": ", ".join(change.before)})


def _record(row: Broadcast, *, state: BroadcastState, actor: Actor) -> None:
    before, after = {"state": row.state}, {"state": state.value}
    audit.record(actor, action=Action.CHANGE, instance=row, before=before, after=after)
