"""What keeps a database from running a statement, whoever reports it: psycopg by SQLSTATE, SQLite by its codes."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper


class Trouble(StrEnum):
    """Nothing is wrong with the statement, which may succeed later."""

    AWAY = "away"
    READ_ONLY = "read-only"
    LOCKED = "locked"
    TIMED_OUT = "timed out"
    FULL = "full"


WORDS = {
    Trouble.AWAY: "The database can't be reached now",
    Trouble.READ_ONLY: "The database takes no changes now (it is read-only)",
    Trouble.LOCKED: "The database is locked by something else",
    Trouble.TIMED_OUT: "The database took longer than it is let",
    Trouble.FULL: "The database has no space left",
}
_GIVES_UP = {Trouble.AWAY, Trouble.READ_ONLY}
"""Another connection may lead to another server."""
_STATES = {
    "25006": Trouble.READ_ONLY,
    "42501": Trouble.READ_ONLY,  # the user may not write
    "55P03": Trouble.LOCKED,
    "40P01": Trouble.LOCKED,
    "40001": Trouble.LOCKED,
    "57014": Trouble.TIMED_OUT,
    "25P03": Trouble.TIMED_OUT,
    "25P04": Trouble.TIMED_OUT,
    "3D000": Trouble.AWAY,
}
"""SQLSTATE (PostgreSQL, appendix A); of the others the class decides."""
_CLASSES = {"08": Trouble.AWAY, "28": Trouble.AWAY, "53": Trouble.FULL, "57": Trouble.AWAY, "58": Trouble.AWAY}
_TOO_MANY_CONNECTIONS = "53300"
_CODES = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Trouble.LOCKED,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: Trouble.READ_ONLY,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_CANTOPEN: Trouble.AWAY,
    sqlite3.SQLITE_IOERR: Trouble.AWAY,
    sqlite3.SQLITE_NOTADB: Trouble.AWAY,
    sqlite3.SQLITE_CORRUPT: Trouble.AWAY,
}


def of(error: BaseException | None) -> Trouble | None:
    """The trouble that this, or what it came from, tells of; None for what is nobody's but ours."""
    while error is not None:
        if isinstance(error, DatabaseError | InterfaceError) and (found := _read(error)):
            return found
        error = error.__cause__ or error.__context__
    return None


def is_everybodys(error: BaseException) -> bool:
    """Whether whoever writes would have the same: a lock may be on one row, but SQLite has one for all."""
    found = of(error)
    if found is Trouble.LOCKED:
        return connection.vendor == "sqlite"
    return found in {Trouble.READ_ONLY, Trouble.FULL} or (found is Trouble.AWAY and not connection.is_usable())


def give_up(trouble: Trouble) -> None:
    """Have no thread keep its connection, where another one may lead to a database that runs statements."""
    if trouble in _GIVES_UP:
        _kept.since += 1
        if not connection.in_atomic_block:
            connection.close()


class _Kept:
    """Connections of a number that is past are not kept."""

    since = 0


_kept = _Kept()


def note_new(*, connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """On connection_created."""
    connection.kept_since = _kept.since  # type: ignore[attr-defined]


def close_given_up(**_signal: Any) -> None:
    """On request_started."""
    kept = connection.connection is not None and not connection.in_atomic_block
    if kept and getattr(connection, "kept_since", _kept.since) != _kept.since:
        connection.close()


def _read(error: Exception) -> Trouble | None:
    cause: Any = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return _CODES.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(cause, "sqlstate", None)
    if state is None:  # it broke before the server could say anything
        return Trouble.AWAY if isinstance(error, OperationalError | InterfaceError) else None
    if state == _TOO_MANY_CONNECTIONS:
        return Trouble.AWAY
    return _STATES.get(state) or _CLASSES.get(state[:2])
