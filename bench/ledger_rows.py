"""What the database says of the mails of a ledger run; importing it loads Django."""

from __future__ import annotations

from datetime import timedelta

from django.db import Error, connection
from django.utils import timezone

from dispatch.models import Delivery
from dispatch.rules.states import DeliveryState
from templates_app.models import NotificationTemplate

_RETRIES = timedelta(minutes=30)


class Rows:
    """The deliveries, as far as they can be read: the database may be away."""

    @staticmethod
    def hold_unknown() -> None:
        NotificationTemplate.objects.update(on_unknown="hold")

    def all_final(self) -> bool:
        """Whether none is to be sent any more; those that wait for their next try are due from now on."""
        try:
            waiting = Delivery.objects.filter(state=DeliveryState.DUE)
            if not Delivery.objects.filter(state__in=[DeliveryState.DUE, DeliveryState.CLAIMED]).exists():
                return True
            if not waiting.filter(due_at__lte=timezone.now()).exists():
                waiting.filter(due_at__gt=timezone.now()).update(due_at=timezone.now())
        except Error:
            connection.close()
        return False

    def accepted(self) -> set[str]:
        return {str(pk) for pk in Delivery.objects.values_list("pk", flat=True)}

    def held(self) -> set[str]:
        return {str(pk) for pk in Delivery.objects.filter(state=DeliveryState.HELD).values_list("pk", flat=True)}
