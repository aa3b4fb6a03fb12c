"""Shares a worker's threads among the servers, and the lanes of a server among the workers.

A slow server with many connections leaves threads to the others. The interpreter runs one thread at a time, so the
lanes of a server are spread over the processes: each takes its share of them at most.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct, field

MOST = 16
"""Threads that the lanes of one server may have in a process; a worker has more (CELERY_WORKER_CONCURRENCY)."""


class _Places(Struct):
    """Lanes at work in this process by server. `turned_away` are the servers for which a wake-up was not followed here
    since a lane of theirs went to work. Whoever reads or changes them holds the lock.
    """

    taken: Counter[int] = field(default_factory=Counter)
    turned_away: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


_places = _Places()


class Place:
    """Room for one lane of a server in this process."""

    def __init__(self, server_id: int) -> None:
        self._server_id = server_id
        self._given_up = False

    def leave(self) -> None:
        """It is free from here on; once is enough."""
        with _places.lock:
            _places.taken[self._server_id] -= not self._given_up
            self._given_up = True

    def is_beyond(self, share: int) -> bool:
        """Whether this process has more lanes of the server than its share; this one is not counted any more then."""
        with _places.lock:
            beyond = _places.taken[self._server_id] > share
            _places.taken[self._server_id] -= beyond
            self._given_up = beyond
            if beyond:
                _places.turned_away.add(self._server_id)
            return beyond

    def was_last(self) -> bool:
        """To be called by a lane that has ended: whether no other is at work, and a wake-up was turned away."""
        self.leave()
        with _places.lock:
            if _places.taken[self._server_id] or self._server_id not in _places.turned_away:
                return False
            _places.turned_away.discard(self._server_id)
            return True


def share(lanes: int, *, workers: int) -> int:
    """How many of a server's lanes one of so many processes takes."""
    return min(MOST, -(-lanes // workers))


@contextmanager
def of_server(server_id: int) -> Iterator[Place | None]:
    """A place for one more lane of this server, held while the block runs; None where there is no thread for it."""
    with _places.lock:
        free = _places.taken[server_id] < MOST
        _places.taken[server_id] += free
        if not free:
            _places.turned_away.add(server_id)
    place = Place(server_id) if free else None
    try:
        yield place
    finally:
        if place:
            place.leave()
