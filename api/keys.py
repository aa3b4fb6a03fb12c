"""API keys: made, shown once, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from msgspec import Struct

from api.models import DEFAULT_BURST, DEFAULT_RATE, ApiKey
from foundation.sql import statements

PREFIX = "xmn"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_USED_EVERY = timedelta(minutes=1)
_BY_LOOKUP = """SELECT id, name, digest, scopes, expires_at, last_used_at, rate_limit, known_recipients_only
    FROM api_apikey WHERE lookup = %s AND revoked_at IS NULL"""


class ApiScope(StrEnum):
    """What a key may do; `messages` is to read bodies."""

    EVENTS = "events"
    READ = "read"
    MESSAGES = "messages"
    DEVICES = "devices"
    SEND = "send"
    ADMIN = "admin"


def create(
    name: str,
    *,
    scopes: Collection[ApiScope],
    expires_at: datetime | None = None,
    created_by: AbstractBaseUser | None = None,
    rate_limit: int = DEFAULT_RATE,
    burst: int = DEFAULT_BURST,
    known_recipients_only: bool = False,
) -> str:
    """Store a new key and answer its text, which can't be had again."""
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    text = f"{PREFIX}_{lookup}_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(
        name=name,
        lookup=lookup,
        digest=_digest(text, key=settings.SECRET_KEY),
        scopes=sorted(scopes),
        expires_at=expires_at,
        created_by_id=created_by.pk if created_by else None,
        rate_limit=rate_limit,
        burst=burst,
        known_recipients_only=known_recipients_only,
    )
    return text


class Key(Struct, frozen=True):
    """What a key's settings say: `rate` events a second (0: any number), further recipients."""

    pk: int
    rate: int
    known_recipients_only: bool


class Caller(Struct, frozen=True):
    """Who calls, and what they may do. `origin` is kept with what they post; `key` is None for a webhook."""

    origin: str
    name: str
    scopes: frozenset[str]
    key: Key | None = None


def text_of(headers: Mapping[str, str]) -> str:
    """The key that a request brings; empty if it brings none."""
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def check(text: str, *, now: datetime) -> Caller | None:
    """Whose live key has this text; notes at most once a minute that it was used."""
    prefix, _, rest = text.partition("_")
    lookup, _, _secret = rest.partition("_")
    if prefix != PREFIX or not set(lookup) <= set(_ALPHABET):
        return None
    found = statements.read(_BY_LOOKUP, [lookup])
    if not found:
        return None
    pk, name, digest, scopes, expires_at, used_at, rate, known_only = found[0]
    if not _is_digest(digest, text=text):
        return None
    if expires_at is not None and _moment(expires_at) <= now:
        return None
    if used_at is None or now - _moment(used_at) > _USED_EVERY:
        ApiKey.objects.filter(pk=pk).update(last_used_at=now)
    key = Key(pk, rate=rate, known_recipients_only=bool(known_only))
    return Caller(origin=f"key:{pk}", name=name, scopes=frozenset(json.loads(scopes)), key=key)


def _moment(value: datetime) -> datetime:
    """A time as a row brings it: from SQLite without its zone, which is UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _is_digest(digest: str, *, text: str) -> bool:
    """Whether the key was stored with this text, under the signing key or an earlier one."""
    known = [_digest(text, key=key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return any([hmac.compare_digest(digest, each) for each in known])  # noqa: C419 - no short cut


def _digest(text: str, *, key: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
