"""Where events are handed in one by one: those that several threads bring at once are taken in together.

An event alone costs several times what it costs among others: statements, a transaction and a wake-up are shared.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import datetime

from django.db import DatabaseError, InterfaceError

from dispatch.intake import accept
from dispatch.intake.accept import Answer, Posted
from dispatch.intake.turn import LateError, taking_in
from foundation.sql import dialect, trouble

PATIENCE = 1.0
"""Seconds that an event waits for others before it goes alone: a statement of theirs may wait for a lock."""


class _Brought:
    """An event that its thread waits with, until there is an answer or a failure; `alone` if it is not for a group."""

    __slots__ = ("alone", "answer", "failure", "now", "posted")

    def __init__(self, posted: Posted, *, now: datetime) -> None:
        self.posted, self.now = posted, now
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self.alone = False


class _Counter:
    """Where those of one caller wait, in the order they came; `busy` is held by the thread that takes them in."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.waiting: list[_Brought] = []

    def take(self, one: _Brought) -> bool:
        """Whether it still waited; nobody else takes it then."""
        try:
            self.waiting.remove(one)
        except ValueError:
            return False
        return True


_counters: dict[str, _Counter] = {}


def take_in(posted: Posted, *, origin: str, now: datetime) -> Answer:
    """Store one event, with those that others of the same origin wait with, or nothing.

    Answers or raises what `ingest.accept_all` does for it.
    """
    if accept.stands_alone(posted.event):
        return _accept([posted], origin=origin, now=now)[0]
    mine, counter = _Brought(posted, now=now), _counters.setdefault(origin, _Counter())
    counter.waiting.append(mine)
    if not counter.busy.acquire(timeout=PATIENCE):
        if counter.take(mine):
            return _accept([posted], origin=origin, now=now)[0]
        counter.busy.acquire()
    try:
        if mine.answer is None and mine.failure is None and not mine.alone:
            _take_in_with_others(counter, origin=origin)
    finally:
        counter.busy.release()
    if mine.alone:
        return _accept([posted], origin=origin, now=now)[0]
    if mine.failure is not None:
        raise mine.failure
    assert mine.answer is not None
    return mine.answer


def _take_in_with_others(counter: _Counter, *, origin: str) -> None:
    """All that wait; if they can't be taken in together each goes alone, beside the others."""
    group = [each for each in tuple(counter.waiting) if counter.take(each)]
    try:
        _answer(group, origin=origin)
    except Exception as error:  # noqa: BLE001 - it is raised to those whose own it is
        if len(group) == 1:
            group[0].failure = error
        else:
            for each in group:
                each.alone = True


def _answer(group: list[_Brought], *, origin: str) -> None:
    """Take them in at once; if the database is lost meanwhile, nobody knows what became of any of them."""
    try:
        answers = _accept([each.posted for each in group], origin=origin, now=max(each.now for each in group))
    except (DatabaseError, InterfaceError, LateError) as error:
        if not isinstance(error, LateError) and not trouble.is_everybodys(error):
            raise
        for each in group:
            each.failure = error
    else:
        for each, answer in zip(group, answers, strict=True):
            each.answer = answer


def _accept(posted: list[Posted], *, origin: str, now: datetime) -> list[Answer]:
    with nullcontext() if dialect.is_postgresql() else taking_in:
        return accept.accept_all(posted, origin=origin, now=now)
