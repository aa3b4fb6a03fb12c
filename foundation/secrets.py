"""Secrets at rest: an encrypted model field, and the value that never shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from secrets import token_urlsafe
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

MASK = "••••••"


class SecretUnreadableError(Exception):
    """A stored secret was encrypted with a key that is not in XMNOTIFY_FERNET_KEYS."""


class Secret:
    """A secret text. Shows a mask everywhere; `reveal()` is the only way to its words."""

    __slots__ = ("_sealed",)

    def __init__(self, sealed: str = "") -> None:
        self._sealed = sealed

    @classmethod
    def of(cls, words: str) -> Secret:
        return cls(seal(words) if words else "")

    def reveal(self) -> str:
        """The secret itself; raises SecretUnreadableError when no key of ours opens it."""
        return unseal(self._sealed) if self._sealed else ""

    @property
    def sealed(self) -> str:
        return self._sealed

    def __bool__(self) -> bool:
        return bool(self._sealed)

    def __str__(self) -> str:
        return MASK if self._sealed else ""

    def __repr__(self) -> str:
        return f"<Secret {'set' if self._sealed else 'empty'}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or self._sealed == other._sealed:
            return isinstance(other, Secret)
        try:
            return self.reveal() == other.reveal()
        except SecretUnreadableError:
            return False

    __hash__ = None  # type: ignore[assignment]


class SecretField(models.TextField[Any, Any]):
    """Stores a Secret encrypted (Fernet); a plain string given to it is sealed first."""

    is_secret = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", Secret)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, *_: object) -> Secret:
        return Secret(value or "")

    def to_python(self, value: Secret | str | None) -> Secret:
        return value if isinstance(value, Secret) else Secret.of(value or "")

    def get_prep_value(self, value: Secret | str | None) -> str:
        return self.to_python(value).sealed

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))


class SealedField(models.TextField[str, str]):
    """Holds what `seal` makes of a text, empty, or one of `marks`; known to whoever encrypts everything anew.

    To the database and its migrations it is a text.
    """

    def __init__(self, *args: Any, marks: Sequence[str] = (), **kwargs: Any) -> None:
        self.marks = tuple(marks)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, _, arguments, named = super().deconstruct()
        return name, "django.db.models.TextField", arguments, named


def new_token() -> Secret:
    """A secret that nobody can guess, fit for an address: 192 bits in 32 characters."""
    return Secret.of(token_urlsafe(24))


def seal(words: str) -> str:
    """Encrypt with the first key."""
    return _keys(tuple(settings.XMNOTIFY_FERNET_KEYS)).encrypt(words.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt with whichever key fits; raises SecretUnreadableError."""
    try:
        return _keys(tuple(settings.XMNOTIFY_FERNET_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretUnreadableError(
            "A stored secret can't be read: its key is missing from XMNOTIFY_FERNET_KEYS. Add the old key, or enter "
            "the secret again."
        ) from None


def reseal(sealed: str) -> str:
    """The same secret under the first key: `sealed` itself where it is. Raises SecretUnreadableError."""
    try:
        Fernet(settings.XMNOTIFY_FERNET_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        return seal(unseal(sealed))
    return sealed


@lru_cache(maxsize=4)
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
