"""When a broadcast fails too often for one reason to go on by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

LEAST = 100
"""Of fewer messages a share says nothing."""


class Tally(Struct, frozen=True):
    """How many messages of a broadcast have an outcome, and how many of them failed, by reason."""

    settled: int = 0
    failed: Mapping[str, int] = {}


def too_often(now: Tally, *, forgiven: Tally, percent: float) -> str:
    """The reason for which more than this share failed since a person last let it go on; "" where there is none.

    Whoever lets it go on is asked again after as many as there were before, so a few times at most in a large one.
    """
    settled = now.settled - forgiven.settled
    if settled < max(LEAST, forgiven.settled) or percent <= 0:
        return ""
    since = {code: number - forgiven.failed.get(code, 0) for code, number in now.failed.items()}
    worst = max(since, key=lambda code: since[code], default="")
    return worst if worst and since[worst] * 100 > percent * settled else ""
