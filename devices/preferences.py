"""What administrators keep of the lists of devices and users: filters, own and shared, and the columns they chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from devices.models import Group, ListColumns, SavedFilter
from devices.scope import GroupScope
from foundation import audit
from foundation.audit import Action, Actor

MOST_FILTERS = 100


def filters_for(owner: Any, *, page: str, scope: GroupScope) -> list[SavedFilter]:
    """One's own and the shared ones; not those of others that name a group that one does not see."""
    found = SavedFilter.objects.filter(Q(owner=owner.pk) | Q(shared=True), page=page).select_related("owner")
    if not scope.is_limited:
        return list(found)
    seen = {"", *Group.objects.within(scope).values_list("name", flat=True)}
    return [row for row in found if row.owner_id == owner.pk or QueryDict(row.query).get("group", "") in seen]


def own_filters(owner: Any, *, page: str) -> QuerySet[SavedFilter]:
    return SavedFilter.objects.filter(owner=owner.pk, page=page)


def save_filter(row: SavedFilter, *, actor: Actor) -> None:
    """Raises ValidationError where the owner has one of this name, or too many."""
    if own_filters(row.owner, page=row.page).count() >= MOST_FILTERS:
        raise ValidationError(_("You have %d filters already: delete one first.") % MOST_FILTERS)
    try:
        with transaction.atomic(), audit.change(actor, action=Action.ADD, instance=row):
            row.save(force_insert=True)
    except IntegrityError:
        raise ValidationError({"name": _("You have a filter of this name already.")}) from None


def remove_filter(row: SavedFilter, *, actor: Actor) -> None:
    with audit.change(actor, action=Action.DELETE, instance=row):
        row.delete()


def columns_of(owner: Any, *, page: str) -> list[str] | None:
    """None for who has not chosen any."""
    found: list[str] | None = (
        ListColumns.objects.filter(owner=owner.pk, page=page).values_list("names", flat=True).first()
    )
    return found


def choose_columns(owner: AbstractBaseUser, names: Sequence[str], *, page: str) -> None:
    """Without any the list has its usual ones again."""
    if names:
        ListColumns.objects.update_or_create(owner_id=owner.pk, page=page, defaults={"names": list(names)})
    else:
        ListColumns.objects.filter(owner=owner.pk, page=page).delete()
