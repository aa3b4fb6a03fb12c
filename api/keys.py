"""API keys: made, shown once, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from api.models import ApiKey

PREFIX = "xmn"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_USED_EVERY = timedelta(minutes=1)


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
) -> str:
    """Store a new key and answer its text, which can't be had again."""
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    text = f"{PREFIX}_{lookup}_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(
        name=name,
        lookup=lookup,
        digest=_digest(text),
        scopes=sorted(scopes),
        expires_at=expires_at,
        created_by_id=created_by.pk if created_by else None,
    )
    return text


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what they may do. `origin` is kept with what they post."""

    origin: str
    name: str
    scopes: frozenset[str]


def check(text: str, *, now: datetime) -> Caller | None:
    """Whose live key has this text; notes at most once a minute that it was used."""
    prefix, _, rest = text.partition("_")
    lookup, _, _secret = rest.partition("_")
    if prefix != PREFIX or not set(lookup) <= set(_ALPHABET):
        return None
    key = _find(lookup)
    if key is None or not hmac.compare_digest(key.digest, _digest(text)):
        return None
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    if key.last_used_at is None or now - key.last_used_at > _USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return Caller(origin=f"key:{key.pk}", name=key.name, scopes=frozenset(key.scopes))


def _find(lookup: str) -> ApiKey | None:
    """The statement is compiled once: every request reads a key."""
    return next(iter(ApiKey.objects.raw("SELECT * FROM api_apikey WHERE lookup = %s", [lookup])), None)


def _digest(text: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
