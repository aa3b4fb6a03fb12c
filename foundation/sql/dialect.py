"""What differs between PostgreSQL and SQLite in statements of our own: rows as JSON, ids, times, locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from foundation.sql.statements import Statement

_JSON_TYPES = {
    "uuid": "uuid",
    "time": "timestamptz",
    "int": "integer",
    "bigint": "bigint",
    "text": "text",
    "bool": "boolean",
    "json": "jsonb",
}

SORTING = ("enable_sort", "jit")
"""So that rows are read in the order of an index. After a large load PostgreSQL's statistics still say that nothing is
due, and it would as soon read and sort all that is; `jit` since the sorts that are left look expensive enough to
compile."""
READING_WHOLE = ("enable_seqscan",)
"""So that rows are looked for by their keys: PostgreSQL would as soon read a table of 50,000 whole for 200 of them."""
WAITING_FOR_DISK = ("synchronous_commit",)
"""Where the loss of what is changed in a crash of the database costs nothing."""


@cache
def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def mail_address(column: str) -> str:
    """A mail address in ASCII with its domain in lower case, as it is sent (see transports.addresses.mail_address)."""
    at = f"{'strpos' if is_postgresql() else 'instr'}({column}, '@')"
    return f"substr({column}, 1, {at}) || lower(substr({column}, {at} + 1))"


def joined(column: str) -> str:
    """The texts of all rows with commas between them, as one."""
    return f"string_agg({column}, ',')" if is_postgresql() else f"group_concat({column}, ',')"


def skip_locked() -> str:
    """Rows that another worker holds are passed over; SQLite holds its one write lock from the start instead."""
    return "FOR UPDATE SKIP LOCKED" if is_postgresql() else ""


def checked_last(column: str) -> str:
    """A column by whose index rows are not to be found, since they are joined by their ids to rows that are supplied.

    SQLite would read all supplied rows out of their JSON anew for each that the index finds; PostgreSQL does that once.
    """
    return column if is_postgresql() else f"+{column}"


def without(*settings: str) -> list[Statement]:
    """Goes before statements of one round trip: PostgreSQL does without this for them."""
    if not is_postgresql():
        return []
    off = ", ".join(f"set_config('{name}', 'off', true)" for name in settings)
    return [Statement(f"SELECT {off}")]


def time(value: datetime | None) -> Any:
    """A time as a parameter, on SQLite in the very form that Django writes, since texts are compared."""
    if value is None or is_postgresql():
        return value
    return _sqlite_time(value)


def uid(value: UUID | None) -> Any:
    """An id as a parameter."""
    return value if value is None or is_postgresql() else value.hex


def literal(value: object) -> str:
    """A constant of our own as it is written into a statement."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'{}'".format(str(value).replace("'", "''").replace("%", "%%"))


def read_time(value: Any) -> datetime:
    """A time as a row has it."""
    read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def read_uid(value: Any) -> UUID:
    """An id as a row has it."""
    return value if isinstance(value, UUID) else UUID(value)


def read_json(value: Any) -> Any:
    """A JSON column as a row has it."""
    return msgspec.json.decode(value) if isinstance(value, str) else value


def rows(columns: Mapping[str, str], *, name: str = "x") -> str:
    """A table expression over one JSON parameter (see `pack`); `columns` maps each name to uuid, time, int, ..."""
    if is_postgresql():
        typed = ", ".join(f"{column} {_JSON_TYPES[kind]}" for column, kind in columns.items())
        return f"json_to_recordset(%s::json) AS {name}({typed})"
    picked = ", ".join(f"value ->> {position} AS {column}" for position, column in enumerate(columns))
    return f"(SELECT {picked} FROM json_each(%s)) AS {name}"  # noqa: S608 - column names of our own


def pack(columns: Mapping[str, str], values: Sequence[Sequence[Any]]) -> str:
    """The parameter for `rows`: each value row in the order of `columns`."""
    if is_postgresql():
        names = tuple(columns)
        return msgspec.json.encode([dict(zip(names, row, strict=True)) for row in values]).decode()
    return msgspec.json.encode(list(_as(_SQLITE, columns, values))).decode()


