"""Answers of APNs, and what they mean for a push, a device or the whole service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from transports.net.http2 import Answer
from transports.net.skew import ahead
from transports.push.tokens import until_next
from transports.types import Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent

STALE = "ExpiredProviderToken"
_SKEWED = timedelta(seconds=30)
_MAX_DETAIL = 500
_SAME_DEVICE = timedelta(minutes=1)
"""After too many pushes to one device."""


class Row(Struct, frozen=True):
    """What a `reason` means."""

    code: ReasonCode
    scope: Scope
    later: bool = False


_MESSAGE, _RECIPIENT, _SERVER = Scope.MESSAGE, Scope.RECIPIENT, Scope.SERVER
_FAULTY = Row(ReasonCode.PERMANENT, _MESSAGE)
_MISFIT = Row(ReasonCode.TOKEN_REFUSED, _RECIPIENT)
_DEAD = Row(ReasonCode.TOKEN_DEAD, _RECIPIENT)
_SETTINGS = Row(ReasonCode.CONFIGURATION, _SERVER)
_KEY = Row(ReasonCode.CREDENTIALS_REFUSED, _SERVER)
_DOWN = Row(ReasonCode.SERVICE_UNAVAILABLE, _SERVER, later=True)
_TOO_FAST = Row(ReasonCode.THROTTLED, _SERVER, later=True)

# Source of all: Apple, "Handling notification responses from APNs".
ROWS: dict[str, Row] = {
    "BadCollapseId": _FAULTY,
    "BadDeviceToken": _MISFIT,
    "BadExpirationDate": _FAULTY,
    "BadMessageId": _FAULTY,
    "BadPriority": _FAULTY,
    "BadTopic": _SETTINGS,
    "DeviceTokenNotForTopic": _MISFIT,
    "DuplicateHeaders": _FAULTY,
    "IdleTimeout": Row(ReasonCode.TEMPORARY, _MESSAGE, later=True),
    "InvalidPushType": _FAULTY,
    "MissingDeviceToken": Row(ReasonCode.ADDRESS_INVALID, _RECIPIENT),
    "MissingTopic": _SETTINGS,
    "PayloadEmpty": _FAULTY,
    "TopicDisallowed": _SETTINGS,
    "BadCertificate": _KEY,
    "BadCertificateEnvironment": _SETTINGS,
    "BadEnvironmentKeyInToken": _SETTINGS,
    "BadEnvironmentKeyIdInToken": _SETTINGS,
    STALE: _SETTINGS,  # of a token made just now: the clock
    "Forbidden": _SETTINGS,
    "InvalidProviderToken": _KEY,
    "MissingProviderToken": _KEY,
    "UnrelatedKeyIdInToken": _SETTINGS,
    "BadPath": _SETTINGS,
    "MethodNotAllowed": _SETTINGS,
    "ExpiredToken": _DEAD,
    "Unregistered": _DEAD,
    "PayloadTooLarge": Row(ReasonCode.TEXT_TOO_LONG, _MESSAGE),
    "TooManyProviderTokenUpdates": _TOO_FAST,
    "TooManyRequests": Row(ReasonCode.THROTTLED, _RECIPIENT, later=True),
    "InternalServerError": Row(ReasonCode.TEMPORARY, _MESSAGE, later=True),
    "ServiceUnavailable": _DOWN,
    "Shutdown": _DOWN,
}

_OF_STATUS: dict[int, Row] = {
    400: _FAULTY,
    401: _KEY,
    403: _KEY,
    404: _SETTINGS,
    405: _SETTINGS,
    407: Row(ReasonCode.POLICY, _SERVER, later=True),
    410: _MISFIT,
    413: Row(ReasonCode.TEXT_TOO_LONG, _MESSAGE),
    429: _TOO_FAST,
}
"""Of a reason that is not listed, which may be one that Apple has added."""
_NOT_APNS = Row(ReasonCode.PROTOCOL_ERROR, _SERVER, later=True)


def judge(answer: Answer, *, token: str) -> Outcome:
    """What an answer means; `token` is what the request was signed in with.

    A reason with SERVER scope is always Deferred: the push may go when the service is back or the settings are right.
    """
    if answer.status == 200 and not answer.body:
        unique = answer.headers.get("apns-unique-id", "")
        return Sent(answer.headers.get("apns-id", ""), detail=unique and f"apns-unique-id {unique}", reply="200")
    said = reason_of(answer)
    row = _row(answer.status, said)
    detail = said or "what answers is not APNs"
    if said == STALE:
        detail += _clock(answer)
    reason = Reason(row.code, row.scope, detail, reply=str(answer.status))
    if row is _DEAD:
        return Rejected(reason, gone_at=_gone_at(answer))
    if row.later or row.scope is Scope.SERVER:
        return Deferred(reason, _wait(said, token=token))
    return Rejected(reason)


def reason_of(answer: Answer) -> str:
    """The `reason` literally, "" where the body has none."""
    return _field(answer.body.decode("utf-8", "replace"))


def goodbye(said: str) -> Reason | None:
    """What APNs says of our settings where it ends a connection; None where it only ends it."""
    found = _field(said[said.find("{") :]) if "{" in said else ""
    row = ROWS.get(found)
    if row is None or row.scope is not Scope.SERVER or row.later:
        return None
    return Reason(row.code, row.scope, found)


def _row(status: int, said: str) -> Row:
    if said:
        return ROWS.get(said) or _OF_STATUS.get(status) or (_DOWN if status >= 500 else _NOT_APNS)
    return _DOWN if status >= 500 else _OF_STATUS[407] if status == 407 else _NOT_APNS


def _wait(said: str, *, token: str) -> timedelta | None:
    if said == "TooManyProviderTokenUpdates":
        return until_next(token)
    return _SAME_DEVICE if said == "TooManyRequests" else None


def _clock(answer: Answer) -> str:
    """How far this machine's clock is off, where the answer has a Date."""
    apart = ahead(answer.headers.get("date", ""))
    if abs(apart) < _SKEWED:
        return ""
    side = "behind" if apart > timedelta() else "ahead"
    return f" (this machine's clock is {round(abs(apart).total_seconds())} s {side})"


def _field(text: str) -> str:
    try:
        found = json.loads(text).get("reason")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return " ".join(found.split())[:_MAX_DETAIL] if isinstance(found, str) else ""


def _gone_at(answer: Answer) -> datetime | None:
    """Since when, in milliseconds of Unix time."""
    try:
        milliseconds = json.loads(answer.body)["timestamp"]
        return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None
