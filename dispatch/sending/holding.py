"""What one drain holds: its lane, its claims and their outcomes, until each is written or given back."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import Error
from msgspec import Struct, field

from dispatch.outbox import deliveries, lanes
from dispatch.outbox.deliveries import Claim, NewText
from dispatch.rules.clock import Clock
from dispatch.rules.settlement import Settlement
from dispatch.sending import recovery
from dispatch.sending.journal import Journal
from dispatch.sending.settle import judged
from dispatch.wakeup import workers
from foundation.sql import statements
from servers.values import Limits
from transports.types import Outcome, Reason, ReasonCode, Scope, Unknown

logger = logging.getLogger(__name__)


class SilentError(Exception):
    """No sign of life was written for so long that what is held here may be another worker's by now."""


class Holding(Struct):
    """The lane of a drain with what is claimed over it, and whether the drain may go on.

    `open` are the claims without an outcome, `handed_over` those of them that the peer may have, `done` the outcomes
    that are not written yet. `stranded`: the database did not take something, so nothing more is begun; `down`: the
    server or this process gives a reason to end. `ends_at` is a time of the monotonic clock.
    """

    server_name: str
    limits: Limits
    lane: lanes.Held
    journal: Journal
    clock: Clock
    stopping: Callable[[], bool]
    ends_at: float
    renewed_at: float
    open: dict[UUID, Claim] = field(default_factory=dict)
    handed_over: set[UUID] = field(default_factory=set)
    done: list[Settlement] = field(default_factory=list)
    stranded: bool = False
    down: bool = False
    settled: int = 0

    @property
    def server_id(self) -> int:
        return self.lane.server_id

    def must_end(self) -> bool:
        late = self.clock.monotonic() > self.ends_at
        return self.down or self.stranded or late or self.stopping() or not self.surely_holds()

    def surely_holds(self) -> bool:
        """Whether the lane was renewed so lately that what is handed over now is answered within the lease.

        A process that was stopped, or whose machine slept, may have lost it meanwhile.
        """
        most = self.limits.lease - self.limits.timeout
        return self.clock.elapsed() - self.renewed_at < most.total_seconds()

    def claim(self, most: int) -> list[Claim]:
        now = self.clock.now()
        until = now + self.limits.lease
        claims = deliveries.claim_due(self.server_id, most=most, lease=self.lane.lease, lease_until=until, now=now)
        self.keep(claims)
        return claims

    def keep(self, claims: Iterable[Claim]) -> None:
        """These are what is open; the others were put aside."""
        self.open = {claim.id: claim for claim in claims}

    def begin(self, pairs: Sequence[tuple[Claim, UUID | None]], *, texts: Sequence[NewText] = ()) -> set[UUID]:
        """Count the tries that our lease still covers for more than one timeout; the others go back, if still ours."""
        now = self.clock.now()
        begun = deliveries.begin(
            [(claim.id, text_id) for claim, text_id in pairs],
            texts=texts,
            lease=self.lane.lease,
            until=now + self.limits.timeout,
            now=now,
        )
        if len(begun) < len(pairs):
            self.give_back([claim.id for claim, _ in pairs if claim.id not in begun])
        return begun

    def hand_over(self, ids: list[UUID]) -> None:
        """To be called just before the peer gets these. Raises SilentError."""
        if not (workers.surely_live() and self.surely_holds()):
            raise SilentError
        self.journal.handing_over(self.lane.lease, ids)
        self.handed_over.update(ids)

    def judge(
        self, claim: Claim, outcome: Outcome, *, duration: timedelta = timedelta(), dialogue: str = ""
    ) -> Settlement:
        now = self.clock.now()
        return judged(
            claim,
            outcome,
            limits=self.limits,
            now=now,
            started_at=now - duration,
            duration=duration,
            dialogue=dialogue,
            jitter=random.random,
        )

    def note(self, settlements: Sequence[Settlement]) -> None:
        """Keep what became of some until it is written; of what the peer may have, also beyond this process."""
        answered = [each for each in settlements if each.id in self.handed_over]
        if answered:
            self.journal.outcomes(self.lane.lease, answered)
        for each in settlements:
            self.open.pop(each.id, None)
            self.handed_over.discard(each.id)
        self.done.extend(settlements)

    def note_not_acted_upon(self, claims: Sequence[Claim]) -> None:
        """What was handed over and has no outcome though the peer has replied did not get its turn."""
        ids = [claim.id for claim in claims if claim.id in self.handed_over]
        if ids:
            self.journal.back(self.lane.lease, ids)
            self.handed_over.difference_update(ids)

    def note_unanswered(self) -> None:
        """A fault of ours: what was handed over has an unknown outcome, the rest goes back untouched."""
        reason = Reason(ReasonCode.INTERNAL_ERROR, Scope.MESSAGE, "an internal error while it was being sent")
        lost = [claim for claim in self.open.values() if claim.id in self.handed_over]
        self.note([self.judge(claim, Unknown(reason)) for claim in lost])

    def settle(self) -> None:
        """Write what became of some; what the database does not take stays noted."""
        if not self.done or self.stranded:
            return
        with self.despite_the_database():
            self.settled += deliveries.settle(
                self.done, lease=self.lane.lease, server_id=self.server_id, server_name=self.server_name
            )
            self.journal.settled(self.lane.lease, [each.id for each in self.done])
            self.done = []

    def give_back(self, ids: Iterable[UUID]) -> None:
        given = list(ids)
        if not given or self.stranded:
            return
        deliveries.give_back(given, lease=self.lane.lease)
        for delivery_id in given:
            self.open.pop(delivery_id, None)

    def renew(self) -> None:
        """One beat: the lane and what is claimed are ours for another lease. A lost lane ends the drain."""
        now = self.clock.now()
        held = [*self.open, *(each.id for each in self.done)]
        deliveries.renew(held, lease=self.lane.lease, lease_until=now + self.limits.lease)
        if not lanes.renew(self.lane, limits=self.limits, now=now):
            self.down = True
        else:
            self.renewed_at = self.clock.elapsed()

    @contextmanager
    def despite_the_database(self) -> Iterator[None]:
        """Where it fails in the block, what was handed over still gets its outcome, and nothing more is sent."""
        try:
            yield
        except Error as error:
            self.strand(error)

    def strand(self, error: Error) -> None:
        logger.warning("drain.stranded server=%s error=%s", self.server_id, type(error).__name__)
        self.stranded = True
        statements.drop_connection()

    def end(self) -> None:
        """Leave nothing claimed, and the lane; what the database does not take now it gets as soon as it does."""
        claims = bool(self.open) or self.stranded
        remainder = recovery.Remainder(self.lane, self.server_name, self.done, claims)
        if not self.stranded:
            try:
                self.settled += remainder.write()
            except Error as error:
                self.strand(error)
                remainder.claims = True
        if self.stranded:
            recovery.keep(remainder, clock=self.clock)
        self.open.clear()
