"""Where events are handed in from outside: those that several threads hand in one by one are taken in together.

An event alone costs several times what it costs among others: statements, a transaction and a wake-up are shared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import DatabaseError, InterfaceError

from dispatch.intake import accept
from dispatch.intake.accept import Answer, Posted
from dispatch.intake.turn import taking_in
from foundation.sql import dialect, trouble

PATIENCE = 1.0
"""Seconds that an event waits for others before it is stored by itself: a statement of theirs may wait for a lock."""


class LateError(Exception):
    """Others were being taken in for so long that the turn did not come in time; nothing was done."""


class _Waiting:
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
        self.waiting: list[_Waiting] = []

    def take(self, one: _Waiting) -> bool:
        """Whether it still waited; nobody else takes it then."""
        try:
            self.waiting.remove(one)
        except ValueError:
            return False
        return True


_counters: dict[str, _Counter] = {}


def take_in(posted: Posted, *, origin: str, now: datetime) -> Answer:
    """Store one event, with those that others of the same origin wait with, or nothing.

    Returns or raises what `accept.accept_all` does for it. Raises LateError.
    """
    if accept.stands_alone(posted.event):
        return _accept([posted], origin=origin, now=now)[0]
    mine, counter = _Waiting(posted, now=now), _counters.setdefault(origin, _Counter())
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


def take_in_all(read: Callable[[], Sequence[Posted]], *, origin: str, now: datetime) -> list[Answer]:
    """Store several events, which `read` returns; it is called when it is this caller's turn. Raises LateError.

    Each stands alone, and its answer or the reason for its refusal has its place.
    """
    with _turn():
        return accept.accept_all(read(), origin=origin, now=now)


def _take_in_with_others(counter: _Counter, *, origin: str) -> None:
    """All that wait; if they can't be taken in together each is stored by itself, beside the others."""
    group = [each for each in tuple(counter.waiting) if counter.take(each)]
    try:
        _answer(group, origin=origin)
    except Exception as error:  # noqa: BLE001 - it is raised to those whose own it is
        if len(group) == 1:
            group[0].failure = error
        else:
            for each in group:
                each.alone = True


def _answer(group: list[_Waiting], *, origin: str) -> None:
    """Take them in together; if the database is lost meanwhile, nobody knows what became of any of them."""
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
    if dialect.is_postgresql():
        return accept.accept_all(posted, origin=origin, now=now)
    with _turn():
        return accept.accept_all(posted, origin=origin, now=now)


@contextmanager
def _turn() -> Iterator[None]:
    if not taking_in.take():
        raise LateError
    try:
        yield
    finally:
        taking_in.end()
