"""A time budget that several steps share, so that a peer which trickles cannot stretch it."""

from __future__ import annotations

import time
from datetime import timedelta


class Deadline:
    """The moment at which a budget of time is used up, by the monotonic clock."""

    __slots__ = ("_ends",)

    def __init__(self, budget: timedelta) -> None:
        self._ends = time.monotonic() + budget.total_seconds()

    def remaining(self) -> float:
        """Seconds left, always more than zero; raises TimeoutError when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("time is up")
        return left
