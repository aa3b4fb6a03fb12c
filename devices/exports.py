"""Devices, users and their attributes as CSV, some hundreds of rows at a time.

In the original's form, which has all that is known and which an import takes back to the byte, or as a table.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import Prefetch

from devices import lines, selection
from devices.filters import Filter, digits
from devices.imports import DEVICE_COLUMNS, FORMS, USER_COLUMNS, Kind
from devices.models import Device, Group, Person
from devices.scope import GroupScope
from foundation import formulas

AT_ONCE = 1_000


class ColumnError(ValueError):
    """There is no such column; the message names those that there are."""


def original(kind: Kind, *, wanted: Filter | None, scope: GroupScope, now: datetime) -> Iterator[str]:
    """The lines of the original's form, with everything that an import takes; passwords and roles are empty."""
    for row in _rows(kind, wanted=wanted, scope=scope, now=now):
        cells = _positions(row, kind) + ([] if kind is Kind.USERS else _pairs(row, kind))
        if kind is not Kind.ATTRIBUTES or len(cells) > 1:
            yield lines.write(formulas.guarded(cell) for cell in cells)


def table(
    kind: Kind, *, columns: Sequence[str], wanted: Filter | None, scope: GroupScope, now: datetime
) -> Iterator[str]:
    """A line of names, then these columns and properties ("device.ROOM") of each; raises ColumnError immediately."""
    unknown = [name for name in columns if name not in table_columns(kind) and not _is_property(name, kind)]
    if unknown or not columns:
        known = ", ".join(table_columns(kind))
        raise ColumnError(f"There is no column {', '.join(unknown) or '-'}: give {known} or {_prefix(kind)}<name>.")
    return _table(kind, columns=columns, wanted=wanted, scope=scope, now=now)


def table_columns(kind: Kind) -> tuple[str, ...]:
    return DEVICE_COLUMNS if kind is Kind.DEVICES else ("loginname", *USER_COLUMNS, "groups")


def _table(
    kind: Kind, *, columns: Sequence[str], wanted: Filter | None, scope: GroupScope, now: datetime
) -> Iterator[str]:
    line = csv.writer(_Echo())
    yield line.writerow(columns)
    for row in _rows(kind, wanted=wanted, scope=scope, now=now):
        yield line.writerow([formulas.guarded(_cell(row, name, kind)) for name in columns])


class _Echo:
    """A file whose write returns the line."""

    def write(self, line: str) -> str:
        return line


def _rows(kind: Kind, *, wanted: Filter | None, scope: GroupScope, now: datetime) -> Iterator[Device | Person]:
    """By their ids, so that no page begins where rows that came meanwhile moved it."""
    found: Any
    if kind is Kind.DEVICES:
        found = selection.devices(wanted, scope=scope, now=now).select_related("person")
    else:
        groups = Prefetch("groups", Group.objects.within(scope).order_by("name"))
        found = selection.people(wanted, scope=scope, now=now).prefetch_related(groups)
    last, page = 0, list[Any]()
    while page := list(found.filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        yield from page
        last = page[-1].pk


def _positions(row: Device | Person, kind: Kind) -> list[str]:
    if isinstance(row, Device):
        return [row.serial, row.imei, row.platform]
    if kind is Kind.ATTRIBUTES:
        return [row.loginname]
    return [row.loginname, "", "", *(group.name for group in row.groups.all())]


def _pairs(row: Device | Person, kind: Kind) -> list[str]:
    """Names and values in turn: columns that differ from their defaults, then properties by their names."""
    columns = DEVICE_COLUMNS[3:] if isinstance(row, Device) else USER_COLUMNS
    found = [(name, _cell(row, name, kind)) for name in columns if _is_written(row, name)]
    form = FORMS[kind]
    found += [(lines.property_cell(name, form), _text(row.properties[name])) for name in sorted(row.properties)]
    return [cell for pair in found for cell in pair]


def _is_written(row: Device | Person, name: str) -> bool:
    if name == "user":
        return isinstance(row, Device) and row.person_id is not None
    return bool(getattr(row, name) != row._meta.get_field(name).get_default())  # type: ignore[union-attr]  # noqa: SLF001


def _cell(row: Device | Person, name: str, kind: Kind) -> str:
    if _is_property(name, kind):
        return _text(row.properties.get(name.removeprefix(_prefix(kind))))
    if isinstance(row, Person) and name == "groups":
        return lines.join(group.name for group in row.groups.all())
    if isinstance(row, Device) and name == "user":
        return row.person.loginname if row.person else ""
    return _text(getattr(row, name))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return digits(value) if isinstance(value, (int, float)) else str(value)


def _is_property(name: str, kind: Kind) -> bool:
    return name.startswith(_prefix(kind))


def _prefix(kind: Kind) -> str:
    return FORMS[kind].properties
