"""A turn that threads take: what is work for the interpreter, one does sooner after the other than all at once."""

from __future__ import annotations

import threading

PATIENCE = 5.0
"""Seconds that a caller waits for the turn."""


class LateError(Exception):
    """The turn did not come in time; nothing was done."""


class Turn:
    """A lock whose holder may let the next one go early, when what is left is not work of its own.

    To enter raises LateError where those before take too long: on SQLite each of them may wait for its one write lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=PATIENCE):
            raise LateError
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the next one go; nothing happens if it is not this thread's turn."""
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()


taking_in = Turn()
"""To be held while many events are read and taken in; not inside a transaction."""
