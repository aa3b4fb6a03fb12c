"""Locks by name that hold until the transaction ends, and how long a process waits for those of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zlib import crc32

from django.db import connection
from django.db.backends.signals import connection_created

from foundation.sql import dialect

_SPACE = 0x73727673


def hold(name: str) -> None:
    """Wait for the lock called `name`. SQLite's transactions, which are immediate, exclude each other anyway."""
    if dialect.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, crc32(name.encode()) - 2**31])


def wait_at_most(duration: timedelta) -> None:
    """Bound how long a statement waits for a lock, over every connection that this process opens from now on.

    Behind a pooler the setting would be another client's, too: there the server's own holds.
    """
    milliseconds = round(duration.total_seconds() * 1000)

    def bound(*, connection: Any, **_signal: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        elif not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            connection.connection.execute(f"SET lock_timeout = {milliseconds}")

    connection_created.connect(bound, weak=False, dispatch_uid="foundation.locks.wait_at_most")
