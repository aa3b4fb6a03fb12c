"""What one drain sees in the answers of its server that says something about the server itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from dispatch import trouble
from dispatch.trouble import Standing
from transports.types import Outcome, Reason, ReasonCode, Scope, Sent, Unknown

_accepted_at: dict[int, datetime] = {}
"""When a server last accepted a message of this process, so that its lanes know of each other without a write."""


class Streaks(Struct):
    """`counting`: the server's row counts lost answers or refusals. `trouble` is what they have come to."""

    server_id: int
    counting: bool
    trouble: Reason | None = None
    accepted: bool = False
    answered: bool = False

    def see(self, outcomes: Sequence[Outcome], *, now: datetime) -> None:
        """The outcomes of one message over the connection."""
        if any(isinstance(outcome, Sent) for outcome in outcomes):
            self._accept(now)
            return
        lost = next((outcome for outcome in outcomes if isinstance(outcome, Unknown)), None)
        if lost is None:
            self.answered = True
        elif self._lose(now):
            self.trouble = Reason(ReasonCode.ANSWERS_LOST, Scope.SERVER, lost.reason.detail)

    def heed(self, standing: Standing) -> None:
        """How the server stands by now: another lane may have begun to count since a message was accepted here."""
        if standing.streak and self.accepted:
            trouble.end_streaks(self.server_id)
        self.counting = standing.streak and not self.accepted
        self.accepted = False

    def has_recovered(self, code: str) -> bool:
        """Whether what a probe showed ends the trouble `code`."""
        return self.accepted or code != ReasonCode.ANSWERS_LOST

    def _accept(self, now: datetime) -> None:
        self.accepted = self.answered = True
        _accepted_at[self.server_id] = now
        if self.counting:
            trouble.end_streaks(self.server_id)
            self.counting = False

    def _lose(self, now: datetime) -> bool:
        self.accepted, self.counting = False, True
        return trouble.lose_answer(self.server_id, answered_at=_accepted_at.get(self.server_id), now=now)


def forget() -> None:
    """Drop what this process remembers of its servers."""
    _accepted_at.clear()
