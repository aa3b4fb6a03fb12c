"""A turn that threads take: what is work for the interpreter, one does sooner after the other than all at once."""

from __future__ import annotations

import threading


class Turn:
    """A lock whose holder may let the next one go early, when what is left is not work of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def __enter__(self) -> None:
        self._lock.acquire()
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
