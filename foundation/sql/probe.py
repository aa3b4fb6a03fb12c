"""Whether rows could be stored now, and if not, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection, transaction

from foundation.sql import trouble
from foundation.sql.trouble import Trouble

_LOCK_SECONDS, _SECONDS = 1, 3


def trouble_with(tables: Sequence[str]) -> Trouble | None:
    """By trying: a row that is none is inserted into each, which takes the locks and rights that one would."""
    try:
        with _impatiently(), transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    [f"{_LOCK_SECONDS}s", f"{_SECONDS}s"],
                )
            for table in map(connection.ops.quote_name, tables):
                cursor.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0")  # noqa: S608 - names of ours, quoted
            transaction.set_rollback(True)
    except (DatabaseError, InterfaceError) as error:
        found = trouble.of(error)
        if found is None:
            raise
        trouble.give_up(found)
        return found
    return None


@contextmanager
def _impatiently() -> Iterator[None]:
    """SQLite waits for its lock at the very beginning of a transaction."""
    if connection.vendor != "sqlite":
        yield
        return
    _wait_at_most(_LOCK_SECONDS)
    try:
        yield
    finally:
        _wait_at_most(connection.settings_dict["OPTIONS"].get("timeout", _SECONDS))


def _wait_at_most(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
