"""Shares a worker's threads among the servers, and the lanes of a server among the workers.

A slow server with many connections leaves threads to the others. The interpreter runs one thread at a time, so lanes
beyond what keeps one process busy bring nothing there: they go to another process, if there is one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

MOST = 16
"""Threads that the lanes of one server may have in a process; a worker has more (CELERY_WORKER_CONCURRENCY)."""

SATURATED = 0.75
"""The share of one core that a process uses when its threads mostly wait for each other."""
_LOOK_EVERY = 0.5  # seconds

_lock = threading.Lock()
_taken: Counter[int] = Counter()
_lanes: Counter[int] = Counter()
_turned_away: set[int] = set()
"""The servers for which a ring was not answered here since a lane of theirs went to work."""


class _Load(Struct):
    """What share of a core this process used between the last two looks, and whether a lane went since then."""

    at: float = 0.0
    spent: float = 0.0
    share: float = 0.0
    shed: bool = False

    def is_saturated(self) -> bool:
        now = time.monotonic()
        if now - self.at >= _LOOK_EVERY:
            spent = time.process_time()
            self.share, self.shed = (spent - self.spent) / (now - self.at), False
            self.at, self.spent = now, spent
        return self.share > SATURATED


_load = _Load()


@contextmanager
def of_server(server_id: int) -> Iterator[bool]:
    """Whether there is a place for one more lane of this server; it is held while the block runs."""
    with _lock:
        free = _taken[server_id] < MOST
        _taken[server_id] += free
        if not free:
            _turned_away.add(server_id)
    try:
        yield free
    finally:
        with _lock:
            _taken[server_id] -= free


def lane_taken(server_id: int) -> None:
    """A lane of the server is at work in this process."""
    with _lock:
        _lanes[server_id] += 1


def is_crowded(server_id: int) -> bool:
    """Whether one more lane of the server would bring nothing in this process; the ring for it is turned away then."""
    with _lock:
        crowded = _lanes[server_id] > 0 and _load.is_saturated()
        if crowded:
            _turned_away.add(server_id)
        return crowded


def must_shed(server_id: int) -> bool:
    """Whether a lane of the server has to end, for another process to have it; one at a time, and never the last."""
    with _lock:
        must = _lanes[server_id] > 1 and _load.is_saturated() and not _load.shed
        _load.shed = _load.shed or must
        return must


def lane_released(server_id: int) -> bool:
    """Whether it was the last of the server's at work here, and a ring was turned away meanwhile."""
    with _lock:
        _lanes[server_id] -= 1
        if _lanes[server_id] or server_id not in _turned_away:
            return False
        _turned_away.discard(server_id)
        return True
