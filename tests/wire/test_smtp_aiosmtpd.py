"""Against a server that others wrote."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from tests.wire.certificates import Authority
from transports.net.guard import Policy
from transports.smtp.channel import Credentials, Mechanism, Security, SmtpChannel, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.types import AddressKind, Deferred, Message, ReasonCode, Recipient, Sent, Wire


class Inbox:
    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        self.mails.append((envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 stored"


def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (b"anna", b"secret")
    return AuthResult(success=right, handled=False)


class Server(Controller):
    def factory(self) -> SMTP:
        return SMTP(self.handler, **self.SMTP_kwargs)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox, authority: Authority) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Server(
        inbox,
        hostname="127.0.0.1",
        port=port,
        tls_context=authority.server(),
        require_starttls=True,
        auth_required=True,
        authenticator=check,
        enable_SMTPUTF8=True,
    )
    made.start()
    yield made
    made.stop()


def config(server: Server, authority: Authority, password: str, mechanism: Mechanism) -> SmtpConfig:
    return SmtpConfig(
        "127.0.0.1",
        "noreply@example.com",
        from_name="Corporate IT",
        port=server.port,
        security=Security.TLS,
        ca_bundle=authority.pem,
        credentials=Credentials("anna", password=password, mechanism=mechanism),
        timeout=timedelta(seconds=30),
    )


@pytest.mark.parametrize("mechanism", [Mechanism.AUTO, Mechanism.PLAIN, Mechanism.LOGIN])
def test_mail_arrives_byte_for_byte(server: Server, inbox: Inbox, authority: Authority, mechanism: Mechanism) -> None:
    channel = SmtpChannel(config(server, authority, "secret", mechanism), policy=Policy(private=True))
    to = (Recipient(AddressKind.MAIL, "anna@example.org"), Recipient(AddressKind.MAIL, "zoë@example.org"))
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    wires = [
        channel.prepare(Message(UUID(int=number), "Grüße", ".\n..\nLine\n" * number, moment, html="<p>ä</p>"), to)
        for number in range(1, 4)
    ]
    connection = channel.connect()
    assert isinstance(connection, SmtpConnection), connection
    results = [result for _, result in connection.send(wire for wire in wires if isinstance(wire, Wire))]
    connection.close()
    assert all(isinstance(outcome, Sent) for result in results for outcome in result.outcomes)
    assert [content for _, content in inbox.mails] == [wire.payload for wire in wires if isinstance(wire, Wire)]
    assert inbox.mails[0][0] == ["anna@example.org", "zoë@example.org"]


def test_a_wrong_password_is_refused(server: Server, authority: Authority) -> None:
    channel = SmtpChannel(config(server, authority, "wrong", Mechanism.AUTO), policy=Policy(private=True))
    refused = channel.connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.CREDENTIALS_REFUSED
