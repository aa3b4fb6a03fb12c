"""What follows from one outcome: a pure decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

from msgspec import Struct

from servers.values import Limits
from transports.types import Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

PAUSES = (
    timedelta(seconds=15),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
)
MOST_JITTER = 0.2
SIGN_IN_WAITS = (timedelta(minutes=1), timedelta(minutes=15))
"""After a refused sign-in; the last one repeats. A server's own directory may have been away."""
ALONE = timedelta(seconds=10)
"""How long one lane works alone after a pause."""
RELAPSE = timedelta(minutes=1)
"""Trouble this soon after a pause goes on where that one ended."""
LOST_IN_A_ROW = 3
"""So many messages of a server without an answer, and none with one between, are its own trouble."""

STOPPING = frozenset(
    {
        ReasonCode.CREDENTIALS_REFUSED,
        ReasonCode.BASIC_AUTH_DISABLED,
        ReasonCode.AUTH_NOT_OFFERED,
        ReasonCode.AUTH_REQUIRED,
        ReasonCode.ENCRYPTION_REQUIRED,
        ReasonCode.CONFIGURATION,
        ReasonCode.ACCOUNT_SUSPENDED,
        ReasonCode.OUT_OF_CREDIT,
        ReasonCode.SIGNATURE_REFUSED,
    }
)
"""Only a person can fix these: trying again would lock an account or cost money. A refused sign-in stops the server
after a few single ones."""


class Finish(Struct, frozen=True):
    """The peer took it."""

    provider_id: str


class RetryAt(Struct, frozen=True):
    """Due again at `at`. Not `charged` means that this try does not count against the limit."""

    at: datetime
    reason: Reason
    charged: bool = True


class GiveUp(Struct, frozen=True):
    """It failed for good."""

    reason: Reason


class Hold(Struct, frozen=True):
    """It waits for a person: to decide whether it went through, or to bring the key of what it needs back."""

    reason: Reason


class WaitForServer(Struct, frozen=True):
    """Nothing is wrong with the message: it waits, uncharged, until the server is fixed."""

    reason: Reason


Verdict = Finish | RetryAt | GiveUp | Hold | WaitForServer


def judge(
    outcome: Outcome,
    *,
    tries: int,
    limits: Limits,
    now: datetime,
    jitter: float,
    hold_unknown: bool = False,
    charged: bool = True,
) -> Verdict:
    """Decide after try number `tries` (1 is the first). `jitter` is 0..1, a fraction of the longest jitter.

    What was not `charged` is not the message's own fault and never its last try.
    """
    if isinstance(outcome, Sent):
        return Finish(outcome.provider_id)
    again = partial(_again, tries=tries, limits=limits, now=now, jitter=jitter, charged=charged)
    match outcome:
        case Deferred(reason=reason) | Rejected(reason=reason) if stops_server(reason):
            return WaitForServer(reason)
        case Deferred(reason=reason) if (soon := _free_wait(outcome)) is not None:
            return RetryAt(now + soon, reason, charged=False)
        case Deferred(reason=reason, retry_after=retry_after):
            return again(reason, least=retry_after)
        case Rejected(reason=reason):
            return Hold(reason) if reason.code is ReasonCode.SECRET_UNREADABLE else GiveUp(reason)
        case Unknown(reason=reason):
            return Hold(reason) if hold_unknown else again(reason, least=None)
        case _:
            assert_never(outcome)


def stops_server(reason: Reason) -> bool:
    """Whether it is for a person to fix the server, and its messages wait uncharged."""
    return reason.scope is Scope.SERVER and reason.code in STOPPING


def too_fast(reason: Reason) -> bool:
    """Whether the server works and only asks for less at a time: nothing is wrong with the message."""
    return reason.scope is Scope.SERVER and reason.code is ReasonCode.THROTTLED


def pause(count: int, *, reason: Reason, retry_after: timedelta | None = None) -> timedelta:
    """How long a server is paused after `count` failures in a row (1 is the first), never less than it asked for.

    Where it names a time because we were too fast, that counts, doubled with each failure.
    """
    if retry_after and too_fast(reason):
        return max(retry_after, min(retry_after * (1 << min(count - 1, 16)), PAUSES[-1]))
    usual = PAUSES[min(count, len(PAUSES)) - 1]
    return max(usual, retry_after) if retry_after else usual


def is_relapse(recovered_at: datetime | None, *, now: datetime) -> bool:
    """Whether trouble `now` still belongs to that from which the server recovered."""
    return recovered_at is not None and now - recovered_at < RELAPSE


def sign_in_wait(refused: int, *, most: int) -> timedelta | None:
    """How long nobody signs in after so many refusals in a row; None: no more until a person acts.

    `most` is how many single sign-ins may follow the first refusal.
    """
    return None if refused > most else SIGN_IN_WAITS[min(refused, len(SIGN_IN_WAITS)) - 1]


def _free_wait(outcome: Deferred) -> timedelta | None:
    """After what wait it is tried again without being charged; None where it is charged."""
    if outcome.reason.code is ReasonCode.TOO_MANY_RECIPIENTS:
        return timedelta()
    return outcome.retry_after if too_fast(outcome.reason) else None


def _again(
    reason: Reason,
    *,
    tries: int,
    limits: Limits,
    now: datetime,
    jitter: float,
    charged: bool,
    least: timedelta | None,
) -> RetryAt | GiveUp:
    if charged and tries >= limits.max_attempts:
        if reason.code is not ReasonCode.REFUSED_ALIKE:
            return GiveUp(reason)
        charged = False
    wait = limits.waits[min(tries, len(limits.waits)) - 1]
    wait += wait * MOST_JITTER * jitter
    return RetryAt(now + max(wait, least or timedelta()), reason, charged)
