"""From an outcome to what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from dispatch.models import Attempt
from dispatch.outbox.deliveries import Claim
from dispatch.rules import retry
from dispatch.rules.settlement import AttemptRecord, Settlement
from dispatch.rules.states import DeliveryState
from servers.values import Limits
from transports.types import Deferred, Outcome, Reason, Rejected, Sent, Unknown

MOST_DETAIL = 2000

_STATES = {
    retry.Finish: DeliveryState.SENT.value,
    retry.RetryAt: DeliveryState.DUE.value,
    retry.GiveUp: DeliveryState.FAILED.value,
    retry.Hold: DeliveryState.HELD.value,
    retry.WaitForServer: DeliveryState.DUE.value,
}
_NAMES = {
    Sent: Attempt.Outcome.SENT.value,
    Deferred: Attempt.Outcome.DEFERRED.value,
    Rejected: Attempt.Outcome.REJECTED.value,
    Unknown: Attempt.Outcome.UNKNOWN.value,
}
"""How states and outcomes are written; an enum's own member costs a search each time."""


def judged(
    claim: Claim,
    outcome: Outcome,
    *,
    limits: Limits,
    now: datetime,
    started_at: datetime,
    duration: timedelta,
    dialogue: str = "",
    jitter: Callable[[], float],
    lapsed: bool = False,
    charged: bool = True,
) -> Settlement:
    """Judge one try and make it ready to be written; `claim` is as it was before the try."""
    tries = claim.tries + 1
    verdict = retry.judge(
        outcome,
        tries=tries,
        limits=limits,
        now=now,
        jitter=jitter(),
        hold_unknown=claim.hold_unknown,
        charged=charged,
    )
    due_at: datetime | None = None
    sent_at: datetime | None = None
    provider_id = ""
    match verdict:
        case retry.Finish(provider_id=provider_id):
            sent_at = now
        case retry.RetryAt(at=due_at, charged=charged):
            tries = tries if charged else claim.tries
        case retry.WaitForServer():
            tries = claim.tries
        case retry.GiveUp() | retry.Hold():
            pass
        case _:
            assert_never(verdict)
    reason = None if isinstance(outcome, Sent) else outcome.reason
    return Settlement(
        id=claim.id,
        state=_STATES[type(verdict)],
        tries=tries,
        attempt_count=claim.attempt_count + 1,
        due_at=due_at,
        sent_at=sent_at,
        reason_code=reason.code.value if reason else "",
        reason_detail=reason.detail[:MOST_DETAIL] if reason else "",
        provider_id=provider_id[:MOST_DETAIL],
        lapsed=lapsed,
        attempt=_record(outcome, started_at=started_at, duration=duration, dialogue=dialogue, next_try_at=due_at),
    )


def _record(
    outcome: Outcome, *, started_at: datetime, duration: timedelta, dialogue: str, next_try_at: datetime | None
) -> AttemptRecord:
    said: Sent | Reason = outcome if isinstance(outcome, Sent) else outcome.reason
    return AttemptRecord(
        started_at=started_at,
        duration_ms=max(0, round(duration.total_seconds() * 1000)),
        outcome=_NAMES[type(outcome)],
        code="" if isinstance(said, Sent) else said.code.value,
        reply=said.reply,
        enhanced=said.enhanced,
        detail=said.detail[:MOST_DETAIL],
        dialogue=dialogue,
        next_try_at=next_try_at,
    )
