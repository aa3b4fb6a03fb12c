"""Wakes a worker for one server. The rows are the truth: a wake-up that is lost delays, and the sweep makes it good."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from msgspec import Struct, field

from dispatch.wakeup.publisher import publish

DRAIN_TASK = "dispatch.drain_server"
PLAN_TASK = "dispatch.plan_broadcast"
DRAIN_QUEUE = "drain"
_SHORTEST, _LONGEST = 0.005, 0.05
"""Seconds in which wake-ups for one server become one; a window doubles while there are several in each."""


class _Server(Struct):
    """The last wake-up of one server and the window after it; `held` are those that came within it."""

    at: float
    length: float
    held: int = 0

    @property
    def end(self) -> float:
        return self.at + self.length


class Windows(Struct):
    """When to wake whom. Times are seconds of a monotonic clock.

    A drain that is woken takes what was stored until it looks, so those that come right after a wake-up wait for the
    end of a short window and become one. A mail that comes alone, one after the other too, so waits 5 ms at most;
    a flood costs few wake-ups, for its windows grow.
    """

    _servers: dict[int, _Server] = field(default_factory=dict)

    def ask(self, server_id: int, *, now: float) -> bool:
        """Whether to wake now; else a wake-up is due at the end of the window."""
        server = self._servers.get(server_id)
        if server is None or (server.end <= now and not server.held):
            self._servers[server_id] = _Server(now, _SHORTEST)
            return True
        server.held += 1
        return False

    def next_at(self) -> float | None:
        """When the next wake-up is due."""
        return min((server.end for server in self._servers.values() if server.held), default=None)

    def ripe(self, *, now: float) -> list[int]:
        """The servers to wake now; each begins another window, a longer one if several were held."""
        found = [server_id for server_id, server in self._servers.items() if server.held and server.end <= now]
        for server_id in found:
            before = self._servers[server_id]
            length = min(_LONGEST, before.length * 2) if before.held > 1 else _SHORTEST
            self._servers[server_id] = _Server(now, length)
        return found


class _Waker:
    """Wakes now, or at the end of a window; in one thread: starting one each time costs a busy process milliseconds."""

    def __init__(self) -> None:
        self._windows = Windows()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def is_to_wake(self, server_id: int) -> bool:
        """Whether to wake now; else it is woken later."""
        with self._changed:
            now = self._windows.ask(server_id, now=time.monotonic())
            if not now:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="wake-up", daemon=True)
                    self._thread.start()
                self._changed.notify()
            return now

    def _run(self) -> None:
        while True:
            with self._changed:
                at, now = self._windows.next_at(), time.monotonic()
                if at is None or at > now:
                    self._changed.wait(None if at is None else at - now)
                    continue
                ripe = self._windows.ripe(now=now)
            for server_id in ripe:
                publish(DRAIN_TASK, queue=DRAIN_QUEUE, server_id=server_id)


_waker = _Waker()


def wake(server_id: int) -> None:
    """Ask for a drain of this server, now or in a moment."""
    if _waker.is_to_wake(server_id):
        publish(DRAIN_TASK, queue=DRAIN_QUEUE, server_id=server_id)


def wake_more(server_id: int, *, lanes: int) -> None:
    """Ask for that many more drains of this server immediately."""
    for _ in range(lanes):
        publish(DRAIN_TASK, queue=DRAIN_QUEUE, server_id=server_id)


def wake_planner(broadcast_id: UUID) -> None:
    """Ask for a broadcast to be planned."""
    publish(PLAN_TASK, queue=DRAIN_QUEUE, broadcast_id=str(broadcast_id))
