"""Keeps leases alive while a slow server keeps a drain waiting."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, connection
from msgspec import Struct, field

logger = logging.getLogger(__name__)


@contextmanager
def beating(renew: Callable[[], None], *, every: timedelta) -> Iterator[None]:
    """Call `renew` at that interval while the block runs, in a thread that all blocks of this process share.

    A beat that the database refuses is logged, and the next one tries again: a lease outlives several beats.
    """
    beat = _Beat(renew, every.total_seconds(), time.monotonic() + every.total_seconds())
    _heart.add(beat)
    try:
        yield
    finally:
        _heart.end(beat)


class _Beat(Struct, eq=False):
    renew: Callable[[], None]
    every: float
    due: float
    ended: bool = False
    going_on: threading.Lock = field(default_factory=threading.Lock)


class _Heart:
    """One thread for all: starting one takes as long as a tenth of a short drain.

    It sleeps until the next beat that was known when it went to sleep, and so through most drains undisturbed.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beats: set[_Beat] = set()
        self._wakes = math.inf
        self._thread: threading.Thread | None = None

    def add(self, beat: _Beat) -> None:
        with self._changed:
            self._beats.add(beat)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
            elif beat.due < self._wakes:
                self._changed.notify()

    def end(self, beat: _Beat) -> None:
        """No beat of it goes on from here on."""
        with self._changed:
            self._beats.discard(beat)
        with beat.going_on:
            beat.ended = True

    def _run(self) -> None:
        while True:
            for beat in self._wait():
                _renew(beat)
            connection.close()

    def _wait(self) -> list[_Beat]:
        """The beats that are due, as soon as there are some."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = [beat for beat in self._beats if beat.due <= now]
                if due:
                    return due
                self._wakes = min((beat.due for beat in self._beats), default=math.inf)
                self._changed.wait(None if self._wakes == math.inf else self._wakes - now)


def _renew(beat: _Beat) -> None:
    with beat.going_on:
        if beat.ended:
            return
        try:
            beat.renew()
        except Error as error:
            logger.warning("heartbeat.failed error=%s", type(error).__name__)
        except Exception:
            logger.exception("heartbeat.fault")  # the others' leases are kept all the same
        beat.due = time.monotonic() + beat.every


_heart = _Heart()
