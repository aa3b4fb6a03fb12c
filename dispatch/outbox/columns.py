"""The one list of a delivery's columns is its model: statements take names and kinds from it, rows go by name.

What a struct of ours has under a column's name is written there and read from there; its `to` are three columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from django.db import models
from msgspec import Struct

from dispatch.models import Attempt, Delivery, DeliveryText, Event
from dispatch.rules.plan import Planned
from foundation.sql import dialect

_S = TypeVar("_S", bound=Struct)
_KINDS = {
    "UUIDField": "uuid",
    "DateTimeField": "time",
    "BooleanField": "bool",
    "JSONField": "json",
    "CharField": "text",
    "TextField": "text",
    "SmallIntegerField": "int",
    "PositiveIntegerField": "int",
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
}
_PARTS = {"kind": "address_kind", "address": "address", "name": "address_name"}
_PATHS = {column: f"to.{part}" for part, column in _PARTS.items()}


def of(model: type[models.Model]) -> dict[str, str]:
    """The columns of a table with their kinds (see `dialect.rows`)."""
    fields: Sequence[Any] = model._meta.concrete_fields  # noqa: SLF001 - Django documents it
    return {field.column: _KINDS[getattr(field, "target_field", field).get_internal_type()] for field in fields}


def supplied(struct: type[Struct], columns: Mapping[str, str]) -> dict[str, str]:
    """Those of the columns that a struct has."""
    return {name: kind for name, kind in columns.items() if hasattr(struct, _PATHS.get(name, name).partition(".")[0])}


def row_of(columns: Mapping[str, str]) -> Callable[[Any], tuple[Any, ...]]:
    """Makes a row of a struct that has these columns."""
    return attrgetter(*(_PATHS.get(name, name) for name in columns))


def reader(struct: type[_S], columns: Mapping[str, str]) -> Callable[[Sequence[Any]], _S]:
    """Makes a struct of a row that has these columns in their order, as either database returns them."""
    names = tuple(columns)
    times = [name for name, kind in columns.items() if kind == "time"]
    has_recipient = hasattr(struct, "to")

    def read(row: Sequence[Any]) -> _S:
        values = dict(zip(names, row, strict=True))
        for name in times:
            values[name] = values[name] and dialect.read_time(values[name])
        if has_recipient:
            values["to"] = {part: values[column] for part, column in _PARTS.items()}
        return msgspec.convert(values, struct, strict=False)

    return read


DELIVERY, EVENT, TEXT, ATTEMPT = of(Delivery), of(Event), of(DeliveryText), of(Attempt)
PLANNED = supplied(Planned, DELIVERY)
MOMENTS = {"due_at": "time", "created_at": "time"}
"""When a delivery is stored it is due and created."""


def _others() -> dict[str, Any]:
    fields: Sequence[Any] = Delivery._meta.concrete_fields  # noqa: SLF001
    return {
        field.column: field.get_default()
        for field in fields
        if not field.null and field.column not in PLANNED | MOMENTS
    }


OTHERS = _others()
"""The columns that a plan says nothing of and that must have a value, each with its default."""
