"""What a caller or a person may do to a delivery: send it again, cancel it, or say that it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from dispatch.models import Attempt, Delivery
from dispatch.outbox import deliveries
from dispatch.rules import states
from dispatch.rules.states import Change, DeliveryState
from dispatch.wakeup import wake_ups
from servers.queries import active_routes
from servers.values import ServerKind
from transports.types import ReasonCode

_UNTRIED = Q(state=DeliveryState.HELD, reason_code=ReasonCode.SECRET_UNREADABLE.value)
"""What is held and was certainly not handed over."""


class NotAllowedError(Exception):
    """The delivery is in a state that does not allow it; nothing was changed."""


def retry(delivery_id: UUID, *, now: datetime) -> None:
    """Send it again: the same row and id, due now with fresh tries and its lifetime anew; old attempts stay.

    Raises NotAllowedError, and Delivery.DoesNotExist.
    """
    row = Delivery.objects.get(pk=delivery_id)
    if not row.address:
        raise NotAllowedError(_("It has no address; post the event again when its recipient has one."))
    route = active_routes().get(ServerKind(row.server_kind))
    with transaction.atomic():
        changed = Delivery.objects.filter(pk=row.pk, state=row.state, state__in=Change.RETRY.before).update(
            expires_at=now + (row.expires_at - row.created_at), **_afresh(route.server_id if route else None, now)
        )
        if not changed:
            raise NotAllowedError(_refusal(row, change=Change.RETRY))
        if route:
            server_id = route.server_id
            transaction.on_commit(lambda: wake_ups.wake(server_id))


def cancel(delivery_id: UUID, *, now: datetime) -> None:
    """Cancel what waits. Raises NotAllowedError, and Delivery.DoesNotExist."""
    row = Delivery.objects.get(pk=delivery_id)
    changed = Delivery.objects.filter(pk=row.pk, state__in=Change.CANCEL.before).update(
        state=DeliveryState.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail=""
    )
    if not changed:
        row.refresh_from_db(fields=["state"])
        raise NotAllowedError(_refusal(row, change=Change.CANCEL))


def retry_all(ids: Sequence[UUID], *, now: datetime) -> int:
    """Send again those of them that failed, expired, were skipped, not delivered or not even tried for want of a key,
    and have an address.

    Returns how many. What else is held is left to a person, what is being written at this moment as it
    is.
    """
    routes = active_routes()
    again = 0
    with transaction.atomic():
        for kind in ServerKind:
            route = routes.get(kind)
            wanted = Q(state__in=states.UNSUCCESSFUL) | _UNTRIED
            found = Delivery.objects.filter(wanted, pk__in=ids, server_kind=kind.value).exclude(address="")
            changed = deliveries.lock(found).update(
                expires_at=now + (F("expires_at") - F("created_at")), **_afresh(route.server_id if route else None, now)
            )
            again += changed
            if route and changed:
                transaction.on_commit(partial(wake_ups.wake, route.server_id))
    return again


@transaction.atomic
def cancel_all(ids: Sequence[UUID], *, now: datetime) -> int:
    """Cancel those of them that are queued or paused and not just being claimed; returns how many."""
    found = Delivery.objects.filter(pk__in=ids, state__in=states.QUEUED)
    return deliveries.lock(found).update(
        state=DeliveryState.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail=""
    )


def mark_sent(delivery_id: UUID, *, now: datetime) -> None:
    """A person says that what is held did arrive. Raises NotAllowedError, and Delivery.DoesNotExist."""
    row = Delivery.objects.get(pk=delivery_id)
    if not mark_sent_all([delivery_id], now=now):
        row.refresh_from_db(fields=["state"])
        raise NotAllowedError(_refusal(row, change=Change.MARK_SENT))


@transaction.atomic
def mark_sent_all(ids: Sequence[UUID], *, now: datetime) -> int:
    """A person says that those of them that are held were sent, by their last try; returns how many."""
    tried = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-number").values("started_at")[:1]
    found = Delivery.objects.filter(pk__in=ids, state__in=Change.MARK_SENT.before)
    return deliveries.lock(found).update(
        state=DeliveryState.SENT, sent_at=Coalesce(Subquery(tried), now), reason_code="", reason_detail=""
    )


def _afresh(server_id: int | None, now: datetime) -> dict[str, Any]:
    """The columns of a delivery that begins anew."""
    return {
        "state": DeliveryState.DUE,
        "due_at": now,
        "server_id": server_id,
        "tries": 0,
        "sent_at": None,
        "provider_id": "",
        "reason_code": "" if server_id else ReasonCode.NO_ACTIVE_SERVER.value,
        "reason_detail": "",
    }


def _refusal(row: Delivery, *, change: Change) -> str:
    words = _("It is %(state)s; this is for deliveries that are %(states)s.")
    return words % {"state": row.state, "states": ", ".join(change.before)}
