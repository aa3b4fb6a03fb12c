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
from msgspec import Struct

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


def own_journal() -> Journal:
    """The journal of this process, begun when it is first wanted."""
    global _own  # noqa: PLW0603 - of this process
    with _beginning:
        if _own is None:
            _own = Journal(settings.XMNOTIFY_JOURNAL, worker=workers.this_id())
        return _own


def keep(remainder: Remainder, *, clock: Clock) -> None:
    """Have it written as soon as the database takes it."""
    with _changed:
        _remainders.append(remainder)
        _start(clock)
        _changed.notify_all()


def start(*, clock: Clock) -> None:
    """Look after what dead processes left, now and every few seconds."""
    with _changed:
        _start(clock)


def finish(*, within: timedelta) -> None:
    """To be called when this process ends in order: wait until nothing is left to write, but not longer than that.

    What is left then the journal has; one that has nothing goes.
    """
    with _changed:
        written = _changed.wait_for(lambda: not _remainders, within.total_seconds())
    if written and _own is not None:
        _own.end()


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
    while _remainders:
        remainder = _remainders[0]
        try:
            remainder.write()
            if remainder.held.probing:
                trouble.probe_again(remainder.held.server_id, now=clock.now())
        except Error as error:
            logger.warning("recovery.waits server=%s error=%s", remainder.held.server_id, type(error).__name__)
            statements.drop_connection()
            _remainders.rotate(-1)  # so that none keeps the others waiting
            return False
        except Exception:
            logger.exception("recovery.fault server=%s", remainder.held.server_id)  # the sweep takes it back
        with _changed:
            _remainders.popleft()
            _changed.notify_all()
        logger.info("recovery.written server=%s", remainder.held.server_id)
        wake_ups.wake(remainder.held.server_id)
    return True


_own: Journal | None = None
_beginning = threading.Lock()
_changed = threading.Condition()
_remainders: deque[Remainder] = deque()
_thread: threading.Thread | None = None


def _start(clock: Clock) -> None:
    global _thread  # noqa: PLW0603 - of this process
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_run, args=[clock], name="recovery", daemon=True)
        _thread.start()


def _run(clock: Clock) -> None:
    pause, looks_at = _SOONEST, 0.0
    while True:
        written = write_remainders(clock=clock)
        pause = _SOONEST if written else min(_LATEST, pause * 2)
        if clock.monotonic() >= looks_at:
            _look_once(clock)
            looks_at = clock.monotonic() + LOOK_EVERY.total_seconds()
        connection.close()
        with _changed:
            if not (written and _remainders):
                _changed.wait(max(0.0, looks_at - clock.monotonic()) if written else pause)


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
    global _own, _thread, _beginning, _changed  # noqa: PLW0603 - of this process
    if _own is not None:
        _own.disown()
    _own = _thread = None
    _beginning, _changed = threading.Lock(), threading.Condition()
    _remainders.clear()


os.register_at_fork(after_in_child=_become_another)
