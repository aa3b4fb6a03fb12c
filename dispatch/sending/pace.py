"""How many deliveries a lane claims at a time, and when its turn comes under the server's rate limit."""

from __future__ import annotations

from datetime import timedelta

from dispatch.outbox import lanes
from dispatch.rules.clock import Clock
from servers.values import Limits

FIRST_CLAIM = 50
LEAST_CLAIMED = 10
MOST_CLAIMED = 200
AHEAD = 2.0  # seconds of work that a lane claims at a time
LONGEST_TURN = timedelta(seconds=5)
"""A lane whose turn under the rate limit is further away than this ends: fewer lanes will do."""


def first(limits: Limits) -> int:
    """How many to claim before anything is known of the server's speed."""
    return _batch(FIRST_CLAIM, limits=limits)


def following(count: int, *, seconds: float, limits: Limits) -> int:
    """What this server takes in AHEAD, after `count` took so long: a slow one leaves work for the other lanes."""
    wanted = MOST_CLAIMED if seconds * MOST_CLAIMED <= AHEAD * count else int(AHEAD * count / seconds)
    return _batch(wanted, limits=limits)


def wait_for_turn(count: int, *, server_id: int, limits: Limits, clock: Clock) -> bool:
    """Keep to the server's rate; False when other lanes have booked all turns for a while to come."""
    if not limits.rate or not count:
        return True
    wait = lanes.reserve(server_id, count, rate=limits.rate, most=LONGEST_TURN, now=clock.now())
    if wait:
        clock.sleep(wait.total_seconds())
    return wait is not None


def _batch(wanted: int, *, limits: Limits) -> int:
    """With a rate limit a second's worth at most, so that waiting for a turn fits in the lease."""
    batch = min(MOST_CLAIMED, max(LEAST_CLAIMED, wanted))
    return min(batch, max(1, int(limits.rate))) if limits.rate else batch
