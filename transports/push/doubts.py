"""Whose trouble it is when a service says that a token is not good for it: the device's, or our settings'."""

from __future__ import annotations

import threading
from collections import deque

ENOUGH = 3
"""So many different devices at least, and more than a fifth of those that were answered lately."""
SHARE = 0.2
_LATELY = 50


class Doubts:
    """What the last devices of one server were answered, over all connections of this process. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[str] = deque(maxlen=_LATELY)
        self._tripped = False

    def trust(self) -> None:
        """A device's token was accepted: what tripped before is over."""
        with self._lock:
            if self._tripped:
                self._answers.clear()
            self._tripped = False
            self._answers.append("")

    def doubt(self, address: str) -> bool:
        """A token was refused; returns whether so many were that it is the server's trouble."""
        with self._lock:
            if address not in self._answers:
                self._answers.append(address)
            refused = sum(1 for answer in self._answers if answer)
            self._tripped = refused >= ENOUGH and refused > SHARE * len(self._answers)
            return self._tripped
