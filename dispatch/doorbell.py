"""Wakes a worker for one server. The rows are the truth: a lost ring delays, the sweep finds them."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from celery import current_app
from kombu.exceptions import OperationalError

DRAIN_TASK = "dispatch.drain_server"
PLAN_TASK = "dispatch.plan_broadcast"
DRAIN_QUEUE = "drain"
_SHORTEST, _LONGEST = 0.005, 0.05
"""Seconds in which rings for one server become one: the first when it was quiet, and more with every busy window."""
_REST = 5.0  # seconds without a ring after one failed, so that a dead broker does not slow every POST

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_last: dict[int, float] = {}
_windows: dict[int, float] = {}
_armed: set[int] = set()
_dead_until = 0.0
failures = 0


def call(server_id: int, *, lanes: int) -> None:
    """Ask for that many more drains of this server at once."""
    for _ in range(lanes):
        _publish(DRAIN_TASK, server_id=server_id)


def ring(server_id: int) -> None:
    """Ask for a drain of this server: at once when it was quiet, else once at the end of a window.

    So a mail that comes alone need not wait, and a flood costs few rings.
    """
    with _lock:
        if server_id in _armed:
            return
        now, window = time.monotonic(), _windows.get(server_id, _SHORTEST)
        left = _last.get(server_id, now - window) + window - now
        if left > 0:
            _armed.add(server_id)
            _windows[server_id] = min(_LONGEST, window * 2)
            timer = threading.Timer(left, _ring_late, (server_id,))
            timer.daemon = True
            timer.start()
            return
        _windows[server_id] = _SHORTEST
        _last[server_id] = now
    _publish(DRAIN_TASK, server_id=server_id)


def ring_planner(broadcast_id: UUID) -> None:
    """Ask for a broadcast to be planned."""
    _publish(PLAN_TASK, broadcast_id=str(broadcast_id))


def _ring_late(server_id: int) -> None:
    with _lock:
        _armed.discard(server_id)
        _last[server_id] = time.monotonic()
    _publish(DRAIN_TASK, server_id=server_id)


def _publish(task: str, **named: int | str) -> None:
    global failures, _dead_until  # noqa: PLW0603 - of this process
    if time.monotonic() < _dead_until:
        return
    try:
        current_app.send_task(task, kwargs=named, queue=DRAIN_QUEUE, ignore_result=True)
    except (OperationalError, OSError) as error:
        failures += 1
        _dead_until = time.monotonic() + _REST
        logger.warning("doorbell.failed task=%s error=%s", task, type(error).__name__)
