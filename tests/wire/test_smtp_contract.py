from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.channel_contract import ChannelContract, Fate
from tests.wire.scripted import Peer, Received, honest
from transports.net.guard import Policy
from transports.smtp.channel import SmtpChannel, SmtpConfig
from transports.types import AddressKind, Recipient

REPLIES = {
    Fate.REFUSE: "550 5.1.1 no such user",
    Fate.DEFER: "450 4.2.2 mailbox full",
    Fate.GO_DOWN: "421 4.3.2 shutting down",
}


class SmtpWorld:
    """A scripted server; it is down for good once it said so, and silent after the mail of whom it is told."""

    def __init__(self, features: tuple[str, ...]) -> None:
        self.received = Received()
        self._fates: dict[str, Fate] = {}
        self._silent = False
        self._down = False
        refusals = {"BANNER": lambda _: "554 5.3.2 down" if self._down else ""}
        answers = {"RCPT": self._recipient, "END": lambda _: "drop" if self._silent else "", **refusals}
        self.peer = Peer(honest(self.received, features=features, answers=answers))

    def channel(self) -> SmtpChannel:
        return self._channel(self.peer.port)

    def dead_channel(self) -> SmtpChannel:
        return self._channel(1)

    def recipient(self, number: int) -> Recipient:
        return Recipient(AddressKind.MAIL, f"user{number}@example.org")

    def decide(self, number: int, fate: Fate) -> None:
        self._fates[self.recipient(number).address] = fate

    def taken(self) -> list[Recipient]:
        to = [address for addresses, _ in self.received.mails for address in addresses]
        return [
            Recipient(AddressKind.MAIL, address) for address in to if self._fates.get(address, Fate.TAKE) is Fate.TAKE
        ]

    def _channel(self, port: int) -> SmtpChannel:
        config = SmtpConfig("127.0.0.1", "noreply@example.com", port=port, timeout=timedelta(seconds=30))
        return SmtpChannel(config, policy=Policy(private=True))

    def _recipient(self, line: str) -> str:
        fate = self._fates.get(line.partition("<")[2].partition(">")[0], Fate.TAKE)
        self._silent = self._silent or fate is Fate.FALL_SILENT
        self._down = self._down or fate is Fate.GO_DOWN
        return REPLIES.get(fate, "")


@pytest.fixture(params=[("SIZE 100000",), ("PIPELINING", "SIZE 100000")], ids=["plain", "pipelined"])
def world(request: pytest.FixtureRequest) -> Iterator[SmtpWorld]:
    made = SmtpWorld(request.param)
    with made.peer:
        yield made


class TestSmtpChannel(ChannelContract):
    pass
