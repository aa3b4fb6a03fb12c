"""Statements of our own for what every event and claim asks: compiling Django's would cost more than they do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import InterfaceError, OperationalError, connection


def read(statement: str, values: Sequence[Any] = (), *, prepare: bool = True) -> list[tuple[Any, ...]]:
    """The rows that a statement finds, which changes nothing.

    It also shows whether a connection kept from an earlier request is alive; on a dead one it is asked once more anew.
    """
    own: Any = connection  # its health check is unknown to Django's stubs
    kept = own.health_check_enabled and not own.health_check_done and not own.in_atomic_block
    own.health_check_done = True
    try:
        return rows(statement, values, prepare=prepare)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        connection.close()
        return rows(statement, values, prepare=prepare)


def rows(statement: str, values: Sequence[Any] = (), *, prepare: bool = True) -> list[tuple[Any, ...]]:
    """The rows that a statement answers, past Django's cursor, which costs as much again.

    `prepare`: it comes again, so PostgreSQL keeps it parsed and planned.
    """
    if connection.queries_logged:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            logged: list[tuple[Any, ...]] = cursor.fetchall()
            return logged
    connection.ensure_connection()
    with connection.wrap_database_errors:
        found: list[tuple[Any, ...]]
        if connection.vendor == "postgresql":
            found = _bound(statement, values, prepare=prepare)
        else:
            found = connection.connection.execute(_with_question_marks(statement), values).fetchall()
        return found


def _bound(statement: str, values: Sequence[Any], *, prepare: bool) -> list[tuple[Any, ...]]:
    import psycopg  # noqa: PLC0415 - where there is no PostgreSQL it need not be loaded

    with psycopg.Cursor(connection.connection) as cursor:
        found: list[tuple[Any, ...]] = cursor.execute(statement, values, prepare=prepare or None).fetchall()
        return found


@lru_cache(maxsize=64)
def _with_question_marks(statement: str) -> str:
    return statement.replace("%s", "?")
