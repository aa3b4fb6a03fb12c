"""Statements of our own on PostgreSQL, through psycopg's cursors and pipeline.

Django's cursor puts the values into the text of a statement and looks at each call; these leave parsing and planning
to the server, which keeps it, and send several statements in one round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from psycopg import Connection, Cursor

from foundation.sql.statements import Rows, Statement


def pipelines(connection: Connection[Any]) -> bool:
    """Whether several statements go in one round trip: not through a pooler, where nothing is prepared either.

    PgBouncer (seen with 1.18) now and then ends the connection of a client that sends ahead, while it gives the server
    process to another.
    """
    return connection.prepare_threshold is not None


def run(connection: Connection[Any], statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each statement; several go to the server together where the connection `pipelines`.

    What several change is then committed at the end of the round trip, or undone if one of them fails, unless a
    transaction goes on.
    """
    cursors = [Cursor(connection) for _ in statements]
    with connection.pipeline() if len(statements) > 1 and pipelines(connection) else nullcontext():
        for cursor, each in zip(cursors, statements, strict=True):
            cursor.execute(each.text, each.values, prepare=each.prepare, binary=each.binary)
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
