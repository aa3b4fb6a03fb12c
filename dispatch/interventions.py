"""What a caller or a person may do to a delivery: send it again, or call it off."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from dispatch import doorbell
from dispatch.models import Delivery
from servers.queries import active_routes
from servers.values import ServerKind
from transports.types import ReasonCode

_State = Delivery.State
RETRIABLE = (_State.FAILED, _State.EXPIRED, _State.UNDELIVERED, _State.SKIPPED, _State.HELD)
CANCELLABLE = (_State.DUE, _State.PAUSED, _State.HELD)


class NotAllowedError(Exception):
    """The delivery is in a state that does not allow it; nothing was changed."""


def retry(delivery_id: UUID, *, now: datetime) -> None:
    """Send it again: the same row and id, due now with fresh tries and its lifetime anew; old attempts stay.

    Raises NotAllowedError, and Delivery.DoesNotExist.
    """
    row = Delivery.objects.get(pk=delivery_id)
    if not row.address:
        raise NotAllowedError("It has no address; post the event again when its recipient has one.")
    route = active_routes().get(ServerKind(row.server_kind))
    with transaction.atomic():
        changed = Delivery.objects.filter(pk=row.pk, state=row.state, state__in=RETRIABLE).update(
            state=_State.DUE,
            due_at=now,
            expires_at=now + (row.expires_at - row.created_at),
            server_id=route.server_id if route else None,
            tries=0,
            sent_at=None,
            provider_id="",
            reason_code="" if route else ReasonCode.NO_ACTIVE_SERVER.value,
            reason_detail="",
        )
        if not changed:
            raise NotAllowedError(_refusal(row, allowed=RETRIABLE))
        if route:
            server_id = route.server_id
            transaction.on_commit(lambda: doorbell.ring(server_id))


def cancel(delivery_id: UUID) -> None:
    """Call off what waits. Raises NotAllowedError, and Delivery.DoesNotExist."""
    row = Delivery.objects.get(pk=delivery_id)
    changed = Delivery.objects.filter(pk=row.pk, state__in=CANCELLABLE).update(
        state=_State.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail=""
    )
    if not changed:
        row.refresh_from_db(fields=["state"])
        raise NotAllowedError(_refusal(row, allowed=CANCELLABLE))


def _refusal(row: Delivery, *, allowed: tuple[Delivery.State, ...]) -> str:
    return f"It is {row.state}; this is for deliveries that are {', '.join(state.value for state in allowed)}."
