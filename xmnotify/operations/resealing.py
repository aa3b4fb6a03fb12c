"""Encrypts everything that is sealed anew under the first key, so that an old key can be taken out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models, transaction
from msgspec import Struct

from foundation import secrets
from foundation.secrets import SealedField, Secret, SecretField, SecretUnreadableError

CHUNK = 500
"""Rows of one transaction: a fraction of a second."""


class Column(Struct, frozen=True):
    """One that holds sealed texts."""

    model: type[models.Model]
    field: models.Field[Any, Any]

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"  # noqa: SLF001 - Django's documented name


class Resealed(Struct):
    """What became of a column's secrets: those that had the first key already are in no number."""

    column: Column
    done: int = 0
    unreadable: list[str] = []


def columns() -> list[Column]:
    """Every column of the database that holds sealed texts."""
    return [
        Column(model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields  # noqa: SLF001 - as above
        if isinstance(field, SealedField | SecretField)
    ]


def everything() -> Iterator[Resealed]:
    """Column by column, in small transactions beside which everything else goes on. May be run again at any time."""
    for column in columns():
        yield _reseal(column)


def _reseal(column: Column) -> Resealed:
    result, last = Resealed(column), None
    while True:
        rows = _after(last, column=column)
        if not rows:
            return result
        with transaction.atomic():
            for pk, value in rows:
                _reseal_one(pk, value, result=result)
        last = rows[-1][0]


def _after(last: Any, *, column: Column) -> list[tuple[Any, str]]:
    name = column.field.attname
    empty = ["", *column.field.marks] if isinstance(column.field, SealedField) else [Secret()]
    rows = column.model._default_manager.exclude(**{f"{name}__in": empty}).order_by("pk")  # noqa: SLF001 - as above
    chosen = rows if last is None else rows.filter(pk__gt=last)
    found = chosen.values_list("pk", name)[:CHUNK]
    return [(pk, value.sealed if isinstance(value, Secret) else value) for pk, value in found]


def _reseal_one(pk: Any, sealed: str, *, result: Resealed) -> None:
    """A value that somebody changes meanwhile is theirs, and under the first key anyway."""
    try:
        anew = secrets.reseal(sealed)
    except SecretUnreadableError:
        result.unreadable.append(str(pk))
        return
    if anew == sealed:
        return
    column, name = result.column, result.column.field.attname
    is_text = isinstance(column.field, SealedField)
    old, new = (sealed, anew) if is_text else (Secret(sealed), Secret(anew))
    rows = column.model._default_manager.filter(pk=pk, **{name: old})  # noqa: SLF001 - as above
    result.done += rows.update(**{name: new})
