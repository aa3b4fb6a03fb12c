"""What a person may do to deliveries: one alone, or many together."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext_lazy, ngettext
from msgspec import Struct

from console.kit.registry import Words
from dispatch.models import Delivery
from dispatch.outbox import interventions
from dispatch.rules import states
from dispatch.rules.states import Change, DeliveryState
from transports.types import ReasonCode


class Deed(Struct, frozen=True):
    """Of many, only those are changed that are in `states` and fit.

    `label` says what is done, `asked` asks about so many, `counted` says that it was done, `done` the same of one.
    """

    states: tuple[DeliveryState, ...]
    one: Callable[..., None]
    many: Callable[..., int]
    label: Words
    done: Words
    asked: Callable[[int], str]
    counted: Callable[[int], str]
    fits: Callable[[Delivery], bool] = lambda _row: True


def _can_be_sent_again(row: Delivery) -> bool:
    """See `interventions.retry_all`."""
    untried = row.state != DeliveryState.HELD or row.reason_code == ReasonCode.SECRET_UNREADABLE
    return untried and bool(row.address)


DEEDS = {
    "retry": Deed(
        Change.RETRY.before,
        interventions.retry,
        interventions.retry_all,
        gettext_lazy("Retry"),
        gettext_lazy("The delivery will be sent again."),
        lambda n: ngettext("Send %d delivery again?", "Send %d deliveries again?", n) % n,
        lambda n: ngettext("%d delivery will be sent again.", "%d deliveries will be sent again.", n) % n,
        _can_be_sent_again,
    ),
    "cancel": Deed(
        states.QUEUED,
        interventions.cancel,
        interventions.cancel_all,
        gettext_lazy("Cancel the deliveries"),
        gettext_lazy("The delivery was cancelled."),
        lambda n: ngettext("Cancel %d delivery?", "Cancel %d deliveries?", n) % n,
        lambda n: ngettext("%d delivery was cancelled.", "%d deliveries were cancelled.", n) % n,
    ),
    "sent": Deed(
        Change.MARK_SENT.before,
        interventions.mark_sent,
        interventions.mark_sent_all,
        gettext_lazy("Mark as sent"),
        gettext_lazy("The delivery was marked as sent."),
        lambda n: ngettext("Mark %d delivery as sent?", "Mark %d deliveries as sent?", n) % n,
        lambda n: ngettext("%d delivery was marked as sent.", "%d deliveries were marked as sent.", n) % n,
    ),
}
