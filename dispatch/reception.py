"""Where events are handed in: those that several threads bring at once are taken in together.

An event alone costs several times what it costs among others: statements, a transaction and a ring are shared.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import datetime

from django.db import InterfaceError, OperationalError

from dispatch import dialect, ingest
from dispatch.ingest import Answer, Posted
from dispatch.turn import taking_in

_counter = threading.Lock()


class _Brought:
    """An event that its thread waits with, until there is an answer or a failure; `alone` if it is not for a group."""

    __slots__ = ("alone", "answer", "failure", "now", "origin", "posted")

    def __init__(self, posted: Posted, *, origin: str, now: datetime) -> None:
        self.posted, self.origin, self.now = posted, origin, now
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self.alone = ingest.stands_alone(posted.event)


_brought: list[_Brought] = []


def take_in(posted: Posted, *, origin: str, now: datetime) -> Answer:
    """Store one event, with those that others wait with, or nothing; the answer or the reason for the refusal."""
    mine = _Brought(posted, origin=origin, now=now)
    _brought.append(mine)
    with _counter:
        if mine.answer is None and mine.failure is None:
            _take_in_with(mine)
    if mine.failure is not None:
        raise mine.failure
    assert mine.answer is not None
    return mine.answer


def _take_in_with(mine: _Brought) -> None:
    group = [mine] if mine.alone else [mine, *_others(mine)]
    for each in group:
        if each in _brought:
            _brought.remove(each)
    try:
        _answer(group)
    except Exception:
        if len(group) == 1:
            raise
        for each in group:
            each.alone = True
        _answer([mine])


def _others(mine: _Brought) -> list[_Brought]:
    return [each for each in _brought if each is not mine and each.origin == mine.origin and not each.alone]


def _answer(group: list[_Brought]) -> None:
    """Take them in at once; a database that is away is so for all of them, whose outcome may not be known."""
    try:
        with nullcontext() if dialect.is_postgresql() else taking_in:
            answers = ingest.accept_all(
                [each.posted for each in group], origin=group[0].origin, now=max(each.now for each in group)
            )
    except (OperationalError, InterfaceError) as error:
        for each in group:
            each.failure = error
    else:
        for each, answer in zip(group, answers, strict=True):
            each.answer = answer
