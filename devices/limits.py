"""Which groups an administrator is limited to, by their roles; the console asks here for the groups of roles."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from console.accounts import limits
from console.kit.views import ConsoleView
from devices.models import Group, RoleScope
from devices.scope import EVERYBODY, GroupScope

_KEPT = "group_scope"


def of_user(user: AbstractBaseUser | AnonymousUser) -> GroupScope:
    """Kept with the user, whose object lives as long as the request; costs a query for a limited one alone."""
    if not limits.is_limited(user):
        return EVERYBODY
    known: GroupScope | None = getattr(user, _KEPT, None)
    if known is None:
        rows = RoleScope.objects.filter(role__user=user.pk, role__rule__limited=True)
        known = GroupScope(frozenset(rows.values_list("group", flat=True)))
        setattr(user, _KEPT, known)
    return known


class ScopedView(ConsoleView):
    """A page of what somebody sees of users, and of what was sent to them, within their scope."""

    @property
    def scope(self) -> GroupScope:
        return of_user(self.request.user)


class OfRoles:
    """What the console's forms of roles need; see `limits.Groups`."""

    def of_roles(self, pks: Collection[int]) -> dict[int, frozenset[int]]:
        found: dict[int, set[int]] = {pk: set() for pk in pks}
        for role, group in RoleScope.objects.filter(role__in=list(pks)).values_list("role", "group"):
            found[role].add(group)
        return {pk: frozenset(groups) for pk, groups in found.items()}

    def names(self, ids: Collection[int]) -> list[str]:
        return list(Group.objects.filter(pk__in=list(ids)).order_by("name").values_list("name", flat=True))

    def find(self, names: Collection[str]) -> dict[str, int]:
        return dict(Group.objects.filter(name__in=list(names)).values_list("name", "pk"))

    def store(self, role_id: int, groups: Collection[int]) -> None:
        RoleScope.objects.filter(role=role_id).exclude(group__in=list(groups)).delete()
        RoleScope.objects.bulk_create(
            [RoleScope(role_id=role_id, group_id=pk) for pk in sorted(groups)], ignore_conflicts=True
        )


def register() -> None:
    limits.supply(OfRoles())