def table(columns: Mapping[str, str], values: Sequence[Sequence[Any]], *, name: str = "x") -> tuple[str, list[Any]]:
    """A table expression over value rows, each in the order of `columns`, and its parameters.

    Only the first column and what differs from row to row goes as JSON: reading a value out of it costs
    PostgreSQL more than a microsecond, and most rows of a group are alike but for a few.
    """
    by_column = dict(zip(columns, zip(*values, strict=True), strict=True))
    first = next(iter(columns))
    many = {key: kind for key, kind in columns.items() if key == first or not _all_same(kind, by_column[key])}
    packed = pack(many, list(zip(*(by_column[key] for key in many), strict=True)))
    constants = [value_of(columns[key], by_column[key][0]) for key in columns if key not in many]
    return _source(tuple(columns.items()), tuple(many), name), [*constants, packed]


@lru_cache(maxsize=1024)
def _source(columns: tuple[tuple[str, str], ...], many: tuple[str, ...], name: str) -> str:
    """The expression of `table` whose columns `many` go as JSON."""
    supplied = rows({key: kind for key, kind in columns if key in many}, name="many")
    picked = ", ".join(f"many.{key}" if key in many else f"{_constant(kind)} AS {key}" for key, kind in columns)
    return f"(SELECT {picked} FROM {supplied}) AS {name}"  # noqa: S608 - column names of our own


def _all_same(kind: str, values: Sequence[Any]) -> bool:
    """JSON is compared as it is written: in Python 1 is true."""
    compared = [_json(value) for value in values] if kind == "json" else values
    return compared.count(compared[0]) == len(compared)


def _constant(kind: str) -> str:
    return f"%s::{_JSON_TYPES[kind]}" if is_postgresql() else "%s"


def value_of(kind: str, value: Any) -> Any:
    """A value as a parameter of its own."""
    if is_postgresql():
        return _json(value) if kind == "json" else value
    convert = _SQLITE.get(kind)
    return value if convert is None or value is None else convert(value)


def copy(table: str, columns: Mapping[str, str], values: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each in the order of `columns`, by PostgreSQL's COPY."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as into:
        into.set_types(["text" if kind == "json" else _JSON_TYPES[kind] for kind in columns.values()])
        for row in _as(_COPIED, columns, values):
            into.write_row(row)


def _as(
    forms: Mapping[str, Callable[[Any], Any]], columns: Mapping[str, str], values: Sequence[Sequence[Any]]
) -> Iterator[list[Any]]:
    """The rows with each value in the form that its kind has there."""
    changed = [(place, forms[kind]) for place, kind in enumerate(columns.values()) if kind in forms]
    for row in values:
        formed = list(row)
        for place, form in changed:
            if formed[place] is not None:
                formed[place] = form(formed[place])
        yield formed


def ids(values: Sequence[UUID]) -> Any:
    """A list of ids as one parameter for `in_ids`."""
    return list(values) if is_postgresql() else msgspec.json.encode([value.hex for value in values]).decode()


def numbers(values: Sequence[int]) -> Any:
    """A list of numbers as one parameter for `in_ids`."""
    return list(values) if is_postgresql() else msgspec.json.encode(values).decode()


def in_ids(column: str) -> str:
    """`column` is among the ids of one parameter."""
    return f"{column} = ANY(%s)" if is_postgresql() else f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608


@lru_cache(maxsize=1024)
def _sqlite_time(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_COPIED: dict[str, Callable[[Any], Any]] = {"json": _json}
"""How a value of a kind goes into COPY; the other kinds psycopg knows."""
_SQLITE: dict[str, Callable[[Any], Any]] = {
    "uuid": attrgetter("hex"),
    "time": _sqlite_time,
    "bool": int,
    "json": _json,
}
"""How a value of a kind goes into the JSON parameter; the other kinds go as they are."""
