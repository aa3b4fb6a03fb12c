"""Template tags of the delivery log: states, reasons, outcomes."""

from __future__ import annotations

from django import template
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit import cells
from console.kit.cells import badge
from console.kit.registry import Level
from dispatch.broadcasts.progress import Progress
from dispatch.broadcasts.reach import SAME_ADDRESS, SAME_PERSON
from dispatch.log import reasons
from dispatch.log.waits import Why
from dispatch.models import DELIVERY_STATES, Attempt, Delivery
from dispatch.rules.states import DeliveryState
from templates_app.channels import TRAITS
from transports.types import ChannelKind

register = template.Library()

_LEVELS: dict[str, Level] = {
    DeliveryState.SENT: Level.OK,
    DeliveryState.DELIVERED: Level.OK,
    DeliveryState.FAILED: Level.ERROR,
    DeliveryState.UNDELIVERED: Level.ERROR,
    DeliveryState.EXPIRED: Level.ERROR,
    DeliveryState.HELD: Level.WARNING,
    DeliveryState.SKIPPED: Level.WARNING,
    Attempt.Outcome.SENT: Level.OK,
    Attempt.Outcome.DEFERRED: Level.WARNING,
    Attempt.Outcome.REJECTED: Level.ERROR,
    Attempt.Outcome.UNKNOWN: Level.WARNING,
}


_LEFT_OUT = {
    SAME_PERSON: gettext_lazy("The same person gets it already."),
    SAME_ADDRESS: gettext_lazy("Somebody else with the same address gets it already."),
}


@register.simple_tag
def state_badge(delivery: Delivery) -> SafeString:
    """Where a delivery stands; one that was tried and waits says so."""
    level = _LEVELS.get(delivery.state, "info" if delivery.state == DeliveryState.DUE else Level.NEUTRAL)
    return badge(level, delivery.get_state_display())


@register.simple_tag
def why_cell(why: Why) -> SafeString:
    """Why it stands where it does, and when the next try comes."""
    if why.next_at is None:
        return cells.joined(why.words)
    next_try = cells.joined(_("Next try"), " ", cells.moment(max(why.next_at, timezone.now())))
    return cells.joined(why.words, " ", cells.small(next_try))


@register.simple_tag
def outcome_badge(attempt: Attempt) -> SafeString:
    outcome = Attempt.Outcome(attempt.outcome)
    return badge(_LEVELS[outcome], outcome.label)


@register.filter
def reason_words(code: str) -> str | Promise:
    return reasons.words(code)


@register.filter
def channel_label(channel: str) -> str:
    return TRAITS[ChannelKind(channel)].name


@register.filter
def left_out_words(code: str) -> str | Promise:
    """Why somebody is left out before a broadcast is sent."""
    return _LEFT_OUT.get(code) or reasons.words(code)


@register.filter
def counted_states(progress: Progress) -> list[tuple[str, str | Promise, int]]:
    """The states that any delivery is in, with their words and numbers."""
    return [(state, words, progress.counts[state]) for state, words in DELIVERY_STATES if progress.counts[state]]
