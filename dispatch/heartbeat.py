"""Keeps leases alive while a slow server keeps a drain waiting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, connection

logger = logging.getLogger(__name__)


@contextmanager
def beating(renew: Callable[[], None], *, every: timedelta) -> Iterator[None]:
    """Call `renew` in a thread of its own at that interval while the block runs.

    A beat that the database refuses is logged, and the next one tries again: a lease outlives several beats.
    """
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(renew, every, done), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(renew: Callable[[], None], every: timedelta, done: threading.Event) -> None:
    while not done.wait(every.total_seconds()):
        try:
            renew()
        except Error as error:
            logger.warning("heartbeat.failed error=%s", type(error).__name__)
        finally:
            connection.close()
