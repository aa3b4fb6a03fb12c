"""Roles limited to groups of users: whoever has such a role sees those alone, whatever other roles they have.

That a role is limited is known here; which groups there are knows the room of users, and says so when it starts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Exists, OuterRef

from console.models import RoleRule

LIMITED = Exists(RoleRule.objects.filter(role__user=OuterRef("pk"), limited=True))
"""For users: whether one of their roles is limited."""


class Groups(Protocol):
    """Groups by their ids."""

    def of_roles(self, pks: Collection[int]) -> dict[int, frozenset[int]]:
        """Those of each of these roles."""

    def names(self, ids: Collection[int]) -> list[str]: ...

    def find(self, names: Collection[str]) -> dict[str, int]:
        """Those of these names that there are."""

    def store(self, role_id: int, groups: Collection[int]) -> None:
        """The role is limited to these from now on."""


_supplied: list[Groups] = []


def supply(groups: Groups) -> None:
    """Once, when the program starts."""
    _supplied[:] = [groups]


def groups() -> Groups:
    return _supplied[0]


def is_limited(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Costs nothing for the user of a request, who was read with it."""
    if not isinstance(user, User) or user.is_superuser:
        return False
    known: bool | None = getattr(user, "limited", None)
    return RoleRule.objects.filter(role__user=user.pk, limited=True).exists() if known is None else known


def of_users(pks: Collection[int]) -> dict[int, frozenset[int]]:
    """The groups of those of these users who are limited."""
    rows = RoleRule.objects.filter(role__user__in=list(pks), limited=True).values_list("role__user", "role")
    pairs = list(rows)
    found = groups().of_roles({role for _user, role in pairs}) if pairs else {}
    limited: dict[int, frozenset[int]] = {}
    for user, role in pairs:
        limited[user] = limited.get(user, frozenset()) | found[role]
    return limited


def of_roles(pks: Collection[int]) -> dict[int, frozenset[int]]:
    """The groups of those of these roles that are limited."""
    limited = set(RoleRule.objects.filter(role__in=list(pks), limited=True).values_list("role", flat=True))
    return groups().of_roles(limited) if limited else {}
