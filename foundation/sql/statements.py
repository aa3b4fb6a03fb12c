"""Statements of our own for what every event and claim needs: compiling Django's would cost more than they do."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction

Rows = list[tuple[Any, ...]]


class Statement(NamedTuple):
    """A statement with its values, in psycopg's form: `%s` for a value, `%%` for a percent sign.

    `prepare`: it comes again, so PostgreSQL keeps it parsed and planned. `binary`: PostgreSQL does not write its rows
    as texts, which costs some microseconds for a time; a JSON column is then selected as a text.
    """

    text: str
    values: Sequence[Any] = ()
    prepare: bool = True
    binary: bool = False


_Found = TypeVar("_Found")
Query = Generator[Statement, Rows, _Found]
"""Reads something by statements: it yields each of them, is sent its rows, and returns what it made of them."""


def read(text: str, values: Sequence[Any] = (), *, prepare: bool = True) -> Rows:
    """The rows of a statement that changes nothing.

    It also shows whether a connection kept from an earlier request is alive; on a dead one it runs again on a new one.
    """
    return _read([Statement(text, values, prepare)])[0]


def rows_of(statement: Statement) -> Rows:
    """The same for a statement that stands elsewhere."""
    return _read([statement])[0]


def run(text: str, values: Sequence[Any] = (), *, prepare: bool = True, binary: bool = False) -> Rows:
    """The rows of a statement that may change something; none if it has no RETURNING."""
    return _run(_database(), [Statement(text, values, prepare, binary)])[0]


def in_one_round_trip(statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each of several statements that may change something: all of them do or none.

    PostgreSQL is sent them in one round trip, whose end commits unless a transaction goes on; through a pooler they go
    one after the other in a transaction, as to SQLite.
    """
    database = _database()
    if _pipelines(database):
        return _run(database, statements)
    with transaction.atomic():
        return _run(database, statements)


def result_of(query: Query[_Found]) -> _Found:
    """What one query finds."""
    found: _Found = results_of(query)[0]
    return found


def results_of(*queries: Query[Any]) -> list[Any]:
    """What several queries find; PostgreSQL gets the first statement of all in one round trip, and so on."""
    found: list[Any] = [None] * len(queries)
    rows: dict[int, Any] = dict.fromkeys(range(len(queries)))
    while rows:
        statements: dict[int, Statement] = {}
        for place, sent in rows.items():
            try:
                statements[place] = queries[place].send(sent)
            except StopIteration as end:
                found[place] = end.value
        rows = dict(zip(statements, _read(list(statements.values())), strict=True)) if statements else {}
    return found


def drop_connection() -> None:
    """Let the next statement of this thread open a connection; one with a transaction is its owner's to close."""
    database = _database()
    if not database.in_atomic_block:
        database.close()


def _pipelines(database: Any) -> bool:
    if database.vendor != "postgresql" or database.queries_logged:
        return False
    database.ensure_connection()
    from foundation.sql import postgresql  # noqa: PLC0415 - where there is no PostgreSQL it need not be loaded

    return postgresql.pipelines(database.connection)


def _database() -> Any:
    """The connection itself: `django.db.connection` looks for it anew with each attribute."""
    return connections[DEFAULT_DB_ALIAS]


def _read(statements: Sequence[Statement]) -> list[Rows]:
    database = _database()
    kept = database.health_check_enabled and not database.health_check_done and not database.in_atomic_block
    database.health_check_done = True
    try:
        return _run(database, statements)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        database.close()
        return _run(database, statements)


def _run(database: Any, statements: Sequence[Statement]) -> list[Rows]:
    """The rows of statements, past Django's cursor, which costs as much again."""
    if database.queries_logged:
        return [_logged(database, each) for each in statements]
    database.ensure_connection()
    with database.wrap_database_errors:
        if database.vendor != "postgresql":
            execute = database.connection.execute
            return [execute(_with_question_marks(each.text), each.values).fetchall() for each in statements]
        from foundation.sql import postgresql  # noqa: PLC0415 - where there is no PostgreSQL it need not be loaded

        return postgresql.run(database.connection, statements)


def _logged(database: Any, statement: Statement) -> Rows:
    with database.cursor() as counted:
        counted.execute(statement.text, statement.values)
        found: Rows = counted.fetchall() if counted.description else []
        return found


@lru_cache(maxsize=256)
def _with_question_marks(text: str) -> str:
    return text.replace("%s", "?").replace("%%", "%")
