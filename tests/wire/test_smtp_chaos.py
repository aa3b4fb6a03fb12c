"""Whatever a server answers, what is reported of a mail is what became of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.wire.scripted import Peer, Received, honest
from transports.net.guard import Policy
from transports.smtp.channel import SmtpChannel, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.types import AddressKind, Message, Recipient, Sent, Unknown, Wire

FEATURES = (("SIZE 100000",), ("PIPELINING", "SIZE 100000"))
ODD = {
    "MAIL": [
        "450 4.2.2 later",
        "550 5.1.8 no",
        "421 4.3.2 bye",
        "drop",
        "452 4.3.1 full",
        "503 5.5.1 bad sequence",
        "451 per session",
        "354 what",
    ],
    "RCPT": [
        "550 5.1.1 no",
        "450 4.2.2 full",
        "452 4.5.3 too many",
        "421 bye",
        "drop",
        "259 perhaps",
        "550-a\n550 b",
        "503 5.5.1 what",
        "354 what",
    ],
    "DATA": [
        "554 5.5.1 no",
        "451 4.3.0 later",
        "421 bye",
        "drop",
        "354 go on",
        "554 too many recipients",
        "452 4.4.5 per session",
        "250 ok",
        "503 what",
    ],
    "END": ["554 5.6.0 spam", "451 4.3.0 later", "421 4.3.2 bye", "drop", "552 5.3.4 too big", "250-one\n250 two"],
    "RSET": ["500 what", "421 bye", "drop"],
}


class Moody:
    """Answers oddly now and then; `ends` are the replies to the mails, in the order of `received.mails`."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._odds = self._dice.choice([0.02, 0.1, 0.4])
        self.received = Received()
        self.ends: list[str] = []
        answers = {verb: self._answering(verb) for verb in ODD}
        self.script = honest(self.received, features=self._dice.choice(FEATURES), answers=answers)

    def _answering(self, verb: str) -> object:
        def answer(line: str) -> str:
            odd = self._dice.random() < self._odds
            said = self._dice.choice(ODD[verb]) if odd else ""
            if verb == "END":
                self.ends.append(said or "250")
            return said

        return answer

    def given(self, end: str) -> list[tuple[str, str]]:
        """Which mail for whom was answered so. An empty one ends a transaction that nobody is to get."""
        return [
            (_number(mail), address)
            for (addresses, mail), said in zip(self.received.mails, self.ends, strict=True)
            for address in addresses
            if mail and said.startswith(end)
        ]


def _number(mail: bytes) -> str:
    return mail.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_what_became_of_it(seed: int) -> None:
    dice = random.Random(seed)
    server = Moody(seed)
    with Peer(server.script) as peer:
        limit = dice.choice([0, 0, 3])
        settings: dict[str, Any] = {
            "port": peer.port,
            "timeout": timedelta(seconds=30),
            "messages_per_connection": limit,
        }
        channel = SmtpChannel(SmtpConfig("127.0.0.1", "noreply@example.com", **settings), policy=Policy(private=True))
        wires = [_wire(channel, number, recipients=dice.choice([1, 1, 3, 130])) for number in range(12)]
        connection = channel.connect()
        assert isinstance(connection, SmtpConnection)
        results = {id(wire): result for wire, result in connection.send(wires)}
        connection.close()
    outcomes = {
        (str(number), recipient.address): outcome
        for number, wire in enumerate(wires)
        if id(wire) in results
        for recipient, outcome in zip(wire.to, results[id(wire)].outcomes, strict=True)
    }
    taken = server.given("250")
    assert len(taken) == len(set(taken)), "nobody has a mail twice"
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, Sent)} == set(taken)
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, Unknown)} == set(server.given("drop"))


def _wire(channel: SmtpChannel, number: int, *, recipients: int) -> Wire:
    to = tuple(Recipient(AddressKind.MAIL, f"user{number}-{index}@example.org") for index in range(recipients))
    message = Message(UUID(int=number + 1), str(number), "Hi\n.\n", datetime(2026, 11, 22, tzinfo=UTC))
    wire = channel.prepare(message, to)
    assert isinstance(wire, Wire)
    return wire
