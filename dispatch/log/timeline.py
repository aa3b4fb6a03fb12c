"""A delivery's life in words: each try, what the server said, and why the next one comes when it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit import times
from dispatch.models import Attempt, Delivery
from dispatch.rules.retry import MOST_JITTER
from dispatch.rules.states import DeliveryState
from servers.values import WAITS

_ROUNDING = timedelta(milliseconds=1)
_AFTERWARDS = {
    DeliveryState.FAILED: gettext_lazy("no next try: it failed for good"),
    DeliveryState.HELD: gettext_lazy("no next try: it waits for a person"),
    DeliveryState.DUE: gettext_lazy("the next try comes when the server is back"),
}


def lines(delivery: Delivery, *, waits: Sequence[timedelta] = WAITS) -> Iterator[str]:
    """One or two lines a try, with the time of its outcome; `waits` are those of the server that was tried."""
    about = {"id": delivery.id, "address": delivery.address, "state": delivery.state}
    yield _("%(id)s to %(address)s: %(state)s") % about
    yield f"{_time(delivery.created_at)}  {_('accepted')}"
    for attempt in delivery.attempts.order_by("number"):
        took = timedelta(milliseconds=attempt.duration_ms)
        words = " ".join(part for part in (attempt.reply, attempt.detail or attempt.code) if part)
        said = ", ".join(part for part in (attempt.outcome, words) if part)
        about = {"number": attempt.number, "seconds": f"{took.total_seconds():.3f}", "said": said}
        yield f"{_time(attempt.started_at + took)}  {_('try %(number)s, %(seconds)s s: %(said)s') % about}"
        next_try = following(attempt, ended_at=attempt.started_at + took, delivery=delivery, waits=waits)
        if next_try:
            yield f"{'':21}{next_try}"
    for receipt in delivery.receipts.all():
        said = ", ".join(part for part in (receipt.status, receipt.detail) if part)
        about = {"part": receipt.part, "said": said}
        yield f"{_time(receipt.received_at)}  {_('receipt for %(part)s: %(said)s') % about}"


def following(attempt: Attempt, *, ended_at: datetime, delivery: Delivery, waits: Sequence[timedelta] = WAITS) -> str:
    """When the next try comes and why, or why none does; empty when the matter is closed by success."""
    if attempt.next_try_at is None:
        last = attempt.number == delivery.attempt_count
        return str(_AFTERWARDS.get(DeliveryState(delivery.state), "") if last else _AFTERWARDS[DeliveryState.DUE])
    why = _why(attempt.next_try_at - ended_at, waits=waits)
    return _("next try %(time)s: %(why)s") % {"time": _time(attempt.next_try_at), "why": why}


def _why(wait: timedelta, *, waits: Sequence[timedelta]) -> str:
    base = max((usual for usual in waits if usual <= wait + _ROUNDING), default=None)
    if base is None:
        return _("immediately")
    extra = max(wait - base, timedelta()) / base
    if extra <= MOST_JITTER + 0.001:
        words = _("%(wait)s, plus %(extra)s so that not all come at once")
        return words % {"wait": _words(base), "extra": f"{extra:.0%}"}
    return _("after %s, as the server asked") % _words(wait)


def _words(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _time(moment: datetime) -> str:
    return times.exact(moment + timedelta(milliseconds=500), upto="second")
