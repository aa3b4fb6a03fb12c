"""Wakes a worker for one server. The rows are the truth: a lost ring delays, the sweep finds them."""

from __future__ import annotations

import logging
import threading
import time

from celery import current_app
from kombu.exceptions import OperationalError

DRAIN_TASK = "dispatch.drain_server"
DRAIN_QUEUE = "drain"
_WINDOW = 0.02  # seconds in which rings for one server become one
_REST = 5.0  # seconds without a ring after one failed, so that a dead broker does not slow every POST

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_last: dict[int, float] = {}
_armed: set[int] = set()
_dead_until = 0.0
failures = 0


def call(server_id: int, *, lanes: int) -> None:
    """Ask for that many more drains of this server at once."""
    for _ in range(lanes):
        _publish(server_id)


def ring(server_id: int) -> None:
    """Ask for a drain of this server: at once when it was quiet, else once at the end of a short window."""
    with _lock:
        now = time.monotonic()
        if server_id in _armed:
            return
        if now - _last.get(server_id, -1.0) < _WINDOW:
            _armed.add(server_id)
            timer = threading.Timer(_WINDOW, _ring_late, (server_id,))
            timer.daemon = True
            timer.start()
            return
        _last[server_id] = now
    _publish(server_id)


def _ring_late(server_id: int) -> None:
    with _lock:
        _armed.discard(server_id)
        _last[server_id] = time.monotonic()
    _publish(server_id)


def _publish(server_id: int) -> None:
    global failures, _dead_until  # noqa: PLW0603 - of this process
    if time.monotonic() < _dead_until:
        return
    try:
        current_app.send_task(DRAIN_TASK, kwargs={"server_id": server_id}, queue=DRAIN_QUEUE, ignore_result=True)
    except (OperationalError, OSError) as error:
        failures += 1
        _dead_until = time.monotonic() + _REST
        logger.warning("doorbell.failed server=%s error=%s", server_id, type(error).__name__)
