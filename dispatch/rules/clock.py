"""Time as a thing that tests can hold still."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # elsewhere than on Linux it counts anyway


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, in UTC, with its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for durations within one process."""
        ...

    def elapsed(self) -> float:
        """Seconds that only grow, those for which the machine was suspended included."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; for rate limits only."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        return time.clock_gettime(_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
