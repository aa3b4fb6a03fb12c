"""Shares a worker's threads among the servers, so that a slow one with many connections leaves some to the others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 16
"""Threads that the lanes of one server may have in a process; a worker has more (CELERY_WORKER_CONCURRENCY)."""

_lock = threading.Lock()
_taken: Counter[int] = Counter()
_lanes: Counter[int] = Counter()


@contextmanager
def of_server(server_id: int) -> Iterator[bool]:
    """Whether there is a place for one more lane of this server; it is held while the block runs."""
    with _lock:
        free = _taken[server_id] < MOST
        _taken[server_id] += free
    try:
        yield free
    finally:
        with _lock:
            _taken[server_id] -= free


def lane_taken(server_id: int) -> None:
    """A lane of the server is at work in this process."""
    with _lock:
        _lanes[server_id] += 1


def lane_released(server_id: int) -> bool:
    """Whether it was the last of the server's that was at work here."""
    with _lock:
        _lanes[server_id] -= 1
        return not _lanes[server_id]
