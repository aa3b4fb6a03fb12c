"""Removing a user, by what the room of the flow supplies when it starts: it removes what it holds of the person too."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from devices.models import Person
from foundation.audit import Actor


class Removal(Protocol):
    def __call__(self, person: Person, *, actor: Actor, now: datetime) -> None: ...


class _Supplied(Struct):
    removal: Removal | None = None


_supplied = _Supplied()


def supply(removal: Removal) -> None:
    _supplied.removal = removal


def remove_user(person: Person, *, actor: Actor, now: datetime) -> None:
    """Open deliveries are cancelled, those that were sent keep no word of the person, then the row goes."""
    assert _supplied.removal, "no room has supplied how a user is removed"
    _supplied.removal(person, actor=actor, now=now)
