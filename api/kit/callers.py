"""Who calls, and how a request is recognised as theirs."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from devices.scope import GroupScope


class ApiScope(StrEnum):
    """What a key may do; `messages` is to read bodies."""

    EVENTS = "events"
    READ = "read"
    MESSAGES = "messages"
    DEVICES = "devices"
    SEND = "send"
    ADMIN = "admin"


class Key(Struct, frozen=True):
    """What a key's settings say: `rate` events a second (0: any number), further recipients."""

    pk: int
    rate: int
    known_recipients_only: bool


class Caller(Struct, frozen=True):
    """Who calls, what they may do, and within which groups. `origin` is kept with what they post; `key` is None for a
    webhook.
    """

    origin: str
    name: str
    scopes: frozenset[str]
    within: GroupScope
    key: Key | None = None


class Authentication(Struct, frozen=True):
    """How callers are recognised. `by_key(headers, now=)` gives None without a live key; `by_signature(headers, body,
    now=)` raises ProblemError for a signature that is not right.
    """

    by_key: Callable[..., Caller | None]
    is_signed: Callable[..., bool]
    by_signature: Callable[..., Caller]
