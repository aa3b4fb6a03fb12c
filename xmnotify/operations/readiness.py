"""What keeps this installation from working as it should: one list, for /readyz, the Health page and the banner."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from msgspec import Struct

from console.kit.registry import Finding, Level, Words
from dispatch.models import SweepRecord, Worker
from dispatch.outbox.readiness import trouble_with_storing
from dispatch.rules.clock import SystemClock
from dispatch.upkeep import beat, clocks
from dispatch.wakeup import broker_watch, liveness, wake_ups, workers
from foundation.sql import trouble
from foundation.sql.trouble import WORDS, Trouble

_CLOCK = SystemClock()
_APART = timedelta(minutes=1)
"""What the clocks of two machines may differ by."""


_TRIED_EVERY = 5.0  # seconds


class Check(Struct, frozen=True):
    """`find` yields each cause in words for an operator. `vital`: without it this process can't store an event."""

    code: str
    name: Words
    well: Words
    find: Callable[[], Iterator[str]]
    vital: bool = False
    level: Level = Level.ERROR


class Cause(Struct, frozen=True):
    """What one check found."""

    check: Check
    words: str


class _Try(Struct):
    """When it was last tried to write for the console, and what came of it."""

    at: float = -math.inf
    found: list[Cause] = []

    def is_over(self) -> bool:
        """Whether that was long enough ago to be tried anew, which the caller does."""
        now = _CLOCK.elapsed()
        over = now - self.at >= _TRIED_EVERY
        self.at = now if over else self.at
        return over


_last_try = _Try()


def causes(*, vital: bool = True) -> list[Cause]:
    """What is wrong now; where a vital check fails, nothing else is looked at, for it would fail with it.

    Without `vital` those checks are left out: they try to write.
    """
    found: list[Cause] = []
    for check in CHECKS:
        if check.vital and not vital:
            continue
        try:
            found += [Cause(check, words) for words in check.find()]
        except (DatabaseError, InterfaceError) as error:  # it went away just now
            if (gone := trouble.of(error)) is None:
                raise
            return [Cause(STORAGE, _sentence(gone))]
        if check.vital and found:
            break
    return found


def findings() -> Iterator[Finding]:
    """The same for the console, on each of its pages: so what tries to write does once in a few seconds."""
    vital = _last_try.is_over()
    found = causes(vital=vital)
    if vital:
        _last_try.found = [cause for cause in found if cause.check.vital]
    else:
        found = _last_try.found or found
    wrong: dict[str, list[str]] = {}
    for cause in found:
        wrong.setdefault(cause.check.code, []).append(cause.words)
    for check in CHECKS:
        if words := wrong.get(check.code):
            yield Finding(check.name, " ".join(words), check.level, banner=True)
        elif not _last_try.found:
            yield Finding(check.name, check.well, Level.OK)


def _storage() -> Iterator[str]:
    if found := trouble_with_storing():
        yield _sentence(found)


def _sentence(found: Trouble) -> str:
    return f"{WORDS[found]}."


def _broker() -> Iterator[str]:
    if found := broker_watch.trouble():
        yield str(broker_watch.WORDS[found])


def _workers() -> Iterator[str]:
    silent = liveness.silent(beat.QUEUES, clock=_CLOCK)
    if wake_ups.DRAIN_QUEUE in silent:
        if Worker.objects.filter(drains=True, lost=False).exists():
            yield _("The workers run, but hear nothing from the broker, so messages go out late or not at all.")
        else:
            yield _("No worker gives a sign of life, so nothing is sent. Start the workers.")
    if beat.CONTROL_QUEUE in silent:
        yield _("The control worker hears nothing from the broker, so figures are not counted.")


def _lost_workers() -> Iterator[str]:
    for name in workers.lost():
        yield (
            _(
                "The worker %s gives no sign of life; others have taken over. If it was only stopped, its servers may "
                "see more connections than their limit meanwhile."
            )
            % name
        )


def _journal() -> Iterator[str]:
    if names := workers.without_journal():
        words = _(
            "%s can't write below XMNOTIFY_VAR/journal. Should it die, what it was sending may go out twice. Give it a "
            "writable folder on a local disk with free space, and restart it."
        )
        yield words % ", ".join(names)


def _sweep() -> Iterator[str]:
    if liveness.sweep_is_silent(SweepRecord.objects.first(), clock=_CLOCK):
        yield _(
            "Nobody looks after what is due: retries, expiry and alerts wait. Start the control worker, or look "
            "into its log."
        )


def _clock() -> Iterator[str]:
    record = SweepRecord.objects.first()
    if record is None or liveness.sweep_is_silent(record, clock=_CLOCK):
        return
    jumped = timedelta(seconds=record.jumped_seconds)
    if jumped >= clocks.FORWARD:
        yield _(
            "The clock was set forward by %s. In case it is wrong now, no message expires for 15 minutes."
        ) % _in_words(jumped)
    elif jumped <= -clocks.BACK:
        yield _("The clock was set back by %s. What was planned before has been moved.") % _in_words(-jumped)
    apart = abs(_CLOCK.now() - record.at) - liveness.SWEEP_SILENT
    if not jumped and apart >= _APART:
        yield _("The clock of this machine and that of the control worker's differ by %s.") % _in_words(apart)


def _in_words(duration: timedelta) -> str:
    minutes = round(duration / timedelta(minutes=1))
    if minutes < 120:
        return ngettext("%d minute", "%d minutes", minutes) % minutes
    return ngettext("%d hour", "%d hours", round(minutes / 60)) % round(minutes / 60)


STORAGE = Check("storage", gettext_lazy("Database"), gettext_lazy("Events can be stored."), _storage, vital=True)
CHECKS = (
    STORAGE,
    Check("broker", gettext_lazy("Broker"), gettext_lazy("It can be reached."), _broker),
    Check("workers", gettext_lazy("Workers"), gettext_lazy("They answer through the queue."), _workers),
    Check(
        "lost_workers",
        gettext_lazy("Lost workers"),
        gettext_lazy("Every worker that began has a pulse or has ended."),
        _lost_workers,
        level=Level.WARNING,
    ),
    Check("journal", gettext_lazy("Journal"), gettext_lazy("Each worker can write its own."), _journal),
    Check("sweep", gettext_lazy("Sweep"), gettext_lazy("Somebody looks after what is due."), _sweep),
    Check("clock", gettext_lazy("Clock"), gettext_lazy("It was not set."), _clock, level=Level.WARNING),
)
