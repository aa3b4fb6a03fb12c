"""Fingerprints of what must not be stored: equal for equal words, and no help to whoever would guess them."""

from __future__ import annotations

import hmac
import logging
import secrets
from functools import cache

from foundation.models import StoredKey
from foundation.secrets import SecretUnreadableError

logger = logging.getLogger(__name__)
_NAME = "fingerprints"
_BYTES = 32


def fingerprint(words: bytes) -> str:
    """HMAC-SHA256 in hexadecimal, under a key that is kept, encrypted, for nothing else."""
    return hmac.new(_key(), words, "sha256").hexdigest()


@cache
def _key() -> bytes:
    """The stored one; it is made at its first use, and anew when no key of ours opens it any more."""
    fresh = secrets.token_hex(_BYTES)
    stored, _ = StoredKey.objects.get_or_create(name=_NAME, defaults={"value": fresh})
    stored.refresh_from_db()
    try:
        return bytes.fromhex(stored.value.reveal())
    except SecretUnreadableError:
        logger.warning("fingerprints.key_replaced")
        StoredKey.objects.filter(name=_NAME, value=stored.value).update(value=fresh)
        stored.refresh_from_db()
        return bytes.fromhex(stored.value.reveal())


def forget() -> None:
    """Read the key again at its next use."""
    _key.cache_clear()
