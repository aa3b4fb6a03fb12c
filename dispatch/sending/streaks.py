"""What one drain sees in the answers of its server that says something about more than the message at hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs

from dispatch.outbox import trouble, withheld
from dispatch.outbox.deliveries import Claim
from dispatch.outbox.trouble import Standing
from dispatch.rules import alike
from dispatch.rules.alike import Blame, Refused
from servers.values import Limits
from transports.types import ChannelKind, Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

_accepted_at: dict[int, datetime] = {}
"""When a server last accepted a message of this process, so that its lanes know of each other without a write."""


class Streaks(Struct):
    """`counting`: the server's row counts lost answers or refusals; `code` is what it is paused for.

    `trouble` is what they have come to for the server, `withholds` whether they have for a broadcast or a text.
    """

    server_id: int
    server_name: str
    limits: Limits
    code: str
    counting: bool
    trouble: Reason | None = None
    withholds: bool = False
    accepted: bool = False
    answered: bool = False

    def weigh(self, claims: Sequence[Claim], outcomes: Sequence[Outcome], *, now: datetime) -> Sequence[Outcome]:
        """The outcomes of one message over the connection; returns what they are to be judged by.

        What every message is refused with is put off instead, and fails none.
        """
        if any(isinstance(outcome, Sent | Unknown) for outcome in outcomes):
            return outcomes
        return [self._answer(claim, outcome, now=now) for claim, outcome in zip(claims, outcomes, strict=True)]

    def see(self, outcomes: Sequence[Outcome], *, now: datetime) -> None:
        """Whether one message was accepted or its answer lost."""
        if any(isinstance(outcome, Sent) for outcome in outcomes):
            self._accept(now)
        elif lost := [outcome for outcome in outcomes if isinstance(outcome, Unknown)]:
            self._lose(lost[0].reason, now=now)

    def heed(self, standing: Standing) -> None:
        """How the server stands by now: another lane may have begun to count since a message was accepted here."""
        if standing.streak and self.accepted:
            trouble.end_streaks(self.server_id)
        self.counting = standing.streak and not self.accepted
        self.accepted = False

    def has_recovered(self) -> bool:
        """Whether what a probe showed ends what the server was paused for."""
        if self.code == ReasonCode.ANSWERS_LOST:
            return self.accepted
        return self.answered or self.code != ReasonCode.REFUSED_ALIKE

    def _accept(self, now: datetime) -> None:
        self.accepted = self.answered = True
        _accepted_at[self.server_id] = now
        if self.counting:
            trouble.end_streaks(self.server_id)
            self.counting = False

    def _lose(self, reason: Reason, *, now: datetime) -> None:
        self.accepted, self.counting = False, True
        if trouble.lose_answer(self.server_id, answered_at=_accepted_at.get(self.server_id), now=now):
            self.trouble = Reason(ReasonCode.ANSWERS_LOST, Scope.SERVER, reason.detail)

    def _answer(self, claim: Claim, outcome: Outcome, *, now: datetime) -> Outcome:
        self.answered = True
        if not isinstance(outcome, Deferred | Rejected) or not self._is_counted(claim, outcome):
            return outcome
        reason = outcome.reason
        refused = Refused(
            to=alike.digest(claim.to.address),
            at=now.isoformat(),
            broadcast=str(claim.broadcast_id) if claim.broadcast_id else None,
            version=claim.template_version_id,
        )
        self.accepted, self.counting = False, True
        words, accepted_at = alike.words_of(reason, to=claim.to), _accepted_at.get(self.server_id)
        kind = trouble.refuse(self.server_id, words, refused, accepted_at=accepted_at, now=now)
        if not kind["full"]:
            return outcome
        self._blame(alike.blame([*kind["by"], refused]), refused, reason, channel=claim.channel, now=now)
        return Deferred(structs.replace(reason, code=ReasonCode.REFUSED_ALIKE))

    def _is_counted(self, claim: Claim, outcome: Deferred | Rejected) -> bool:
        """Whether it would fail the message, or the server is paused for such refusals."""
        if isinstance(outcome, Deferred) and not outcome.charged:
            return False
        last = isinstance(outcome, Rejected) or claim.tries + 1 >= self.limits.max_attempts
        return (last or self.code == ReasonCode.REFUSED_ALIKE) and alike.is_counted(outcome.reason)

    def _blame(self, blame: Blame, refused: Refused, reason: Reason, *, channel: ChannelKind, now: datetime) -> None:
        if blame is Blame.SERVER:
            self.trouble = Reason(ReasonCode.REFUSED_ALIKE, Scope.SERVER, reason.detail)
        else:
            withheld.begin(blame, refused, reason, channel=channel, server_name=self.server_name, now=now)
            self.withholds = True


def forget() -> None:
    """Drop what this process remembers of its servers."""
    _accepted_at.clear()
