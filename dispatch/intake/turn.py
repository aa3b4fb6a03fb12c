"""A turn that threads take: what is work for the interpreter, is done sooner one after the other than all together."""

from __future__ import annotations

import threading

PATIENCE = 5.0
"""Seconds that a caller waits for the turn: on SQLite each of those before may wait for its one write lock."""


class Turn:
    """A lock whose holder may let the next one go early, when what is left is not work of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def take(self) -> bool:
        """Whether it came in time; to be ended then."""
        if not self._lock.acquire(timeout=PATIENCE):
            return False
        self._holder = threading.get_ident()
        return True

    def end(self) -> None:
        """Let the next one go; nothing happens if it is not this thread's turn."""
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()


taking_in = Turn()
"""Held while many events are read and taken in; not inside a transaction."""
