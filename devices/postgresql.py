"""Statements through libpq itself: psycopg's cursors and their waiting cost more than most statements of ours do."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from psycopg import Connection, Cursor, OperationalError, errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from devices.statements import Asked, Rows

_MOST_PREPARED = 200
_kept = threading.local()


def answers(connection: Connection[Any], asked: Sequence[Asked]) -> list[Rows]:
    """The rows of each statement; several go to the server together and come back in one round trip.

    What several change is committed at the end of the round trip, or undone if one of them fails, unless a transaction
    goes on. None may have `%` but for its parameters.
    """
    if not connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        return [_through_cursor(connection, each) for each in asked]
    line = _line(connection)
    if len(asked) == 1:
        return [line.rows(line.answer(asked[0]))]
    return [line.rows(result) for result in line.together(asked)]


def _through_cursor(connection: Connection[Any], asked: Asked) -> Rows:
    """The first statement of a transaction, which psycopg begins with it in the way that was set."""
    with Cursor(connection) as cursor:
        cursor.execute(asked.statement, asked.values, binary=asked.binary)
        return cursor.fetchall() if cursor.description else []


def _line(connection: Connection[Any]) -> _Line:
    """What is kept for the connection of this thread."""
    kept: _Line | None = getattr(_kept, "line", None)
    if kept is None or kept.connection is not connection:
        kept = _kept.line = _Line(connection)
    return kept


class _Line:
    """A connection, its prepared statements, and what makes parameters of values and values of what comes back."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self._line: PGconn = connection.pgconn
        self._prepared: dict[str, bytes] = {}
        self._values = Transformer.from_context(connection)

    def answer(self, asked: Asked) -> PGresult:
        name, parameters = self._name(asked), self._parameters(asked)
        if name is None:
            return self._line.exec_params(_numbered(asked.statement), parameters, result_format=asked.binary)
        return self._line.exec_prepared(name, parameters, result_format=asked.binary)

    def together(self, asked: Sequence[Asked]) -> list[PGresult]:
        named = [(self._name(each), each) for each in asked]
        self._line.enter_pipeline_mode()
        try:
            for name, each in named:
                if name is None:
                    self._line.send_query_params(
                        _numbered(each.statement), self._parameters(each), result_format=each.binary
                    )
                else:
                    self._line.send_query_prepared(name, self._parameters(each), result_format=each.binary)
            self._line.pipeline_sync()
            return self._until_sync()
        finally:
            self._line.exit_pipeline_mode()

    def rows(self, result: PGresult) -> Rows:
        if result.status == ExecStatus.TUPLES_OK:
            self._values.set_pgresult(result)
            return self._values.load_rows(0, result.ntuples, tuple)
        if result.status == ExecStatus.COMMAND_OK:
            return []
        if self._line.status == ConnStatus.BAD:
            raise OperationalError("the connection is lost")
        raise errors.error_from_result(result, self._values.encoding)

    def _name(self, asked: Asked) -> bytes | None:
        """The statement's name at the server, which keeps it parsed; none behind a pooler that mixes connections."""
        if not asked.prepare or self.connection.prepare_threshold is None:
            return None
        if asked.statement not in self._prepared:
            if len(self._prepared) == _MOST_PREPARED:
                return None
            name = f"ours_{len(self._prepared)}".encode()
            self.rows(self._line.prepare(name, _numbered(asked.statement)))
            self._prepared[asked.statement] = name
        return self._prepared[asked.statement]

    def _parameters(self, asked: Asked) -> Sequence[Any]:
        return self._values.dump_sequence(asked.values, [PyFormat.TEXT] * len(asked.values))

    def _until_sync(self) -> list[PGresult]:
        """All results of a pipeline. `get_result` would wait with the GIL held, so it is called when one is there."""
        poll = select.poll()
        poll.register(self._line.socket, select.POLLIN | select.POLLOUT)
        self._wait(poll, while_=self._line.flush)
        poll.modify(self._line.socket, select.POLLIN)
        results: list[PGresult] = []
        while True:
            self._wait(poll, while_=self._line.is_busy)
            result = self._line.get_result()
            if result is None:
                if self._line.status == ConnStatus.BAD:
                    raise OperationalError("the connection is lost")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _wait(self, poll: select.poll, *, while_: Callable[[], int]) -> None:
        while while_():
            if poll.poll()[0][1] & ~select.POLLOUT:
                self._line.consume_input()


@lru_cache(maxsize=256)
def _numbered(statement: str) -> bytes:
    """With libpq's own placeholders."""
    first, *others = statement.split("%s")
    return "".join([first, *(f"${number}{rest}" for number, rest in enumerate(others, start=1))]).encode()
