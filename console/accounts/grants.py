"""Nobody grants, makes or touches more than they hold: one rule for every form, page, command and key."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.contrib.auth.models import AbstractBaseUser, Group, Permission, User
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext as _
from msgspec import Struct

from console.accounts import limits
from foundation.audit import Actor


class Held(Struct, frozen=True):
    """Permissions by their full names, such as auth.change_user, whether their holder is active or not.

    `groups` are the ids of those whose users alone they are for; None if for all.
    """

    names: frozenset[str] = frozenset()
    everything: bool = False
    groups: frozenset[int] | None = None


EVERYTHING = Held(everything=True)


class BeyondError(ValidationError):
    """Something holds more than who would grant or touch it."""


def covers(holder: Held, other: Held) -> bool:
    """Whether `other` is no more than `holder` has."""
    return holder.everything or (not other.everything and other.names <= holder.names and _reaches(holder, other))


def _reaches(holder: Held, other: Held) -> bool:
    """Whether what `other` may do is for no users beyond those of `holder`."""
    if holder.groups is None or not other.names:
        return True
    return other.groups is not None and other.groups <= holder.groups


def require(actor: Actor, *wanted: Held) -> None:
    """Raise BeyondError unless the actor holds all that is wanted."""
    holder = of_actor(actor)
    for one in wanted:
        if not covers(holder, one):
            lacking = ", ".join(sorted(one.names - holder.names))
            lacking = lacking or (_("everything (superuser)") if one.everything else _("users of other groups"))
            raise BeyondError(_("This goes beyond what you may do yourself: %s.") % lacking, code="beyond")


def of_actor(actor: Actor) -> Held:
    """A command is given at the server itself, where everything can be done."""
    return EVERYTHING if actor.user is None else of_user(actor.user)


def of_user(user: AbstractBaseUser) -> Held:
    return of_users([user.pk])[user.pk]


def of_users(pks: Collection[int]) -> dict[int, Held]:
    """What each of these users holds, by few queries; nothing for one who is not known."""
    names: dict[int, set[str]] = {pk: set() for pk in pks}
    for source in ("user", "group__user"):
        for pk, name in _named(Permission.objects.filter(**{f"{source}__in": list(pks)}), of=source):
            if pk in names:
                names[pk].add(name)
    limited = limits.of_users(pks)
    superusers = set(User.objects.filter(pk__in=list(pks), is_superuser=True).values_list("pk", flat=True))
    return {
        pk: EVERYTHING if pk in superusers else Held(frozenset(found), groups=limited.get(pk))
        for pk, found in names.items()
    }


def of_role(role: Group) -> Held:
    return of_roles([role.pk])[role.pk]


def of_roles(pks: Collection[int]) -> dict[int, Held]:
    names: dict[int, set[str]] = {pk: set() for pk in pks}
    for pk, name in _named(Permission.objects.filter(group__in=list(pks)), of="group"):
        if pk in names:
            names[pk].add(name)
    limited = limits.of_roles(pks)
    return {pk: Held(frozenset(found), groups=limited.get(pk)) for pk, found in names.items()}


def full_name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def _named(rows: QuerySet[Permission], *, of: str) -> Iterable[tuple[int, str]]:
    name = Concat(F("content_type__app_label"), Value("."), F("codename"))
    return rows.order_by().annotate(full=name).values_list(of, "full")
