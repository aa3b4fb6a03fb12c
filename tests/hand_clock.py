"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta


class HandClock:
    """See `dispatch.rules.clock.Clock`. `slept` lists the waits asked for, in seconds; each moves the clock on."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = 1000.0
        self._suspended = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def elapsed(self) -> float:
        return self._seconds + self._suspended

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, duration: timedelta) -> None:
        self._now += duration
        self._seconds += duration.total_seconds()

    def jump(self, offset: timedelta) -> None:
        """Somebody sets the wall clock; no time passes."""
        self._now += offset

    def suspend(self, duration: timedelta) -> None:
        """The machine sleeps."""
        self._now += duration
        self._suspended += duration.total_seconds()

    def go_to(self, moment: datetime) -> None:
        self.pass_time(moment - self._now)
