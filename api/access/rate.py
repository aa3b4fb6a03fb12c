"""How many events a key may post: a token bucket, which lies in the key's row so that all processes share it.

A process takes the tokens of one second out of the row and spends them by itself, so that not every event writes there.
What it has not spent when it ends is lost to the key, which is a second's worth at most.
"""

from __future__ import annotations

import math
import threading
from datetime import datetime
from http import HTTPStatus

from django.db import transaction
from msgspec import Struct

from api.kit.callers import Caller
from api.kit.problems import ProblemError
from api.models import ApiKey


class _Share:
    """What this process has taken out and not spent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tokens = 0


class _Withdrawn(Struct, frozen=True):
    """`tokens` taken out of the row; none where they did not reach, `seconds` before they will."""

    tokens: int = 0
    seconds: int = 0


_shares: dict[int, _Share] = {}


def spend(caller: Caller, *, events: int, now: datetime) -> None:
    """Take the tokens of so many events. Raises ProblemError (429) and takes none where there are not as many.

    A batch that is larger than the burst is let in when the bucket is full, and the tokens that it lacked are owed.
    """
    if caller.key is None or not caller.key.rate:
        return
    share = _shares.setdefault(caller.key.pk, _Share())
    with share.lock:
        if share.tokens < events:
            lacking = events - share.tokens
            taken = _withdraw(caller.key.pk, least=lacking, more=caller.key.rate, now=now)
            if not taken.tokens:
                raise _too_many(caller.key.rate, seconds=taken.seconds)
            share.tokens += taken.tokens
        share.tokens -= events


def _withdraw(pk: int, *, least: int, more: int, now: datetime) -> _Withdrawn:
    """`least` tokens, and up to `more` where there are."""
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(pk=pk)
        there = _filled(row, now=now)
        if there < min(least, row.burst):
            return _Withdrawn(seconds=math.ceil((min(least, row.burst) - there) / row.rate_limit))
        taken = max(least, min(least + more, there))
        at = max(now, row.tokens_at or now)
        ApiKey.objects.filter(pk=pk).update(tokens=there - taken, tokens_at=at)
    return _Withdrawn(tokens=taken)


def _filled(row: ApiKey, *, now: datetime) -> int:
    """The tokens by now, to the second's fraction that makes a whole one; clocks of several machines may differ."""
    if row.tokens_at is None:
        return row.burst
    seconds = max(0.0, (now - row.tokens_at).total_seconds())
    return min(row.burst, row.tokens + int(seconds * row.rate_limit))


def _too_many(rate: int, *, seconds: int) -> ProblemError:
    detail = f"This key may post {rate} events a second in the long run; nothing was taken. Send this again later."
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, detail, retry_after=max(1, seconds))
