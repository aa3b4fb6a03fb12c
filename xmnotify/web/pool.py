"""Threads that run Django: a request gets one when the whole of its body is here, and waits for it a bounded time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

_SWEEP_SECONDS = 0.25
_JOIN_SECONDS = 3.0
T = TypeVar("T")


class BusyError(Exception):
    """No thread was free for as long as a request waits; nothing of it was done."""


class _Job(Generic[T]):
    __slots__ = ("_taken", "done", "since", "work")

    def __init__(self, work: Callable[[], T], *, done: asyncio.Future[T], since: float) -> None:
        self.work, self.done, self.since = work, done, since
        self._taken = threading.Lock()

    def take(self) -> bool:
        """Whether it is the taker's: a thread's that runs it, or the loop's that gives it up."""
        return self._taken.acquire(blocking=False)

    @property
    def is_taken(self) -> bool:
        return self._taken.locked()


class Pool:
    """`threads` that live as long as the process, each with its own database connection.

    To be made and used in the thread of the loop; `patience` is how long a job waits for a thread, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, threads: int, patience: float, name: str) -> None:
        self._loop, self._patience = loop, patience
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._waiting: deque[_Job[Any]] = deque()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns or raises; BusyError if no thread came to it in time."""
        job: _Job[T] = _Job(work, done=self._loop.create_future(), since=self._loop.time())
        if not self._waiting:
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        self._waiting.append(job)
        self._queue.put(job)
        return await job.done

    def close(self) -> None:
        """Let what runs come to its end, for some seconds at most."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS / len(self._threads))

    def _sweep(self) -> None:
        """Give up what waited too long; the queue is in the order of arrival."""
        now = self._loop.time()
        while self._waiting and (self._waiting[0].is_taken or now - self._waiting[0].since > self._patience):
            job = self._waiting.popleft()
            if job.take() and not job.done.done():
                job.done.set_exception(BusyError())
        if self._waiting:
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _serve(self) -> None:
        while job := self._queue.get():
            if job.take():
                self._run(job)

    def _run(self, job: _Job[Any]) -> None:
        try:
            outcome, failed = job.work(), False
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is awaited
            outcome, failed = error, True
        self._loop.call_soon_threadsafe(_settle, job.done, outcome, failed)


def _settle(done: asyncio.Future[Any], outcome: Any, failed: bool) -> None:  # noqa: FBT001 - call_soon passes by place
    if done.done():
        return
    if failed:
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
