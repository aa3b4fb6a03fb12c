"""Wakes a worker for one server. The rows are the truth: a lost ring delays, the sweep finds them."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from kombu.exceptions import OperationalError
from msgspec import Struct, field

from dispatch.line import Line

DRAIN_TASK = "dispatch.drain_server"
PLAN_TASK = "dispatch.plan_broadcast"
DRAIN_QUEUE = "drain"
_SHORTEST, _LONGEST = 0.005, 0.05
"""Seconds in which rings for one server become one: the first when it was quiet, and more with every busy window."""
_REST = 5.0  # seconds without a ring after one failed, so that a dead broker does not slow every POST

logger = logging.getLogger(__name__)


class Windows(Struct):
    """When to ring for which server. Times are seconds of a monotonic clock; `due` are the rings to come."""

    due: dict[int, float] = field(default_factory=dict)
    _last: dict[int, float] = field(default_factory=dict)
    _lengths: dict[int, float] = field(default_factory=dict)

    def ask(self, server_id: int, *, now: float) -> bool:
        """Whether to ring at once, as when it was quiet; else a ring is due from now on, at the end of the window.

        So a mail that comes alone need not wait, and a flood costs few rings.
        """
        length = self._lengths.get(server_id, _SHORTEST)
        end = self._last.get(server_id, now - length) + length
        if end > now:
            self.due[server_id] = end
            self._lengths[server_id] = min(_LONGEST, length * 2)
            return False
        self._lengths[server_id] = _SHORTEST
        self._last[server_id] = now
        return True

    def ripe(self, *, now: float) -> list[int]:
        """The servers to ring for now, no longer due."""
        found = [server_id for server_id, at in self.due.items() if at <= now]
        for server_id in found:
            del self.due[server_id]
            self._last[server_id] = now
        return found


_windows = Windows()
_changed = threading.Condition()
_ringer: threading.Thread | None = None
_calling = threading.Lock()
_line: Line | None = None
_dead_until = 0.0
failures = 0


def call(server_id: int, *, lanes: int) -> None:
    """Ask for that many more drains of this server at once."""
    for _ in range(lanes):
        _publish(DRAIN_TASK, server_id=server_id)


def ring(server_id: int) -> None:
    """Ask for a drain of this server, now or in a moment."""
    global _ringer  # noqa: PLW0603 - of this process
    with _changed:
        if server_id in _windows.due:
            return
        at_once = _windows.ask(server_id, now=time.monotonic())
        if not at_once:
            if _ringer is None or not _ringer.is_alive():
                _ringer = threading.Thread(target=_ring_late, name="doorbell", daemon=True)
                _ringer.start()
            _changed.notify()
    if at_once:
        _publish(DRAIN_TASK, server_id=server_id)


def ring_planner(broadcast_id: UUID) -> None:
    """Ask for a broadcast to be planned."""
    _publish(PLAN_TASK, broadcast_id=str(broadcast_id))


def _ring_late() -> None:
    """Rings at the ends of windows. One thread for it, as starting one for each takes a busy process milliseconds."""
    while True:
        with _changed:
            until = min(_windows.due.values(), default=None)
            now = time.monotonic()
            if until is None or until > now:
                _changed.wait(None if until is None else until - now)
                continue
            ripe = _windows.ripe(now=now)
        for server_id in ripe:
            _publish(DRAIN_TASK, server_id=server_id)


def _publish(task: str, **named: int | str) -> None:
    global failures, _dead_until, _line  # noqa: PLW0603 - of this process
    with _calling:
        if time.monotonic() < _dead_until:
            return
        try:
            _line = _line or Line(DRAIN_QUEUE)
            _line.send(task, **named)
        except (OperationalError, OSError) as error:
            failures += 1
            _dead_until = time.monotonic() + _REST
            logger.warning("doorbell.failed task=%s error=%s", task, type(error).__name__)
