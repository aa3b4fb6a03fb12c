"""A group of claims goes over the connection, and its results are judged as they come, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from dispatch.outbox import lanes, trouble
from dispatch.outbox.deliveries import Claim
from dispatch.sending import pace, preparing
from dispatch.sending.holding import Holding
from dispatch.sending.preparing import Ready
from dispatch.sending.session import Session
from dispatch.sending.streaks import Streaks
from transports.types import Deferred, Outcome, Reason, Rejected, Result, Scope, Unknown, Wire

SETTLE_AFTER = timedelta(seconds=1)


class Exchange(Struct):
    """Sends what a drain holds over its session; `streaks` compares the answers with each other."""

    holding: Holding
    session: Session
    streaks: Streaks

    def connect(self) -> bool:
        """Open the connection if there is none. A failure is charged to one delivery alone; the others wait.

        Nobody signs in where another lane was refused since this one was taken.
        """
        holding, session = self.holding, self.session
        if session.connection:
            return True
        if session.server.signs_in and lanes.look(holding.lane, now=holding.clock.now()) is None:
            holding.down = True
            return False
        started = holding.clock.monotonic()
        refused = session.open(clock=holding.clock)
        if refused is None:
            return True
        duration = timedelta(seconds=holding.clock.monotonic() - started)
        first = next(iter(holding.open.values()))
        self.meet(refused.reason, retry_after=refused.retry_after)
        holding.give_back([other for other in holding.open if other != first.id])
        if holding.begin([(first, first.text_id)]):
            holding.note([holding.judge(first, refused, duration=duration)])
            holding.settle()
        return False

    def send(self, group: Sequence[Claim]) -> None:
        """Prepare, begin and send a group; the connection is open."""
        holding = self.holding
        ready, refused = preparing.prepare(group, channel=self.session.channel, limits=holding.limits)
        count = sum(len(envelope.claims) for envelope, _ in ready)
        if not pace.wait_for_turn(count, server_id=holding.server_id, limits=holding.limits, clock=holding.clock):
            holding.down = True
            return
        texts = [envelope.new_text for envelope, _ in ready if envelope.new_text]
        pairs: list[tuple[Claim, UUID | None]]
        pairs = [(claim, envelope.message.key) for envelope, _ in ready for claim in envelope.claims]
        pairs += [(claim, claim.text_id) for claim, _ in refused]
        begun = holding.begin(pairs, texts=texts)
        if len(begun) < len(pairs):
            refused = [(claim, reason) for claim, reason in refused if claim.id in begun]
            ready = [each for each in ready if all(claim.id in begun for claim in each[0].claims)]
        holding.note([holding.judge(claim, Rejected(reason)) for claim, reason in refused])
        self._exchange(ready)

    def meet(self, reason: Reason, *, retry_after: timedelta | None) -> None:
        """The server is in trouble: this drain ends, and the others pause with it."""
        holding = self.holding
        holding.down = True
        trouble.meet(
            holding.server_id, reason, retry_after=retry_after, probing=holding.lane.probing, now=holding.clock.now()
        )

    def _exchange(self, whole: Ready) -> None:
        """Send the wires; settle their results in groups, a moment after the replies, and whatever happens then."""
        holding, connection = self.holding, self.session.connection
        assert connection is not None
        waiting, lost = {id(wire): envelope for envelope, wire in whole}, False
        last = holding.clock.monotonic()

        def handing_over(wire: Wire, to: Sequence[int]) -> None:
            holding.hand_over([waiting[id(wire)].claims[position].id for position in to])

        if whole:
            for wire, result in connection.send(self._until_the_end(whole), handing_over=handing_over):
                self._take(waiting.pop(id(wire)).claims, result)
                lost = lost or any(isinstance(outcome, Unknown) for outcome in result.outcomes)
                if holding.clock.monotonic() - last > SETTLE_AFTER.total_seconds():
                    holding.settle()
                    last = holding.clock.monotonic()
        holding.note_unanswered()
        holding.settle()
        with holding.despite_the_database():
            self.session.learn(now=holding.clock.now())
        if whole and len(waiting) == len(whole) and not holding.must_end():
            raise RuntimeError("the connection answered for no message at all")
        if lost or waiting:
            left = [claim.id for envelope in waiting.values() for claim in envelope.claims if claim.id in holding.open]
            holding.give_back(left)
            self.session.close()

    def _until_the_end(self, whole: Ready) -> Iterator[Wire]:
        """The wires, as long as there is time: a slow server must not keep a worker from stopping."""
        for _, wire in whole:
            if self.holding.must_end():
                return
            yield wire

    def _take(self, claims: Sequence[Claim], result: Result) -> None:
        """Judge one wire. When the server itself is in trouble, only the first recipient is charged with it.

        Who did not get a turn is given back with all that is still open once the claims are through. What the peer may
        have taken is noted before the database hears of the trouble; what it refused is compared with what it refused
        before.
        """
        holding, streaks = self.holding, self.streaks
        settlements = []
        found: Deferred | Rejected | None = None
        outcomes: Sequence[Outcome] = result.outcomes
        with holding.despite_the_database():
            outcomes = streaks.weigh(claims, outcomes, now=holding.clock.now())
        for claim, outcome in zip(claims, outcomes, strict=True):
            if isinstance(outcome, Deferred) and not outcome.charged:
                continue
            if isinstance(outcome, Deferred | Rejected) and outcome.reason.scope is Scope.SERVER:
                if found:
                    continue
                found = outcome
            settlements.append(holding.judge(claim, outcome, duration=result.duration, dialogue=result.dialogue))
        holding.note(settlements)
        holding.note_not_acted_upon(claims)
        with holding.despite_the_database():
            streaks.see(result.outcomes, now=holding.clock.now())
            if streaks.trouble and not holding.down:
                self.meet(streaks.trouble, retry_after=None)
            if streaks.withholds:
                holding.ends_at = -math.inf  # what is claimed has to be looked at anew
            if found:
                self.meet(found.reason, retry_after=found.retry_after if isinstance(found, Deferred) else None)
