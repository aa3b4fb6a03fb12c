"""What tests of an SMTP connection share: numbered mails, a channel to a peer, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.wire.scripted import Peer
from transports.net.guard import Policy
from transports.smtp.channel import SmtpChannel, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.types import AddressKind, Deferred, Learned, Message, Recipient, Rejected, Result, Wire

LOOPBACK = Policy(private=True)


@dataclass(frozen=True)
class Came:
    """One result a wire that got one, in the order of the wires, and what was learned."""

    results: list[Result]
    learned: tuple[Learned, ...]

    def brief(self) -> list[str]:
        """The kind of each recipient's outcome, its code where it has one, and a star where it is uncharged."""
        return [_brief(outcome) for result in self.results for outcome in result.outcomes]


def _brief(outcome: Any) -> str:
    name = type(outcome).__name__
    if isinstance(outcome, Deferred | Rejected):
        star = "*" if isinstance(outcome, Deferred) and not outcome.charged else ""
        return f"{name}{star} {outcome.reason.code} {outcome.reason.scope}"
    return name


def person(number: int) -> Recipient:
    return Recipient(AddressKind.MAIL, f"user{number}@example.org")


def message(number: int, *, text: str = "Hello\n.dot\n..dots\n", **fields: Any) -> Message:
    return Message(UUID(int=number + 1), f"Number {number}", text, datetime(2026, 11, 22, tzinfo=UTC), **fields)


def channel(peer: Peer, *, timeout: float = 30, per_connection: int = 0, **fields: Any) -> SmtpChannel:
    config = SmtpConfig(
        "127.0.0.1",
        "noreply@example.com",
        port=peer.port,
        timeout=timedelta(seconds=timeout),
        messages_per_connection=per_connection,
        **fields,
    )
    return SmtpChannel(config, policy=LOOPBACK)


def connected(chosen: SmtpChannel) -> SmtpConnection:
    connection = chosen.connect()
    assert isinstance(connection, SmtpConnection), connection
    return connection


def wire(chosen: SmtpChannel, number: int, *, to: tuple[Recipient, ...] = (), **fields: Any) -> Wire:
    prepared = chosen.prepare(message(number, **fields), to or (person(number),))
    assert isinstance(prepared, Wire)
    return prepared


def come(chosen: SmtpChannel, wires: list[Wire]) -> Came:
    """Send them over one connection."""
    connection = connected(chosen)
    found = {id(wire): result for wire, result in connection.send(wires)}
    connection.close()
    return Came([found[id(wire)] for wire in wires if id(wire) in found], connection.learned)


def send(peer: Peer, count: int, **fields: Any) -> Came:
    """`count` mails, each to a person of its own."""
    chosen = channel(peer, **fields)
    return come(chosen, [wire(chosen, number) for number in range(count)])
