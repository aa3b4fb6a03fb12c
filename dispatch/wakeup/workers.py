"""The worker processes: which one this is, its pulse, and how many there are.

A pulse is a counter, for clocks of machines differ and jump: who reads it waits for it to change.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import Error, connection
from django.db.models import F
from msgspec import Struct, field

from dispatch.models import Worker
from dispatch.rules.clock import SystemClock

PULSE = timedelta(seconds=3)
_FIRST, _OFTEN = timedelta(seconds=10), timedelta(seconds=0.5)
"""For so long after its begin a worker has a pulse so often: those that begin together soon share the lanes."""
_STALE = timedelta(seconds=9)
"""A worker without a pulse for so long, as one that was stopped and goes on, shows life before it takes a lane."""
_SILENT = timedelta(seconds=12)
"""Before a sweep can take it for dead: a worker without a pulse for so long hands nothing over."""

logger = logging.getLogger(__name__)
_clock = SystemClock()


class _Self(Struct):
    """What this process is as a worker. `live` are the processes that take lanes, as of the last pulse."""

    id: UUID = field(default_factory=uuid4)
    drains: bool = False
    live: int = 1
    pulsed_at: float | None = None
    thread: threading.Thread | None = None
    ending: threading.Event = field(default_factory=threading.Event)
    guarded: list[Callable[[], None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


_self = _Self()


def this_id() -> UUID:
    """The id of this process as a worker; another one after a fork."""
    return _self.id


def live() -> int:
    """How many processes take lanes; one at least, this one."""
    return max(1, _self.live)


def begin(*, drains: bool) -> None:
    """Have a pulse from now on, as soon as the database can be reached.

    `drains`: this process takes lanes, so the others leave it a share of them.
    """
    with _self.lock:
        _self.drains |= drains
        if not is_pulsing():
            _self.ending.clear()
            _self.thread = threading.Thread(target=_pulse_on, name="pulse", daemon=True)
            _self.thread.start()


def enter(*, drains: bool) -> None:
    """Be known as a worker that lives, before anything is taken in its name; cheap where that is so already."""
    if not is_pulsing() or _self.drains < drains:
        begin(drains=drains)
    if not _is_fresh():
        with _self.lock:
            _pulse()


def guard(revive: Callable[[], None]) -> None:
    """Call this with each pulse: what it looks after is begun anew when it has ended."""
    _self.guarded.append(revive)


def is_pulsing() -> bool:
    return _self.thread is not None and _self.thread.is_alive()


def leave() -> None:
    """To be called when this process ends in order; what it may still hold is taken back like a dead one's, later."""
    _self.ending.set()
    if _self.pulsed_at is not None and not Worker.objects.filter(pk=_self.id, lanes__lease__isnull=False).exists():
        gone(_self.id)


def gone(worker_id: UUID) -> None:
    """Forget a worker that holds nothing any more and whose process is known to have ended."""
    Worker.objects.filter(pk=worker_id).delete()


def lose(worker_id: UUID, *, pulse: int) -> bool:
    """Take a worker for dead whose counter stands there; False when it has moved on meanwhile."""
    return bool(Worker.objects.filter(pk=worker_id, pulse=pulse).update(lost=True))


def lost() -> list[str]:
    """The names of those without a pulse: if one was stopped only, it still has connections."""
    return list(Worker.objects.filter(lost=True).order_by("name").values_list("name", flat=True))


def without_journal() -> list[str]:
    """The names of those that can't note what they hand over."""
    return list(Worker.objects.filter(journal=False, lost=False).order_by("name").values_list("name", flat=True))


def lost_its_journal() -> None:
    """To be called where this process can't note what it hands over."""
    Worker.objects.filter(pk=_self.id, journal=True).update(journal=False)


def surely_live() -> bool:
    """Whether no sweep can have taken this process for dead, so that what it holds is its own; true of no worker."""
    return _self.pulsed_at is None or _clock.elapsed() - _self.pulsed_at < _SILENT.total_seconds()


def _is_fresh() -> bool:
    return _self.pulsed_at is not None and _clock.elapsed() - _self.pulsed_at < _STALE.total_seconds()


def _pulse_on() -> None:
    ended, often_until = False, _clock.elapsed() + _FIRST.total_seconds()
    while not ended:
        try:
            with _self.lock:
                _pulse()
        except Error as error:
            logger.warning("pulse.failed error=%s", type(error).__name__)
            connection.close()
        except Exception:
            logger.exception("pulse.fault")  # without a pulse this worker would lose its lanes
        for revive in _self.guarded:
            revive()
        pause = _OFTEN if _clock.elapsed() < often_until else PULSE
        ended = _self.ending.wait(pause.total_seconds())


def _pulse() -> None:
    at = _clock.elapsed()
    mine = Worker.objects.filter(pk=_self.id)
    if not mine.filter(lost=False, drains=_self.drains).update(pulse=F("pulse") + 1):
        _return_or_register()
    _self.live = Worker.objects.filter(drains=True, lost=False).count()
    _self.pulsed_at = at


def _return_or_register() -> None:
    changed = {"lost": False, "drains": _self.drains, "pulse": F("pulse") + 1}
    if Worker.objects.filter(pk=_self.id).update(**changed):
        logger.info("worker.returned worker=%s", _self.id)
        return
    Worker.objects.create(
        id=_self.id, name=f"{socket.gethostname()}:{os.getpid()}", drains=_self.drains, started_at=_clock.now()
    )
    logger.info("worker.registered worker=%s", _self.id)


def _become_another() -> None:
    global _self  # noqa: PLW0603 - of this process
    _self = _Self()


os.register_at_fork(after_in_child=_become_another)
