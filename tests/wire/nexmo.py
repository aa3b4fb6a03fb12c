"""What the tests of Nexmo's transport share: a configuration, a policy, a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from transports.net.guard import Policy
from transports.nexmo.channel import NexmoChannel
from transports.nexmo.config import NexmoConfig
from transports.types import AddressKind, Deferred, Message, Outcome, Recipient, Result, Wire

LOOPBACK = Policy(private=True)
LONDON = Recipient(AddressKind.PHONE, "+447700900123")
BOSTON = Recipient(AddressKind.PHONE, "+16175550123")
SECRET = "demo-secret"


def message(text: str = "It works.", *, number: int = 1) -> Message:
    return Message(UUID(int=number), "", text, datetime(2026, 11, 22, tzinfo=UTC))


def config(url: str, **fields: Any) -> NexmoConfig:
    return NexmoConfig(**{"key": "demo", "secret": SECRET, "base_url": url, "timeout": timedelta(seconds=30)} | fields)


def submit(url: str, *, text: str = "It works.", to: Recipient = LONDON, count: int = 1, **fields: Any) -> list[Result]:
    channel = NexmoChannel(config(url, **fields), policy=LOOPBACK)
    wires = [channel.prepare(message(text, number=number), (to,)) for number in range(1, count + 1)]
    connection = channel.connect()
    assert not isinstance(connection, Deferred), connection
    results = [result for _, result in connection.send(wire for wire in wires if isinstance(wire, Wire))]
    connection.close()
    return results


def outcome(url: str, **fields: Any) -> Outcome:
    (result,) = submit(url, **fields)
    return result.outcomes[0]
