from __future__ import annotations

import pytest

from tests.channel_contract import ChannelContract, Fate
from transports.fake import FakeChannel
from transports.types import (
    AddressKind,
    Deferred,
    Outcome,
    Reason,
    ReasonCode,
    Recipient,
    Rejected,
    Scope,
    Sent,
    Unknown,
    Wire,
)

DOWN = Deferred(Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, "down"))
OUTCOMES: dict[Fate, Outcome] = {
    Fate.TAKE: Sent(),
    Fate.REFUSE: Rejected(Reason(ReasonCode.ADDRESS_UNKNOWN, Scope.RECIPIENT, "unknown")),
    Fate.DEFER: Deferred(Reason(ReasonCode.GREYLISTED, Scope.RECIPIENT, "later")),
    Fate.GO_DOWN: DOWN,
    Fate.FALL_SILENT: Unknown(Reason(ReasonCode.NO_ANSWER, Scope.SERVER, "silence")),
}


class FakeWorld:
    def __init__(self) -> None:
        self._fates: dict[Recipient, Fate] = {}
        self._channel = FakeChannel(answer=self._answer)

    def channel(self) -> FakeChannel:
        return self._channel

    def dead_channel(self) -> FakeChannel:
        return FakeChannel(refusals=[DOWN])

    def recipient(self, number: int) -> Recipient:
        return Recipient(AddressKind.MAIL, f"user{number}@example.org")

    def decide(self, number: int, fate: Fate) -> None:
        self._fates[self.recipient(number)] = fate

    def taken(self) -> list[Recipient]:
        to = [recipient for wire in self._channel.handed_over for recipient in wire.to]
        return [recipient for recipient in to if self._fates.get(recipient, Fate.TAKE) is Fate.TAKE]

    def _answer(self, wire: Wire, recipient: Recipient) -> Outcome:
        return OUTCOMES[self._fates.get(recipient, Fate.TAKE)]


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


class TestFakeChannel(ChannelContract):
    pass


def test_refusals_come_first_and_then_it_connects() -> None:
    channel = FakeChannel(refusals=[DOWN, None])
    assert channel.connect() == DOWN
    assert not isinstance(channel.connect(), Deferred)
    assert not isinstance(channel.connect(), Deferred)
    assert channel.connections == 2
