"""The beat: what has to be done every few seconds, by a clock that nobody sets, in a thread of the control worker.

Nothing may silence it: not the broker, the wall clock or an error, nor the end or standstill of its thread, which
the pulse notices (see `workers.guard`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from django.db import Error, connection
from msgspec import Struct

from dispatch.rules.clock import Clock
from dispatch.upkeep import alerts, clocks
from dispatch.upkeep import sweep as upkeep
from dispatch.upkeep.reaper import Reaper
from dispatch.wakeup import liveness, publisher, wake_ups, workers

LOOK_EVERY, SWEEP_EVERY, WATCH_EVERY = 2.0, 5.0, 20.0
STUCK_AFTER = 60.0
"""Seconds after which a beat that has not come to the end of one of its steps is given up, and another one begins."""
LOST_AFTER = 300.0
"""Seconds after which a canary that did not arrive is taken for lost with its broker, and another one flies."""
CONTROL_QUEUE = "control"
COUNT_TASK, CANARY_TASK, PURGE_TASK = "dispatch.count", "dispatch.canary", "dispatch.purge"
QUEUES = (wake_ups.DRAIN_QUEUE, CONTROL_QUEUE)

logger = logging.getLogger(__name__)


class Job(Struct):
    """What is done, and how many seconds after its end again."""

    name: str
    run: Callable[[], object]
    every: float
    due: float = 0.0


class Beat:
    """The jobs of one thread, one after the other."""

    def __init__(self, jobs: Sequence[Job], *, clock: Clock) -> None:
        self._jobs = jobs
        self._clock = clock
        self._ending = threading.Event()
        self.alive_at = clock.monotonic()

    def run(self) -> None:
        """Until it is ended; in a thread of its own."""
        while not self._ending.is_set():
            self.step()
            connection.close_if_unusable_or_obsolete()
            self._ending.wait(max(0.0, min(job.due for job in self._jobs) - self._clock.monotonic()))

    def step(self) -> None:
        """Do what is due. An error of one job keeps neither the others nor its own next time from coming."""
        for job in self._jobs:
            if job.due > self._clock.monotonic() or self._ending.is_set():
                continue
            try:
                job.run()
            except Error as error:
                logger.warning("beat.failed job=%s error=%s", job.name, type(error).__name__)
                connection.close()
            except Exception:
                logger.exception("beat.fault job=%s", job.name)
            self.alive_at = self._clock.monotonic()
            job.due = self.alive_at + job.every

    def end(self) -> None:
        self._ending.set()


class Sweeper:
    """Sweeps for one beat; it remembers what stood still and what the clock did."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._reaper = Reaper()
        self._watch = clocks.ClockWatch()

    def look(self) -> None:
        """Who is dead, and whether somebody set the clock."""
        workers.enter(drains=False)
        self._watch.look(clock=self._clock)
        if self._watch.behind:
            clocks.set_back(self._watch.behind, now=self._clock.now())
            self._watch.behind *= 0
        if self._reaper.look(clock=self._clock):
            upkeep.wake_where_due(now=self._clock.now())
        clocks.show_life(jump=self._watch.jump, now=self._clock.now())

    def sweep(self) -> None:
        now = self._watch.look(clock=self._clock)  # it may have been set since the last look
        upkeep.sweep(now=now, may_expire=self._watch.may_expire())
        alerts.tell(now=self._clock.now())


class Watcher:
    """Lets a canary fly through each queue, and has the figures counted and what is old removed, where the last one has
    arrived.

    So a queue that nobody hears does not fill. No task expires: that would compare the clocks of two machines.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._flown: dict[str, tuple[int, float]] = {}

    def watch(self) -> None:
        arrived = liveness.counts(QUEUES)
        for queue in QUEUES:
            if not self._is_in_the_air(queue, arrived=arrived[queue]):
                self._flown[queue] = (arrived[queue], self._clock.monotonic())
                publisher.publish(CANARY_TASK, queue=queue, about=queue)
                if queue == CONTROL_QUEUE:
                    publisher.publish(COUNT_TASK, queue=queue)
                    publisher.publish(PURGE_TASK, queue=queue)

    def _is_in_the_air(self, queue: str, *, arrived: int) -> bool:
        count, at = self._flown.get(queue, (-1, 0.0))
        return count == arrived and self._clock.monotonic() - at < LOST_AFTER


def jobs(*, clock: Clock) -> list[Job]:
    """What the beat does. Tasks for other workers go through the queues; what must not wait for a broker does not."""
    sweeper = Sweeper(clock=clock)
    return [
        Job("look", sweeper.look, LOOK_EVERY),
        Job("sweep", sweeper.sweep, SWEEP_EVERY),
        Job("watch", Watcher(clock=clock).watch, WATCH_EVERY),
    ]


_current: tuple[Beat, threading.Thread] | None = None


def start(*, clock: Clock) -> None:
    """Begin to beat in this process, unless it does already; one that ended or stands still is replaced."""
    global _current  # noqa: PLW0603 - of this process
    if _current:
        beat, thread = _current
        stuck = clock.monotonic() - beat.alive_at > STUCK_AFTER
        if thread.is_alive() and not stuck:
            return
        logger.error("beat.replaced stuck=%s", stuck)
        beat.end()
    beat = Beat(jobs(clock=clock), clock=clock)
    thread = threading.Thread(target=beat.run, name="beat", daemon=True)
    _current = beat, thread
    thread.start()


def end() -> None:
    if _current:
        _current[0].end()
