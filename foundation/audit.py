"""The audit trail: who changed what, before and after, with every secret masked before the two are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.http import HttpRequest
from msgspec import Struct

from foundation.models import AuditEntry

M = TypeVar("M", bound=models.Model)
MASK = "••••••"
NEW_MASK = f"{MASK} (new)"
_SECRET_NAMES = frozenset({"password", "digest"})
_LEFT_OUT = frozenset({"last_login", "date_joined"})


class Action(StrEnum):
    """What was done, in the trail's words."""

    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"
    ACTIVATE = "activate"
    TEST = "test"
    RETRY = "retry"
    FORGET = "forget"
    REVOKE = "revoke"
    PASSWORD = "password"  # noqa: S105 - the name of an action
    LOG_IN = "log in"
    LOG_IN_FAILED = "log-in failed"
    LOCK_OUT = "lock out"
    LOG_OUT = "log out"


class Actor(Struct, frozen=True):
    """Who did it: a user of the console, or what else `name` says (an API key, a command)."""

    name: str
    user: AbstractBaseUser | None = None
    address: str = ""


class _Masked(Struct, frozen=True):
    """A secret: only whether it is the same can be seen."""

    sealed: str

    def __str__(self) -> str:
        return MASK if self.sealed else ""


Snapshot = Mapping[str, Any]


def by_request(request: HttpRequest) -> Actor:
    user = request.user if isinstance(request.user, AbstractBaseUser) else None
    return Actor(
        name=user.get_username() if user else "", user=user, address=str(request.META.get("REMOTE_ADDR", ""))[:45]
    )


def snapshot(instance: models.Model) -> Snapshot:
    """The fields that people edit, as they are now; secrets can be compared, not read."""
    if instance.pk is None:
        return {}
    found: dict[str, Any] = {}
    for column in instance._meta.concrete_fields:  # noqa: SLF001 - Django's documented name for it
        if column.editable and not column.primary_key and column.name not in _LEFT_OUT:
            value = column.value_from_object(instance)
            found[column.name] = _mask(value) if _is_secret(column) else _plain(value)
    for many in instance._meta.many_to_many:  # noqa: SLF001 - as above
        found[many.name] = sorted(str(one) for one in getattr(instance, many.name).all())
    return found


@contextmanager
def change(
    actor: Actor,
    *,
    action: Action,
    instance: M,
    before: Snapshot | None = None,
    show: Callable[[M], Snapshot] = snapshot,
) -> Iterator[None]:
    """One transaction in which `instance` is added, changed or deleted, with the entry of what differs.

    `before` is its snapshot where the object was touched already (a form fills its instance while it validates).
    `show` makes the snapshots of an object that is more than its columns. What the block raises undoes both.
    """
    with transaction.atomic():
        old = show(instance) if before is None else before
        if action is Action.DELETE:  # a deleted object has no id any more
            record(actor, action=action, instance=instance, before=old)
            yield
        else:
            yield
            record(actor, action=action, instance=instance, before=old, after=show(instance))


def record(
    actor: Actor,
    *,
    action: Action,
    instance: models.Model,
    before: Snapshot | None = None,
    after: Snapshot | None = None,
    name: str = "",
) -> AuditEntry:
    """Write one entry with the fields that differ; called inside the transaction of the change itself.

    `name` says in words what was changed where it is not one object.
    """
    old, new = before or {}, after or {}
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return AuditEntry.objects.create(
        user_id=actor.user.pk if actor.user else None,
        actor=actor.name[:255],
        action=action.value,
        object_type=instance._meta.label_lower,  # noqa: SLF001 - Django's documented name for it
        object_id=str(instance.pk or ""),
        object_name=(name or str(instance))[:255],
        before={name: _shown(old[name]) for name in differing if name in old},
        after={name: _shown(new[name], new=name in old) for name in differing if name in new},
        address=actor.address,
    )


def forget(instance: models.Model, *, words: str) -> None:
    """Entries about the object keep id, time and action alone, with these words in place of its name."""
    kind = instance._meta.label_lower  # noqa: SLF001 - as above
    about = AuditEntry.objects.filter(object_type=kind, object_id=str(instance.pk))
    about.update(object_name=words, before={}, after={})


def _is_secret(column: models.Field[Any, Any]) -> bool:
    return column.name in _SECRET_NAMES or getattr(column, "is_secret", False)


def _mask(value: Any) -> _Masked:
    return _Masked(str(getattr(value, "sealed", value) or ""))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str | list | dict | None) else str(value)


def _shown(value: Any, *, new: bool = False) -> Any:
    if isinstance(value, _Masked):
        return NEW_MASK if new and value.sealed else str(value)
    return value
