"""Peers that break the rules, and mail that tries to."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

import pytest

from tests import waiting
from tests.wire.certificates import Authority
from tests.wire.scripted import Peer, Received, Script, Talk, honest
from transports.net.guard import Policy
from transports.smtp.channel import Security, SmtpChannel, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.types import (
    AddressKind,
    Deferred,
    Message,
    ReasonCode,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
)

TIMEOUT = 2
ALL = ("PIPELINING", "SIZE 20000000", "8BITMIME", "SMTPUTF8")


def channel(peer: Peer, *, timeout: float = 30) -> SmtpChannel:
    config = SmtpConfig("127.0.0.1", "noreply@example.com", port=peer.port, timeout=timedelta(seconds=timeout))
    return SmtpChannel(config, policy=Policy(private=True))


def recipients(*addresses: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(AddressKind.MAIL, address) for address in addresses)


ANNA = recipients("anna@example.org")


def message(text: str = "Hello\n", *, visible_to: tuple[Recipient, ...] = ()) -> Message:
    return Message(UUID(int=1), "Hi", text, datetime(2026, 11, 22, tzinfo=UTC), visible_to=visible_to)


def send(peer: Peer, *messages: Message, to: tuple[Recipient, ...] = ANNA, timeout: float = 30) -> list[Result]:
    chosen = channel(peer, timeout=timeout)
    wires = [chosen.prepare(each, to) for each in messages]
    prepared = [wire for wire in wires if isinstance(wire, Wire)]
    assert len(prepared) == len(wires)
    connection = chosen.connect()
    assert isinstance(connection, SmtpConnection), connection
    results = [result for _, result in connection.send(prepared)]
    connection.close()
    return results


def trickle(talk: Talk, *, stop: threading.Event) -> None:
    """An endless reply, a byte at a time, each well within the time limit."""
    for octet in itertools.cycle(b"250-slow\r\n"):
        talk.connection.sendall(bytes([octet]))
        if stop.wait(TIMEOUT / 10):
            return


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_trickle_cannot_stretch_the_time_limit(stop: threading.Event) -> None:
    with Peer(lambda talk: trickle(talk, stop=stop)) as peer:
        began = time.monotonic()
        refused = channel(peer, timeout=TIMEOUT).connect()
        took = time.monotonic() - began
        stop.set()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.TIMEOUT
    assert took >= TIMEOUT * 0.9


def test_a_trickle_after_the_final_dot_is_unknown(stop: threading.Event) -> None:
    def script(talk: Talk) -> None:
        answers = {"END": lambda _: trickle(talk, stop=stop) or "drop"}
        honest(Received(), answers=answers)(talk)

    with Peer(script) as peer:
        (result,) = send(peer, message(), timeout=TIMEOUT)
        stop.set()
    assert isinstance(result.outcomes[0], Unknown)


def test_a_server_that_stops_reading_has_not_got_the_mail(stop: threading.Event) -> None:
    def script(talk: Talk) -> None:
        def fall_asleep(_: str) -> str:
            talk.say("354 go on")
            stop.wait(waiting.PATIENCE)
            return "drop"

        honest(Received(), features=ALL, answers={"DATA": fall_asleep})(talk)

    with Peer(script) as peer:
        (result,) = send(peer, message("x" * 77 + "\n" + ("y" * 77 + "\n") * 200_000), timeout=TIMEOUT)
        stop.set()
    (outcome,) = result.outcomes
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.reason.scope) == (ReasonCode.TIMEOUT, Scope.SERVER)


def test_a_server_that_refuses_during_the_mail_and_hangs_up_is_heard() -> None:
    def script(talk: Talk) -> None:
        def refuse(_: str) -> str:
            talk.say("354 go on")
            talk.connection.recv(1000)
            talk.say("552 5.3.4 too big")
            talk.connection.shutdown(1)
            while talk.connection.recv(65536):
                pass
            return "drop"

        honest(Received(), answers={"DATA": refuse})(talk)

    with Peer(script) as peer:
        (result,) = send(peer, message(("y" * 77 + "\n") * 1000))
    (outcome,) = result.outcomes
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code is ReasonCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize(
    "greeting", [b"220-" + b"x" * 200_000, b"220-more\r\n" * 20_000, b"SSH-2.0-x\r\n", b"\0\1\2\r\n", b"99\r\n"]
)
def test_what_is_no_reply_does_not_fill_the_memory(greeting: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.connection.sendall(greeting)
        talk.line()

    with Peer(script) as peer:
        refused = channel(peer).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "text",
    [
        "a\n.\nMAIL FROM:<eve@example.org>\nRCPT TO:<bob@example.org>\nDATA\n",
        "a\r.\rMAIL FROM:<eve@example.org>\r",
        "a\n.\rMAIL FROM:<eve@example.org>\n",
        "a\r\n.\r\nMAIL FROM:<eve@example.org>\r\n",
        "a\r.\r\nb",
        "\n.",
        ".",
    ],
)
@pytest.mark.parametrize("features", [("SIZE 100000",), ALL], ids=["plain", "pipelined"])
def test_a_text_cannot_smuggle_in_a_second_mail(text: str, features: tuple[str, ...]) -> None:
    received = Received()
    with Peer(honest(received, features=features)) as peer:
        results = send(peer, message(text), message("the next"))
    assert [type(result.outcomes[0]) for result in results] == [Sent, Sent]
    assert len(received.mails) == 2
    assert not any("eve@" in command for command in received.commands)
    arrived = received.mails[0][1].partition(b"\r\n\r\n")[2].decode()
    assert arrived.replace("\r\n", "\n").rstrip("\n") == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def test_an_address_outside_ascii_needs_smtputf8() -> None:
    received = Received()
    with Peer(honest(received, features=("PIPELINING", "8BITMIME"))) as peer:
        (result,) = send(peer, message(), to=recipients("anna@example.org", "zoë@example.org"))
    sent, refused = result.outcomes
    assert isinstance(sent, Sent)
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.SMTPUTF8_MISSING, Scope.RECIPIENT)
    assert received.mails[0][0] == ("anna@example.org",)


def test_smtputf8_is_used_where_it_is_offered_and_needed() -> None:
    received = Received()
    with Peer(honest(received, features=ALL)) as peer:
        (result,) = send(peer, message(), to=recipients("zoë@bücher.example"))
    assert isinstance(result.outcomes[0], Sent)
    assert received.mails[0][0] == ("zoë@xn--bcher-kva.example",)
    mail = next(command for command in received.commands if command.startswith("MAIL"))
    assert mail.endswith(" BODY=8BITMIME SMTPUTF8")


@pytest.mark.parametrize("features", [(), ("PIPELINING",)], ids=["plain", "pipelined"])
def test_a_visible_address_outside_ascii_costs_nobody_else_the_mail(features: tuple[str, ...]) -> None:
    received = Received()
    shown = recipients("anna@example.org", "zoë@example.org")
    with Peer(honest(received, features=features)) as peer:
        (first,) = send(peer, message(visible_to=shown))
        (both,) = send(peer, message(visible_to=shown), to=shown)
    assert isinstance(first.outcomes[0], Sent)
    sent, refused = both.outcomes
    assert isinstance(sent, Sent)
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.SMTPUTF8_MISSING, Scope.RECIPIENT)
    assert [to for to, _ in received.mails] == [("anna@example.org",)] * 2
    for _, mail in received.mails:
        assert mail.isascii()
        read = message_from_bytes(mail, policy=policy.default)
        assert read.defects == []
        assert [address.addr_spec for address in read["To"].addresses] == ["anna@example.org"]
        assert "zoë@example.org" in str(read["To"])


def test_a_visible_address_outside_ascii_is_shown_where_it_can_be() -> None:
    received = Received()
    with Peer(honest(received, features=ALL)) as peer:
        (result,) = send(peer, message(visible_to=recipients("anna@example.org", "zoë@example.org")))
    assert isinstance(result.outcomes[0], Sent)
    assert "To: anna@example.org,\r\n zoë@example.org\r\n" in received.mails[0][1].decode()


def test_a_sender_outside_ascii_that_every_mail_has_is_the_servers_trouble() -> None:
    received = Received()
    with Peer(honest(received, features=())) as peer:
        config = SmtpConfig("127.0.0.1", "zoë@example.com", port=peer.port, timeout=timedelta(seconds=30))
        chosen = SmtpChannel(config, policy=Policy(private=True))
        wire = chosen.prepare(message(), ANNA)
        connection = chosen.connect()
        assert isinstance(wire, Wire)
        assert isinstance(connection, SmtpConnection)
        ((_, result),) = connection.send([wire])
        connection.close()
    (waits,) = result.outcomes
    assert isinstance(waits, Deferred)
    assert (waits.reason.code, waits.reason.scope) == (ReasonCode.SMTPUTF8_MISSING, Scope.SERVER)
    assert received.mails == []


def test_a_domain_outside_ascii_needs_no_extension() -> None:
    received = Received()
    with Peer(honest(received, features=())) as peer:
        (result,) = send(peer, message(), to=recipients("anna@bücher.example"))
    assert isinstance(result.outcomes[0], Sent)
    assert received.mails[0][0] == ("anna@xn--bcher-kva.example",)


def test_a_mail_over_the_size_limit_is_refused_and_the_next_goes() -> None:
    received = Received()
    with Peer(honest(received, features=("PIPELINING", "SIZE 2000"))) as peer:
        large, small = send(peer, message("x\n" * 2000), message())
    assert isinstance(large.outcomes[0], Rejected)
    assert large.outcomes[0].reason.code is ReasonCode.MESSAGE_TOO_BIG
    assert isinstance(small.outcomes[0], Sent)
    (mail,) = [command for command in received.commands if command.startswith("MAIL")]
    assert mail == f"MAIL FROM:<noreply@example.com> SIZE={len(received.mails[0][1])}"


@pytest.mark.parametrize("features", [("SIZE 100000",), ALL], ids=["plain", "pipelined"])
def test_the_recipients_over_the_servers_limit_are_for_another_mail_now(features: tuple[str, ...]) -> None:
    received = Received()
    answers = {"RCPT": ("", "", "452 4.5.3 too many recipients")}
    with Peer(honest(received, features=features, answers=answers)) as peer:
        to = recipients(*(f"user{number}@example.org" for number in range(5)))
        (result,) = send(peer, message(), to=to)
    assert [type(outcome) for outcome in result.outcomes] == [Sent, Sent, Deferred, Deferred, Deferred]
    last = result.outcomes[-1]
    assert isinstance(last, Deferred)
    assert last.reason.code is ReasonCode.TOO_MANY_RECIPIENTS
    assert last.retry_after == timedelta()


def test_a_shutdown_among_the_recipients_means_nobody_has_the_mail() -> None:
    received = Received()
    answers = {"BANNER": ("", "421 4.3.2 going down"), "RCPT": ("", "550 5.1.1 no", "421 4.3.2 going down")}
    with Peer(honest(received, answers=answers)) as peer:
        to = recipients("a@example.org", "b@example.org", "c@example.org", "d@example.org")
        (result,) = send(peer, message(), to=to)
    first, second, third, fourth = result.outcomes
    assert isinstance(second, Rejected)
    for other, charged in ((first, False), (third, True), (fourth, False)):
        assert isinstance(other, Deferred)
        assert (other.reason.scope, other.charged) == (Scope.SERVER, charged)
    assert received.mails == []


@pytest.mark.parametrize(
    ("machine", "greeted_with"),
    [
        ("notify.example.com", "notify.example.com"),
        ("vm", "[127.0.0.1]"),
        ("10.0.0.5", "[127.0.0.1]"),
        ("vm.", "[127.0.0.1]"),
        ("my_vm.example.com", "[127.0.0.1]"),
        ("büro.example.com", "[127.0.0.1]"),
        ("my host.example.com", "[127.0.0.1]"),
    ],
)
def test_a_server_is_greeted_with_a_full_name_or_an_address(
    monkeypatch: pytest.MonkeyPatch, machine: str, greeted_with: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    received = Received()
    with Peer(honest(received)) as peer:
        send(peer, message())
    assert received.commands[0].upper() == f"EHLO {greeted_with}".upper()


def test_old_servers_are_greeted_with_helo() -> None:
    received = Received()
    with Peer(honest(received, answers={"EHLO": "502 5.5.1 not known"})) as peer:
        (result,) = send(peer, message())
    assert isinstance(result.outcomes[0], Sent)


def test_a_refused_mail_shows_what_was_said_and_no_more_than_it_may() -> None:
    with Peer(honest(Received(), answers={"RCPT": "550 5.1.1 " + "no " * 1000})) as peer:
        to = recipients(*(f"user{number}@example.org" for number in range(50)))
        (result,) = send(peer, message(), to=to)
    assert result.dialogue.startswith("> RCPT TO:<user0@example.org>\n< 550 5.1.1 no no")
    assert len(result.dialogue.encode()) <= 2048


def test_over_tls_too_a_whole_mail_before_a_lost_connection_is_unknown(tmp_path: Path) -> None:
    """What follows a mail in the same write is not the mail: its loss does not mean that nobody has the mail."""
    authority = Authority(tmp_path)

    def script(talk: Talk) -> None:
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.secure(authority.server())
        answers = {"END": lambda _: reset(talk)}
        honest(Received(), features=ALL, answers=answers)(talk)

    with Peer(script) as peer:
        settings = {"security": Security.SSL, "ca_bundle": authority.pem, "timeout": timedelta(seconds=30)}
        config = SmtpConfig("127.0.0.1", "noreply@example.com", port=peer.port, **settings)
        chosen = SmtpChannel(config, policy=Policy(private=True))
        crowd = recipients(*(f"{'x' * 60}{number}@{'long.' * 30}example.org" for number in range(10, 99)))
        wires = [chosen.prepare(message(), ANNA), chosen.prepare(message(), crowd)]
        connection = chosen.connect()
        assert isinstance(connection, SmtpConnection), connection
        connection._session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        results = [result for _, result in connection.send(wire for wire in wires if isinstance(wire, Wire))]
        connection.close()
    assert [type(outcome) for result in results for outcome in result.outcomes] == [Unknown]


def reset(talk: Talk) -> str:
    """Hangs up so that what was not read is lost, and so is what was said."""
    talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return "drop"


def test_an_iterator_that_is_closed_early_ends_the_connection() -> None:
    received = Received()
    script: Script = honest(received)
    with Peer(script) as peer:
        chosen = channel(peer)
        wires = [chosen.prepare(message(), ANNA) for _ in range(5)]
        connection = chosen.connect()
        assert isinstance(connection, SmtpConnection)
        results = connection.send(wire for wire in wires if isinstance(wire, Wire))
        next(results)
        results.close()
        assert list(connection.send([wire for wire in wires if isinstance(wire, Wire)])) == []
        connection.close()
    assert len(received.mails) == 1
