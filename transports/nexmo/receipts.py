"""Delivery receipts of Nexmo: what the carrier, or the phone, made of one part of a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from transports.nexmo.replies import cleaned
from transports.types import Reason, ReasonCode, Scope

TOLERANCE = timedelta(minutes=5)
"""How far the time of a signature may be from ours, either way."""
_VERDICTS = {"delivered": True, "failed": False, "rejected": False, "expired": False}
_KNOWN = _VERDICTS.keys() | {"accepted", "buffered", "unknown"}
_MOST_ID = 64

# Source: developer.vonage.com, "Delivery receipts", error codes. 2, 7 and 8 may pass with another message.
CODES: dict[str, tuple[ReasonCode, str]] = {
    "1": (ReasonCode.PERMANENT, "unknown"),
    "2": (ReasonCode.NUMBER_UNREACHABLE, "absent for the moment"),
    "3": (ReasonCode.NUMBER_UNREACHABLE, "absent for good"),
    "4": (ReasonCode.NUMBER_BARRED, "call barred by the user"),
    "5": (ReasonCode.PERMANENT, "portability error"),
    "6": (ReasonCode.POLICY, "rejected as unwanted"),
    "7": (ReasonCode.NUMBER_UNREACHABLE, "handset busy"),
    "8": (ReasonCode.TEMPORARY, "network error"),
    "9": (ReasonCode.NUMBER_INVALID, "illegal number"),
    "10": (ReasonCode.CONTENT_REFUSED, "illegal message"),
    "11": (ReasonCode.NUMBER_INVALID, "unroutable"),
    "12": (ReasonCode.NUMBER_UNREACHABLE, "destination unreachable"),
    "13": (ReasonCode.POLICY, "age restriction"),
    "14": (ReasonCode.POLICY, "blocked by the carrier"),
    "15": (ReasonCode.POLICY, "prepaid without funds"),
    "50": (ReasonCode.POLICY, "entity filter"),
    "51": (ReasonCode.POLICY, "header filter"),
    "52": (ReasonCode.CONTENT_REFUSED, "content filter"),
    "53": (ReasonCode.POLICY, "consent filter"),
    "54": (ReasonCode.POLICY, "regulation"),
    "99": (ReasonCode.PERMANENT, "general error"),
}


class PartReceipt(Struct, frozen=True):
    """`reference` is the id that we gave the message. `delivered` is None for what is not final, or says nothing."""

    reference: UUID
    part: str
    status: str
    code: str
    delivered: bool | None
    reason: Reason | None
    at: datetime | None


def read(fields: Mapping[str, str]) -> PartReceipt | None:
    """The receipt in the fields of a request; None where they hold none of ours."""
    status, part = fields.get("status", "").lower(), fields.get("messageId", "")
    try:
        reference = UUID(fields.get("client-ref", ""))
    except ValueError:
        return None
    if status not in _KNOWN or not re.fullmatch(rf"[\w-]{{1,{_MOST_ID}}}", part, re.ASCII):
        return None
    code = cleaned(fields.get("err-code", ""))[:16]
    return PartReceipt(
        reference=reference,
        part=part,
        status=status,
        code=code,
        delivered=_VERDICTS.get(status),
        reason=_reason(status, code) if _VERDICTS.get(status) is False else None,
        at=_time(fields.get("message-timestamp", "")),
    )


def is_recent(timestamp: str, *, now: datetime) -> bool:
    """Whether the time that a signature covers (in seconds) is near ours."""
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()


def _reason(status: str, code: str) -> Reason:
    reported, words = CODES.get(code, (ReasonCode.PERMANENT, ""))
    if status == "expired" and code in {"", "0", "1", "99"}:
        reported, words = ReasonCode.EXPIRED, "the carrier gave up"
    detail = ": ".join(part for part in (status, words) if part)
    return Reason(reported, Scope.RECIPIENT, detail, reply=code)


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
