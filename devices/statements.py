"""Statements of our own for what every event and claim asks: compiling Django's would cost more than they do."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction

Rows = list[tuple[Any, ...]]


class Asked(NamedTuple):
    """A statement with its values.

    `prepare`: it comes again, so PostgreSQL keeps it parsed and planned. `binary`: PostgreSQL does not write what it
    finds as texts, which costs some microseconds for a time; a JSON column has then to be asked for as a text.
    """

    statement: str
    values: Sequence[Any] = ()
    prepare: bool = True
    binary: bool = False


_Found = TypeVar("_Found")
Reading = Generator[Asked, Rows, _Found]
"""Reads something by statements: it yields each of them, is sent its rows, and returns what it made of them."""


def read(statement: str, values: Sequence[Any] = (), *, prepare: bool = True) -> Rows:
    """The rows that a statement finds, which changes nothing.

    It also shows whether a connection kept from an earlier request is alive; on a dead one it is asked once more anew.
    """
    return _read([Asked(statement, values, prepare)])[0]


def rows(statement: str, values: Sequence[Any] = (), *, prepare: bool = True, binary: bool = False) -> Rows:
    """The rows that a statement answers which may change something; none if it has no RETURNING."""
    return _answers(_database(), [Asked(statement, values, prepare, binary)])[0]


def at_once(asked: Sequence[Asked]) -> list[Rows]:
    """What each of several statements answers, which may change something: all of them do or none.

    PostgreSQL is sent them in one round trip, whose end commits unless a transaction goes on.
    """
    database = _database()
    if database.vendor == "postgresql" and not database.queries_logged:
        return _answers(database, asked)
    with transaction.atomic():
        return _answers(database, asked)


def made(reading: Reading[_Found]) -> _Found:
    """What one reading finds."""
    found: _Found = together(reading)[0]
    return found


def together(*readings: Reading[Any]) -> list[Any]:
    """What several readings find; PostgreSQL is asked for the first of all in one round trip, and so on."""
    found: list[Any] = [None] * len(readings)
    sent: dict[int, Any] = dict.fromkeys(range(len(readings)))
    while sent:
        asked: dict[int, Asked] = {}
        for place, answer in sent.items():
            try:
                asked[place] = readings[place].send(answer)
            except StopIteration as end:
                found[place] = end.value
        sent = dict(zip(asked, _read(list(asked.values())), strict=True)) if asked else {}
    return found


def _database() -> Any:
    """The connection itself: `django.db.connection` looks for it anew with each attribute."""
    return connections[DEFAULT_DB_ALIAS]


def _read(asked: Sequence[Asked]) -> list[Rows]:
    database = _database()
    kept = database.health_check_enabled and not database.health_check_done and not database.in_atomic_block
    database.health_check_done = True
    try:
        return _answers(database, asked)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        database.close()
        return _answers(database, asked)


def _answers(database: Any, asked: Sequence[Asked]) -> list[Rows]:
    """What statements answer, past Django's cursor, which costs as much again."""
    if database.queries_logged:
        return [_logged(database, each) for each in asked]
    database.ensure_connection()
    with database.wrap_database_errors:
        if database.vendor != "postgresql":
            ask = database.connection.execute
            return [ask(_with_question_marks(each.statement), each.values).fetchall() for each in asked]
        from devices import postgresql  # noqa: PLC0415 - where there is no PostgreSQL it need not be loaded

        return postgresql.answers(database.connection, asked)


def _logged(database: Any, asked: Asked) -> Rows:
    with database.cursor() as counted:
        counted.execute(asked.statement, asked.values)
        found: Rows = counted.fetchall() if counted.description else []
        return found


@lru_cache(maxsize=256)
def _with_question_marks(statement: str) -> str:
    return statement.replace("%s", "?")
