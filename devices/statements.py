"""Statements of our own for what every event and claim asks: compiling Django's would cost more than they do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections


def read(statement: str, values: Sequence[Any] = (), *, prepare: bool = True) -> list[tuple[Any, ...]]:
    """The rows that a statement finds, which changes nothing.

    It also shows whether a connection kept from an earlier request is alive; on a dead one it is asked once more anew.
    """
    database = _database()
    kept = database.health_check_enabled and not database.health_check_done and not database.in_atomic_block
    database.health_check_done = True
    try:
        return _rows(database, statement, values, prepare=prepare)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        database.close()
        return _rows(database, statement, values, prepare=prepare)


def rows(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows that a statement answers which may change something; none if it has no RETURNING."""
    return _rows(_database(), statement, values, prepare=True)


def _database() -> Any:
    """The connection itself: `django.db.connection` looks for it anew with each attribute."""
    return connections[DEFAULT_DB_ALIAS]


def _rows(database: Any, statement: str, values: Sequence[Any], *, prepare: bool) -> list[tuple[Any, ...]]:
    """What a statement answers, past Django's cursor, which costs as much again.

    `prepare`: it comes again, so PostgreSQL keeps it parsed and planned.
    """
    found: list[tuple[Any, ...]]
    if database.queries_logged:
        with database.cursor() as cursor:
            cursor.execute(statement, values)
            found = cursor.fetchall() if cursor.description else []
            return found
    if database.connection is None:
        database.connect()
    with database.wrap_database_errors:
        if database.vendor == "postgresql":
            found = _bound(database.connection, statement, values, prepare=prepare)
        else:
            found = database.connection.execute(_with_question_marks(statement), values).fetchall()
    return found


def _bound(line: Any, statement: str, values: Sequence[Any], *, prepare: bool) -> list[tuple[Any, ...]]:
    import psycopg  # noqa: PLC0415 - where there is no PostgreSQL it need not be loaded

    with psycopg.Cursor(line) as cursor:
        cursor.execute(statement, values, prepare=prepare or None)
        return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


@lru_cache(maxsize=64)
def _with_question_marks(statement: str) -> str:
    return statement.replace("%s", "?")
