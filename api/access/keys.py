"""API keys: made, shown once, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from api.access.statements import key_by_lookup
from api.kit.callers import ApiScope, Caller, Key
from api.models import DEFAULT_BURST, DEFAULT_RATE, ApiKey
from console.accounts import grants
from console.accounts.grants import Held
from devices.scope import EVERYBODY, GroupScope
from foundation.sql.statements import rows_of
from servers.kinds import KINDS

PREFIX = "xmn"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_USED_EVERY = timedelta(minutes=1)
_VERBS = ("add", "change", "delete")


def _written(app: str, *kinds: str) -> frozenset[str]:
    return frozenset(f"{app}.{verb}_{kind}" for verb in _VERBS for kind in kinds)


NEEDED: dict[ApiScope, frozenset[str]] = {
    ApiScope.EVENTS: frozenset({"dispatch.add_event"}),
    ApiScope.READ: frozenset(
        {
            "dispatch.view_event",
            "dispatch.view_delivery",
            "devices.view_device",
            "devices.view_person",
            "servers.view_server",
            "servers.view_carriergateway",
            "templates_app.view_notificationtemplate",
        }
    ),
    ApiScope.MESSAGES: frozenset({"dispatch.view_deliverytext"}),
    ApiScope.DEVICES: _written("devices", "device", "person"),
    ApiScope.SEND: frozenset({"dispatch.add_broadcast", "dispatch.change_broadcast", "dispatch.change_delivery"}),
    ApiScope.ADMIN: _written("servers", "server", *(kind.model_name for kind in KINDS.values()), "carriergateway")
    | _written("templates_app", "notificationtemplate"),
}
"""What whoever makes a key holds for each of its scopes, and goes on holding while it is to work."""


def held(scopes: Iterable[str], *, groups: frozenset[int] | None = None) -> Held:
    """What a key with these scopes may do, limited to these groups (None: to none)."""
    return Held(frozenset().union(*(NEEDED[ApiScope(scope)] for scope in scopes)), groups=groups)


def held_by(rows: Collection[ApiKey]) -> dict[int, Held]:
    """What each of these keys may do."""
    limited = {key.pk: set[int]() for key in rows if key.limited}
    for pk, group in ApiKey.groups.through.objects.filter(apikey__in=list(limited)).values_list("apikey", "group"):
        limited[pk].add(group)
    return {key.pk: held(key.scopes, groups=frozenset(limited[key.pk]) if key.limited else None) for key in rows}


def unbacked(rows: Collection[ApiKey]) -> set[int]:
    """Those whose maker is gone, may not log in, or may no longer do what they do."""
    makers = {key.created_by for key in rows if key.created_by and key.created_by.is_active}
    holders = grants.of_users([maker.pk for maker in makers])
    nothing, wanted = Held(), held_by(rows)
    return {
        key.pk
        for key in rows
        if not key.by_command and not grants.covers(holders.get(key.created_by_id or 0, nothing), wanted[key.pk])
    }


def create(
    name: str,
    *,
    scopes: Collection[ApiScope],
    expires_at: datetime | None = None,
    created_by: AbstractBaseUser | None = None,
    rate_limit: int = DEFAULT_RATE,
    burst: int = DEFAULT_BURST,
    known_recipients_only: bool = False,
    groups: Collection[int] | None = None,
) -> str:
    """Store a new key and return its text, which can't be had again; without a maker it is a command's.

    With `groups`, their ids, it is limited to these.
    """
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    text = f"{PREFIX}_{lookup}_{secrets.token_urlsafe(32)}"
    made = ApiKey.objects.create(
        name=name,
        lookup=lookup,
        digest=_digest(text, key=settings.SECRET_KEY),
        scopes=sorted(scopes),
        expires_at=expires_at,
        created_by_id=created_by.pk if created_by else None,
        rate_limit=rate_limit,
        burst=burst,
        known_recipients_only=known_recipients_only,
        by_command=created_by is None,
        limited=groups is not None,
    )
    made.groups.set(groups or ())
    return text


def text_of(headers: Mapping[str, str]) -> str:
    """The key that a request carries; empty if it has none."""
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def of_request(headers: Mapping[str, str], *, now: datetime) -> Caller | None:
    """Whose live key comes with a request."""
    return check(text_of(headers), now=now)


def check(text: str, *, now: datetime) -> Caller | None:
    """Whose live key has this text; notes at most once a minute that it was used."""
    prefix, _, rest = text.partition("_")
    lookup, _, _secret = rest.partition("_")
    if prefix != PREFIX or not set(lookup) <= set(_ALPHABET):
        return None
    found = rows_of(key_by_lookup(lookup))
    if not found:
        return None
    pk, name, digest, scopes, expires_at, used_at, rate, known_only, free, active, permissions, *limited = found[0]
    if not _is_digest(digest, text=text) or (expires_at is not None and _moment(expires_at) <= now):
        return None
    wanted, within = json.loads(scopes), _within(pk) if any(limited) else EVERYBODY
    if within is None:
        return None
    if not free and not (active and grants.covers(Held(frozenset((permissions or "").split(","))), held(wanted))):
        return None
    if used_at is None or now - _moment(used_at) > _USED_EVERY:
        ApiKey.objects.filter(pk=pk).update(last_used_at=now)
    settings_ = Key(pk, rate=rate, known_recipients_only=bool(known_only) or within.is_limited)
    return Caller(origin=f"key:{pk}", name=name, scopes=frozenset(wanted), within=within, key=settings_)


def _within(pk: int) -> GroupScope | None:
    """The groups of a key that is limited, or that somebody limited made; None where it goes beyond its maker's."""
    key = ApiKey.objects.select_related("created_by").filter(pk=pk).first()
    return None if key is None or unbacked([key]) else GroupScope(held_by([key])[pk].groups)


def _moment(value: datetime) -> datetime:
    """A time as a row has it: from SQLite without its zone, which is UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _is_digest(digest: str, *, text: str) -> bool:
    """Whether the key was stored with this text, under the signing key or an earlier one."""
    known = [_digest(text, key=key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return any([hmac.compare_digest(digest, each) for each in known])  # noqa: C419 - no short cut


def _digest(text: str, *, key: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
