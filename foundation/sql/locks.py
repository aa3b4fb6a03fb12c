"""Locks by name that hold until the transaction ends, for rules that span rows which may not exist yet."""

from __future__ import annotations

from zlib import crc32

from django.db import connection

from foundation.sql import dialect

_SPACE = 0x73727673


def hold(name: str) -> None:
    """Wait for the lock called `name`. SQLite's transactions, which are immediate, exclude each other anyway."""
    if dialect.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, crc32(name.encode()) - 2**31])
