"""The states of deliveries and broadcasts: which belong together, and what may follow what. Pure.

The one table: constraints, partial indexes, statements, interventions, forms, pages and API take theirs from here.
Groups are tuples in the order in which they are written into statements and shown.
"""

from __future__ import annotations

from enum import Enum, StrEnum, unique


class DeliveryState(StrEnum):
    DUE = "due"
    CLAIMED = "claimed"
    PAUSED = "paused"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    HELD = "held"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DIGESTED = "digested"


class BroadcastState(StrEnum):
    PLANNED = "planned"
    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


_State = DeliveryState

STORED = (_State.DUE, _State.SKIPPED)
"""As the plan has it: nobody has done anything to it yet."""
OPEN = (_State.DUE, _State.CLAIMED, _State.PAUSED, _State.HELD)
"""It may still be sent."""
FINAL = tuple(state for state in _State if state not in OPEN)
"""Only a person can have it sent again."""
QUEUED = (_State.DUE, _State.PAUSED)
"""It goes on by itself, and no worker has it."""
WAITING = (*QUEUED, _State.HELD)
"""Open, and no worker has it: it can expire."""
UNDERWAY = (_State.DUE, _State.CLAIMED, _State.PAUSED)
"""Open, and waits for no person."""
DATED = (_State.SENT, _State.DELIVERED)
"""It has the time when it was sent."""
TAKEN = (*DATED, _State.UNDELIVERED)
"""The server took it, whatever became of it afterwards."""
LOST = (_State.FAILED, _State.EXPIRED)
"""No server took it, though that was wanted to the end."""
UNSUCCESSFUL = (*LOST, _State.UNDELIVERED, _State.SKIPPED)
"""It did not arrive, and nobody cancelled it."""
TROUBLE = (_State.FAILED, _State.UNDELIVERED, _State.EXPIRED, _State.HELD)
"""It needs the attention of a person."""
EXPLAINED = (_State.FAILED, _State.SKIPPED, _State.HELD)
"""It has a reason."""
UNSETTLED = (*OPEN, _State.SENT)
"""Its state may change without a person: a receipt may follow what was sent."""
RARE = (
    _State.FAILED,
    _State.HELD,
    _State.UNDELIVERED,
    _State.EXPIRED,
    _State.PAUSED,
    _State.SKIPPED,
    _State.CANCELLED,
)
"""Few deliveries are in one of these, so an index finds them in the log."""

UNPLANNED = (BroadcastState.PLANNED, BroadcastState.PLANNING, BroadcastState.PAUSED)
"""Deliveries of the broadcast may still be added."""
UNDECIDED = (BroadcastState.PLANNING, BroadcastState.RUNNING)
"""The broadcast goes on by itself."""
UNENDED = (BroadcastState.PLANNED, *UNDECIDED, BroadcastState.PAUSED)
"""The broadcast can still send something by itself, or when a person wants it."""
ENDED = (BroadcastState.FINISHED, BroadcastState.CANCELLED)


@unique
class Change(Enum):
    """What is done to deliveries: from which states, to which, and whether a person wants it. Nothing else is."""

    CLAIM = (_State.DUE,), (_State.CLAIMED,), False
    SETTLE = (_State.CLAIMED,), (_State.SENT, _State.DUE, _State.FAILED, _State.HELD), False
    GIVE_BACK = (_State.CLAIMED,), (_State.DUE,), False
    PUT_ASIDE = (_State.CLAIMED,), (_State.PAUSED, _State.HELD), False
    WITHHOLD = (_State.DUE,), (_State.PAUSED, _State.HELD), False
    EXPIRE = WAITING, (_State.EXPIRED,), False
    FOLLOW_RECEIPTS = (_State.SENT, _State.DUE, _State.HELD), (_State.DELIVERED, _State.UNDELIVERED), False
    RELEASE = (_State.PAUSED, _State.HELD), (_State.DUE,), True
    RETRY = (*UNSUCCESSFUL, _State.HELD), (_State.DUE,), True
    CANCEL = WAITING, (_State.CANCELLED,), True
    MARK_SENT = (_State.HELD,), (_State.SENT,), True

    def __init__(
        self,
        before: tuple[DeliveryState, ...],
        after: tuple[DeliveryState, ...],
        by_a_person: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        self.before, self.after, self.by_a_person = before, after, by_a_person


@unique
class BroadcastChange(Enum):
    """The same for broadcasts."""

    RUN = (BroadcastState.PLANNING,), (BroadcastState.RUNNING,), False
    FINISH = (BroadcastState.RUNNING,), (BroadcastState.FINISHED,), False
    WITHHOLD = UNDECIDED, (BroadcastState.PAUSED,), False
    PAUSE = UNDECIDED, (BroadcastState.PAUSED,), True
    RELEASE = (BroadcastState.PLANNED, BroadcastState.PAUSED), (BroadcastState.PLANNING,), True
    CANCEL = UNENDED, (BroadcastState.CANCELLED,), True

    def __init__(
        self,
        before: tuple[BroadcastState, ...],
        after: tuple[BroadcastState, ...],
        by_a_person: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        self.before, self.after, self.by_a_person = before, after, by_a_person
