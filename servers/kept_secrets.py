"""A stored secret goes only where and how it was stored for; with other settings it has to be typed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.secrets import Secret
from servers.models import Server


def bound(model: type[Any]) -> Mapping[str, tuple[str, ...]]:
    """By secret of this kind of server, the fields that say where and how it is sent."""
    found: Mapping[str, tuple[str, ...]] = model.bound_secrets
    return found


def moved(server: Server) -> Iterator[tuple[str, ValidationError]]:
    """A problem, by field, for each secret in use that was left as loaded while a field that it is bound to changed.

    One that is not in use now is forgotten instead, so that it can't be sent there later either.
    """
    for secret, fields in bound(type(server)).items():
        changed = [name for name in fields if _differs(server, name)] if _is_as_stored(server, secret) else []
        if changed and server.uses_secret(secret):
            labels = ", ".join(f"“{_label(server, name)}”" for name in changed)
            message = _("The stored one is for other settings; with the changed %s, type it again.") % labels
            yield secret, ValidationError(message, code="moved")
        elif changed:
            setattr(server, secret, Secret())


def uses_stored(server: Server) -> bool:
    """Whether a connection with these settings is signed in to with a secret that was not typed just now."""
    return any(server.uses_secret(secret) and _is_as_stored(server, secret) for secret in bound(type(server)))


def _is_as_stored(server: Server, secret: str) -> bool:
    before, now = server.loaded.get(secret), getattr(server, secret)
    return isinstance(before, Secret) and isinstance(now, Secret) and bool(before) and now.sealed == before.sealed


def _differs(server: Server, name: str) -> bool:
    return bool(_comparable(getattr(server, name)) != _comparable(server.loaded[name]))


def _comparable(value: Any) -> Any:
    """Texts without their kind of line ends: browsers post another one than was stored."""
    return value.splitlines() if isinstance(value, str) else value


def _label(server: Server, name: str) -> str:
    return str(server._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # noqa: SLF001 - Django's documented name


def unreadable() -> str:
    """What is said at the field of a secret whose key is lost."""
    return _("The stored secret can't be read any more: type it again.")
