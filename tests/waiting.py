"""How tests wait: for what happens in another thread or process, until it has. No test sleeps and hopes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE = 240.0
"""Seconds after which something hangs, however busy the machine; never a measure of anything."""


def until(holds: Callable[[], object], *, report: Callable[[], object] = lambda: "", every: float = 0.02) -> None:
    """Return as soon as `holds()` is true, looking every so many seconds; a failure shows what `report()` returns."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, report()
        time.sleep(every)


def for_threads(name: str) -> None:
    """Return once every thread of this name has ended."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(PATIENCE)
            assert not thread.is_alive(), name
