"""Finds out whether a connection goes through a pooler, which may give each transaction another server process."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def adapt(*, connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Keep no statement and no cursor at a server process that the next transaction may not meet again.

    A prepared statement is known by its name alone, so through a transaction-mode pooler another client's statement
    of that name would run with our values. A pooler gives itself away: the process that it names when the connection
    opens is not the one that answers (PgBouncer and its like send a key of their own for cancel requests).
    """
    if connection.vendor != "postgresql":
        return
    line: Any = connection.connection
    with line.cursor() as cursor:
        process = cursor.execute("SELECT pg_backend_pid()", prepare=False).fetchone()[0]
    if process != line.info.backend_pid:
        line.prepare_threshold = None
        connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
