"""Finishes what a drain could not: this process's own, when the database takes it again, and what dead processes left.

One thread a process does both, so a drain waits for no database, and a worker that is to stop waits for no drain.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.models import Q
from msgspec import Struct, field

from dispatch.models import Lane
from dispatch.outbox import deliveries, lanes, trouble
from dispatch.rules.clock import Clock
from dispatch.rules.settlement import Settlement
from dispatch.sending import journal, reaping
from dispatch.sending.journal import Journal
from dispatch.wakeup import wake_ups, workers
from foundation.sql import statements

LOOK_EVERY = timedelta(seconds=5)
_SOONEST, _LATEST = 0.05, 2.0
"""Seconds between two tries to write what the database did not take."""

logger = logging.getLogger(__name__)


class Remainder(Struct):
    """What a drain holds when it ends: its lane, outcomes that are not written, and perhaps claims.

    `server_name` is as the attempts are to show it.
    """

    held: lanes.Held
    server_name: str
    outcomes: list[Settlement]
    claims: bool

    def write(self) -> int:
        """Settle what is known, give back the rest, release the lane; returns how many were settled.

        Raises Error where the database does not take it; whatever it took already does no harm when it comes again.
        """
        lease, settled = self.held.lease, 0
        if self.outcomes:
            settled = deliveries.settle(
                self.outcomes, lease=lease, server_id=self.held.server_id, server_name=self.server_name
            )
            self.outcomes = []
        if self.claims:
            deliveries.give_back_all(lease)
        lanes.release(self.held)
        own_journal().released(lease)
        return settled


class _Mine(Struct):
    """What this process has yet to write, who writes it, and its journal. Whoever changes it holds `changed`."""

    remainders: deque[Remainder] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)
    thread: threading.Thread | None = None
    journal: Journal | None = None
    beginning: threading.Lock = field(default_factory=threading.Lock)


_mine = _Mine()


def own_journal() -> Journal:
    """The journal of this process, begun when it is first wanted."""
    with _mine.beginning:
        if _mine.journal is None:
            _mine.journal = Journal(settings.XMNOTIFY_JOURNAL, worker=workers.this_id())
        return _mine.journal


def keep(remainder: Remainder, *, clock: Clock) -> None:
    """Have it written as soon as the database takes it."""
    with _mine.changed:
        _mine.remainders.append(remainder)
        _start(clock)
        _mine.changed.notify_all()


def start(*, clock: Clock) -> None:
    """Look after what dead processes left, now and every few seconds."""
    with _mine.changed:
        _start(clock)


def finish(*, within: timedelta) -> None:
    """To be called when this process ends in order: wait until nothing is left to write, but not longer than that.

    What is left then the journal has; one that has nothing goes.
    """
    with _mine.changed:
        written = _mine.changed.wait_for(lambda: not _mine.remainders, within.total_seconds())
    if written and _mine.journal is not None:
        _mine.journal.end()


def look(*, now: datetime) -> int:
    """Take back what dead processes of this machine held, as their journals say; returns how many deliveries."""
    reaped = 0
    with journal.left_behind(settings.XMNOTIFY_JOURNAL) as found:
        for left in found:
            leases = list(left.testimony)
            held = Lane.objects.filter(Q(lease__in=leases) | Q(worker=left.worker))
            lost = list(held.values_list("server_id", "lease"))
            count = reaping.reap(leases, said=left.testimony, now=now)
            lanes.free(leases)
            count += reaping.free_worker(left.worker, now=now)
            for server_id in {server_id for server_id, lease in lost if lease in left.probing}:
                trouble.probe_again(server_id, now=now)
            if not held.exists():  # else somebody just writes some of it: the next look
                left.remove()
            for server_id in {server_id for server_id, _ in lost}:
                wake_ups.wake(server_id)
            if lost:
                logger.warning("worker.recovered worker=%s lanes=%d deliveries=%d", left.worker, len(lost), count)
            reaped += count
    return reaped


def write_remainders(*, clock: Clock) -> bool:
    """Try to write what drains could not; False when something is left."""
    while _mine.remainders:
        remainder = _mine.remainders[0]
        try:
            remainder.write()
            if remainder.held.probing:
                trouble.probe_again(remainder.held.server_id, now=clock.now())
        except Error as error:
            logger.warning("recovery.waits server=%s error=%s", remainder.held.server_id, type(error).__name__)
            statements.drop_connection()
            _mine.remainders.rotate(-1)  # so that none keeps the others waiting
            return False
        except Exception:
            logger.exception("recovery.fault server=%s", remainder.held.server_id)  # the sweep takes it back
        with _mine.changed:
            _mine.remainders.popleft()
            _mine.changed.notify_all()
        logger.info("recovery.written server=%s", remainder.held.server_id)
        wake_ups.wake(remainder.held.server_id)
    return True


def _start(clock: Clock) -> None:
    if _mine.thread is None or not _mine.thread.is_alive():
        _mine.thread = threading.Thread(target=_run, args=[clock], name="recovery", daemon=True)
        _mine.thread.start()


def _run(clock: Clock) -> None:
    pause, looks_at = _SOONEST, 0.0
    while True:
        written = write_remainders(clock=clock)
        pause = _SOONEST if written else min(_LATEST, pause * 2)
        if clock.monotonic() >= looks_at:
            _look_once(clock)
            looks_at = clock.monotonic() + LOOK_EVERY.total_seconds()
        connection.close()
        with _mine.changed:
            if not (written and _mine.remainders):
                _mine.changed.wait(max(0.0, looks_at - clock.monotonic()) if written else pause)


def _look_once(clock: Clock) -> None:
    try:
        if own_journal().lost:
            workers.lost_its_journal()
        look(now=clock.now())
    except Error as error:
        logger.warning("recovery.failed error=%s", type(error).__name__)
    except Exception:
        logger.exception("recovery.fault")  # the next look tries again


def _become_another() -> None:
    """After a fork: journal, remainders and thread are the parent's."""
    global _mine  # noqa: PLW0603 - of this process
    if _mine.journal is not None:
        _mine.journal.disown()
    _mine = _Mine()


os.register_at_fork(after_in_child=_become_another)
