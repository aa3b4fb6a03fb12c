"""Test Configuration stage by stage: what a stage is called, how it went, and what a failure means."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from transports.types import Reason, ReasonCode

_SLOW = timedelta(seconds=5)


class StageName(StrEnum):
    """The stages of all kinds of servers; each kind has some of them, in an order of its own."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    TLS = "tls"
    AUTHENTICATE = "authenticate"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CREDENTIALS = "credentials"
    NUMBER = "number"
    ACCEPTED = "accepted"
    HTTP2 = "http2"
    KEY_FILE = "key_file"
    TOKEN = "token"  # noqa: S105 - a stage, not a credential
    KEY = "key"
    TOPIC = "topic"
    VALIDATE_ONLY = "validate_only"


class Step(Struct, frozen=True):
    """`run` does the step, returns what is worth knowing of it and raises ConnectionFailed."""

    name: StageName
    run: Callable[[], str]


class Stage(Struct, frozen=True):
    """How one stage went. `detail` is what was found or the peer's words; `cause`, `hint` and `code` explain a failure.

    `hint` may also stand with a stage that went well.
    """

    name: StageName
    ok: bool
    duration: timedelta
    detail: str = ""
    cause: str = ""
    hint: str = ""
    code: ReasonCode | None = None


class Advice(Struct, frozen=True):
    """`cause` says what is wrong, `hint` what to change."""

    cause: str
    hint: str


class AdviceRow(Struct, frozen=True):
    """One line of a table of advice; `words` is a regular expression for some part of the peer's words."""

    code: ReasonCode
    cause: str
    hint: str
    words: str = ""


def look_up(rows: Sequence[AdviceRow], reason: Reason, *, otherwise: Advice) -> Advice:
    """The advice of the first row that fits."""
    for row in rows:
        if row.code is reason.code and re.search(row.words, reason.detail, re.IGNORECASE):
            return Advice(row.cause, row.hint)
    return otherwise


def passed(name: StageName, took: timedelta, detail: str, *, slow_hint: str) -> Stage:
    return Stage(name, ok=True, duration=took, detail=detail, hint=slow_hint if took > _SLOW else "")


def failed(name: StageName, took: timedelta, reason: Reason, advice: Advice) -> Stage:
    said = " ".join(part for part in (reason.reply, reason.detail) if part)
    return Stage(name, ok=False, duration=took, detail=said, cause=advice.cause, hint=advice.hint, code=reason.code)


def since(began: float) -> timedelta:
    """The time since `began`, by the monotonic clock."""
    return timedelta(seconds=time.monotonic() - began)
