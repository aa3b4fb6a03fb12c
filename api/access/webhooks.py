"""Signed posts by Standard Webhooks (standardwebhooks.com): made, and their signatures checked in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from api.kit.callers import ApiScope, Caller
from api.kit.problems import ProblemError
from api.models import Webhook
from devices.scope import EVERYBODY
from foundation.secrets import Secret, SecretUnreadableError

TOLERANCE = timedelta(minutes=5)
"""How far a signature's time may be from ours, either way."""
_PREFIX = "whsec_"
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,250}")
"""Room is left for an event's place in its batch: both together are its idempotency key."""
_MOST_SIGNATURES = 20
_UNREADABLE_SECONDS = 300
"""After which a sender may try again whether the key of its secret is back."""

logger = logging.getLogger(__name__)


def create(name: str, *, scopes: Collection[ApiScope]) -> str:
    """Store a new webhook and return its secret, which can't be had again."""
    secret = _new_secret()
    Webhook.objects.create(name=name, secret=secret, scopes=sorted(scopes))
    return secret


def rotate(webhook: Webhook) -> str:
    """Give it a new secret and return that; the one before stays live if it can be read, an older one does not."""
    secret, before = _new_secret(), webhook.secret
    is_lost = _revealed(before, webhook=webhook) is None
    webhook.previous_secret, webhook.secret = Secret() if is_lost else before, Secret.of(secret)
    webhook.save(update_fields=["secret", "previous_secret"])
    return secret


def is_signed(headers: Mapping[str, str]) -> bool:
    return _SIGNATURE in headers


def message_id(headers: Mapping[str, str]) -> str:
    """The id by which a repeated post is known; empty for a post that is not signed."""
    return headers.get(_ID, "") if is_signed(headers) else ""


def check(headers: Mapping[str, str], body: bytes, *, now: datetime) -> Caller:
    """Which webhook signed exactly this body, id and time; raises 401, and 503 where a key is missing to tell."""
    given_id, given_time = headers.get(_ID, ""), headers.get(_TIMESTAMP, "")
    if not _PRINTABLE.fullmatch(given_id):
        raise _refused("webhook-id has 1 to 250 printable characters")
    if not _is_recent(given_time, now=now):
        raise _refused("webhook-timestamp is no time in seconds, or more than 5 minutes from ours")
    signed = f"{given_id}.{given_time}.".encode() + body
    given = _signatures(headers.get(_SIGNATURE, ""))
    lost = False
    for webhook in Webhook.objects.filter(active=True):
        live = _live_secrets(webhook)
        lost = lost or None in live
        wanted = [_sign(secret, signed) for secret in live if secret is not None]
        if any([hmac.compare_digest(one, other) for one in wanted for other in given]):  # noqa: C419 - no short cut
            return Caller(
                origin=f"hook:{webhook.pk}", name=webhook.name, scopes=frozenset(webhook.scopes), within=EVERYBODY
            )
    if lost:
        detail = "The signature can't be checked: a secret that may be its own can't be read. Send this again later."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=_UNREADABLE_SECONDS)
    raise _refused("no webhook of ours has signed this")


def _live_secrets(webhook: Webhook) -> list[str | None]:
    """None for one that no key of ours opens; that shuts out the senders that signed with it, and nobody else."""
    return [_revealed(secret, webhook=webhook) for secret in (webhook.secret, webhook.previous_secret) if secret]


def _revealed(secret: Secret, *, webhook: Webhook) -> str | None:
    try:
        return secret.reveal()
    except SecretUnreadableError:
        logger.warning("webhook.secret_unreadable webhook=%s", webhook.pk)
        return None


def _is_recent(seconds: str, *, now: datetime) -> bool:
    if not re.fullmatch(r"[0-9]{1,12}", seconds):
        return False
    return abs(now.timestamp() - int(seconds)) <= TOLERANCE.total_seconds()


def _signatures(header: str) -> list[bytes]:
    """Those of version 1, HMAC-SHA256; others are passed over."""
    found = []
    for word in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, text = word.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _sign(secret: str, signed: bytes) -> bytes:
    return hmac.new(base64.b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256).digest()


def _new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _refused(why: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, f"The signature was not accepted: {why}.")
