"""A delivery's life in words: each try, what the server said, and why the next one comes when it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from dispatch.models import Attempt, Delivery
from dispatch.rules.retry import MOST_JITTER
from dispatch.rules.states import DeliveryState
from servers.values import WAITS

_ROUNDING = timedelta(milliseconds=1)
_AFTERWARDS = {
    DeliveryState.FAILED: "no next try: it failed for good",
    DeliveryState.HELD: "no next try: it waits for a person",
    DeliveryState.DUE: "the next try comes when the server is back",
}


def lines(delivery: Delivery, *, waits: Sequence[timedelta] = WAITS) -> Iterator[str]:
    """One or two lines a try, with the time (UTC) of its outcome; `waits` are those of the server that was tried."""
    yield f"{delivery.id} to {delivery.address}: {delivery.state}"
    yield f"{_time(delivery.created_at)}  accepted"
    for attempt in delivery.attempts.order_by("number"):
        took = timedelta(milliseconds=attempt.duration_ms)
        words = " ".join(part for part in (attempt.reply, attempt.detail or attempt.code) if part)
        yield f"{_time(attempt.started_at + took)}  try {attempt.number}, {took.total_seconds():.3f} s: " + (
            f"{attempt.outcome}, {words}" if words else attempt.outcome
        )
        next_try = following(attempt, ended_at=attempt.started_at + took, delivery=delivery, waits=waits)
        if next_try:
            yield f"{'':21}{next_try}"
    for receipt in delivery.receipts.all():
        words = f", {receipt.detail}" if receipt.detail else ""
        yield f"{_time(receipt.received_at)}  receipt for {receipt.part}: {receipt.status}{words}"


def following(attempt: Attempt, *, ended_at: datetime, delivery: Delivery, waits: Sequence[timedelta] = WAITS) -> str:
    """When the next try comes and why, or why none does; empty when the matter is closed by success."""
    if attempt.next_try_at is None:
        last = attempt.number == delivery.attempt_count
        return _AFTERWARDS.get(DeliveryState(delivery.state), "") if last else _AFTERWARDS[DeliveryState.DUE]
    return f"next try {_time(attempt.next_try_at)}: {_why(attempt.next_try_at - ended_at, waits=waits)}"


def _why(wait: timedelta, *, waits: Sequence[timedelta]) -> str:
    base = max((usual for usual in waits if usual <= wait + _ROUNDING), default=None)
    if base is None:
        return "immediately"
    extra = max(wait - base, timedelta()) / base
    if extra <= MOST_JITTER + 0.001:
        return f"{_words(base)}, plus {extra:.0%} so that not all come at once"
    return f"after {_words(wait)}, as the server asked"


def _words(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _time(moment: datetime) -> str:
    return f"{moment + timedelta(milliseconds=500):%Y-%m-%d %H:%M:%S}"
