"""Answers of FCM's HTTP v1 interface, and what they mean for a push, a device or the whole service."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from msgspec import Struct

from transports.net.http2 import Answer
from transports.net.skew import ahead
from transports.types import Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent

QUOTA_PAUSE = timedelta(seconds=60)
"""What FCM wants after a used-up quota where it names no time."""
_MAX_DETAIL = 500
_MESSAGE, _RECIPIENT, _SERVER = Scope.MESSAGE, Scope.RECIPIENT, Scope.SERVER

_OF_CODE = {
    "UNREGISTERED": (ReasonCode.TOKEN_DEAD, _RECIPIENT),
    "SENDER_ID_MISMATCH": (ReasonCode.TOKEN_REFUSED, _RECIPIENT),
    "THIRD_PARTY_AUTH_ERROR": (ReasonCode.TOKEN_REFUSED, _RECIPIENT),  # no phone with Android
    "QUOTA_EXCEEDED": (ReasonCode.THROTTLED, _SERVER),
    "UNAVAILABLE": (ReasonCode.SERVICE_UNAVAILABLE, _SERVER),
    "INTERNAL": (ReasonCode.TEMPORARY, _MESSAGE),
}
_OF_STATUS = {
    401: (ReasonCode.CREDENTIALS_REFUSED, _SERVER),
    413: (ReasonCode.TEXT_TOO_LONG, _MESSAGE),
    429: (ReasonCode.THROTTLED, _SERVER),
}
"""Without a code of FCM's own that is listed; 403, 404 and others are the project, its rights, its interface."""


class Refusal(Struct, frozen=True):
    """The parts of an error. `code` is FCM's own `errorCode`, `status` the general one, `fields` are named ones."""

    http: int
    code: str
    status: str
    words: str
    fields: tuple[str, ...]


def judge(answer: Answer) -> Outcome:
    """What an answer means. Source: firebase.google.com, "FCM error codes" and "Scale FCM".

    A reason with SERVER scope is always Deferred: the push may go when the service is back or the settings are right.
    """
    if answer.status == 200 and "name" in _json(answer):
        return Sent(str(_json(answer)["name"]), reply="200")
    refusal = read(answer)
    reason = Reason(*_meaning(refusal), _detail(refusal), reply=str(answer.status))
    wait = _retry_after(answer)
    if wait and reason.code in {ReasonCode.SERVICE_UNAVAILABLE, ReasonCode.TEMPORARY}:
        reason = Reason(ReasonCode.THROTTLED, _SERVER, reason.detail, reply=reason.reply)  # it names its rate
    if reason.code is ReasonCode.THROTTLED:
        return Deferred(reason, wait or QUOTA_PAUSE)
    if reason.scope is Scope.SERVER or reason.code is ReasonCode.TEMPORARY:
        return Deferred(reason)
    return Rejected(reason)


def is_stale(answer: Answer) -> bool:
    """Whether the access token is refused: 401 without a code of FCM's own."""
    return answer.status == 401 and not read(answer).code


def read(answer: Answer) -> Refusal:
    """The error in a body; all empty where it is none of FCM's."""
    error = _json(answer).get("error")
    if not isinstance(error, dict):
        return Refusal(answer.status, "", "", "", ())
    details = _dicts(error.get("details"))
    own = [str(each["errorCode"]) for each in details if "errorCode" in each]
    violations = [each for detail in details for each in _dicts(detail.get("fieldViolations"))]
    fields = tuple(str(each.get("field", "")) for each in violations)
    status = str(error.get("status", ""))
    return Refusal(answer.status, own[0] if own else "", status, str(error.get("message", "")), fields)


def _meaning(refusal: Refusal) -> tuple[ReasonCode, Scope]:
    if refusal.code == "INVALID_ARGUMENT":
        return _invalid(refusal)
    return _OF_CODE.get(refusal.code) or _of_status(refusal)


def _invalid(refusal: Refusal) -> tuple[ReasonCode, Scope]:
    """A bad token or a bad message: it is about the token only where FCM says so, and never proves it dead."""
    named = " ".join((*refusal.fields, refusal.words)).lower()
    if "message.token" in named or "message.fid" in named or "registration token" in named:
        return ReasonCode.TOKEN_REFUSED, _RECIPIENT
    return ReasonCode.PERMANENT, _MESSAGE


def _of_status(refusal: Refusal) -> tuple[ReasonCode, Scope]:
    """Without a code of FCM's own, or with one that is not listed."""
    if not (refusal.status or refusal.code) and refusal.http < 500:
        return (ReasonCode.POLICY if refusal.http == 407 else ReasonCode.PROTOCOL_ERROR), _SERVER
    if refusal.http == 400:
        return _invalid(refusal)
    if refusal.http >= 500:
        return ReasonCode.SERVICE_UNAVAILABLE, _SERVER
    return _OF_STATUS.get(refusal.http, (ReasonCode.CONFIGURATION, _SERVER))


def _detail(refusal: Refusal) -> str:
    words = (refusal.code or refusal.status, refusal.words)
    return ": ".join(part for part in words if part)[:_MAX_DETAIL] or "what answers is not FCM"


def _retry_after(answer: Answer) -> timedelta | None:
    """Whole, as FCM wants it: in seconds, or as a date."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdecimal() and len(given) < 9:
        return timedelta(seconds=int(given)) or None
    wait = ahead(given) if given else timedelta()
    return wait if wait > timedelta() else None


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _json(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
