"""Every broken SMTP set-up that Test Configuration names, as a peer on loopback.

`python -m tests.wire.broken_setups` tests each one and prints the table of docs/smtp-test-configuration.md.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.wire.certificates import Authority
from tests.wire.scripted import Peer, Received, Script, Talk, honest
from transports.smtp import testing
from transports.stages import Stage
from transports.types import AddressKind, Message, Recipient

PATIENCE, NEVER = 2, 120
"""Seconds until a time-out: of a set-up that leads to one, and of all others, which do not wait for it."""
MESSAGE = Message(UUID(int=1), "Test", "It works.\n", datetime(2026, 11, 22, tzinfo=UTC))
ANNA = Recipient(AddressKind.MAIL, "anna@example.org")
SIGNED_IN = {"authentication": True, "username": "anna"}
AUTH = ("PIPELINING", "AUTH PLAIN LOGIN")


@dataclass(frozen=True)
class Setup:
    """`peer` opens what is broken and gives the port; `fields` are the server's settings; `waits`: for a time-out."""

    name: str
    stage: str
    code: str
    peer: Callable[[Authority], Any]
    fields: dict[str, Any] = field(default_factory=dict)
    trusted: bool = True
    waits: bool = False


@dataclass(frozen=True)
class Seen:
    stage: Stage
    seconds: float
    connections: int


def see(setup: Setup, *, authority: Authority) -> Seen:
    """Test it as the console does: server, channel, stages."""
    from servers.models import SmtpServer  # noqa: PLC0415 - as above
    from servers.smtp import channel  # noqa: PLC0415 - Django is not set up when this module is read

    with setup.peer(authority) as (port, peer):
        fields = {
            "host": "127.0.0.1",
            "port": port,
            "timeout": PATIENCE if setup.waits else NEVER,
            "from_email": "noreply@example.com",
        }
        server = SmtpServer(**fields | {"ca_bundle": authority.pem if setup.trusted else ""} | setup.fields)
        server.password = server._meta.get_field("password").to_python("not the right one")
        began = time.perf_counter()
        *_, last = testing.run(channel.config(server), message=MESSAGE, to=ANNA, policy=channel.policy())
        return Seen(last, time.perf_counter() - began, peer.connections if peer else 0)


@contextmanager
def nothing(authority: Authority) -> Iterator[tuple[int, None]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield port, None


@contextmanager
def filtered(authority: Authority) -> Iterator[tuple[int, None]]:
    """A listener whose queue is full drops every further connection, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1], None
        for client in waiting:
            client.close()


def _speaking(make: Callable[[Authority], Script]) -> Callable[[Authority], Any]:
    @contextmanager
    def opened(authority: Authority) -> Iterator[tuple[int, Peer]]:
        with Peer(make(authority)) as peer:
            yield peer.port, peer

    return opened


def _answering(*, features: tuple[str, ...] = AUTH, sign_in: str = "", **answers: str) -> Callable[[Authority], Any]:
    said = (lambda talk, line: sign_in) if sign_in else None
    return _speaking(lambda authority: honest(Received(), features=features, sign_in=said, answers=answers))


def _over_tls(**certificate: Any) -> Callable[[Authority], Any]:
    return _speaking(lambda authority: _secured(authority.server(**certificate)))


def _secured(context: ssl.SSLContext) -> Script:
    def script(talk: Talk) -> None:
        with suppress(ssl.SSLError):
            talk.secure(context)
            honest(Received())(talk)

    return script


def _old_tls(authority: Authority) -> Script:
    context = authority.server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return _secured(context)


def _starttls(authority: Authority) -> Script:
    return honest(Received(), features=("STARTTLS",), tls=authority.server(days=-1))


MICROSOFT = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
NO_HELLO = "503 5.5.2 Send hello first"
SSL = {"security": "ssl"}
TLS = {"security": "tls"}
SETUPS = (
    Setup("name does not resolve", "resolve", "name_not_resolved", nothing, {"host": "mail.nowhere.invalid"}),
    Setup("port closed", "connect", "connection_refused", nothing),
    Setup("port filtered", "connect", "connect_timeout", filtered, waits=True),
    Setup("plain spoken to a TLS port", "banner", "timeout", _over_tls(), waits=True),
    Setup("TLS spoken to a plain port", "tls", "tls_failed", _answering(), SSL),
    Setup("STARTTLS missing", "tls", "starttls_missing", _answering(), TLS),
    Setup("certificate expired", "tls", "certificate_invalid", _over_tls(days=-1), SSL),
    Setup("certificate expired (STARTTLS)", "tls", "certificate_invalid", _speaking(_starttls), TLS),
    Setup("certificate self-signed", "tls", "certificate_invalid", _over_tls(self_signed=True), SSL),
    Setup("certificate for another name", "tls", "certificate_invalid", _over_tls(name="other.example"), SSL),
    Setup("certificate of an unknown authority", "tls", "certificate_invalid", _over_tls(), SSL, trusted=False),
    Setup("old TLS only", "tls", "tls_failed", _speaking(_old_tls), SSL),
    Setup(
        "greeting refused (no PTR record)",
        "banner",
        "greeting_refused",
        _answering(BANNER="554 mx.example.net ESMTP Bad DNS PTR resource record for 203.0.113.5"),
    ),
    Setup(
        "too many connections",
        "banner",
        "throttled",
        _answering(BANNER="421 mx.example.net too many connections from your host"),
    ),
    Setup(
        "EHLO with an address refused",
        "ehlo",
        "service_unavailable",
        _answering(EHLO="421 4.7.0 Try again later, closing connection. (EHLO)"),
    ),
    Setup(
        "AUTH only as X-EXPS",
        "authenticate",
        "auth_not_offered",
        _answering(features=("X-EXPS GSSAPI NTLM LOGIN",)),
        SIGNED_IN,
    ),
    Setup("commands in the wrong order", "sender", "protocol_error", _answering(features=(), MAIL=NO_HELLO)),
    Setup("AUTH not offered", "authenticate", "auth_not_offered", _answering(features=("PIPELINING",)), SIGNED_IN),
    Setup(
        "wrong password",
        "authenticate",
        "credentials_refused",
        _answering(sign_in="535 5.7.8 Error: authentication failed"),
        SIGNED_IN,
    ),
    Setup(
        "password sign-in switched off (Microsoft 365)",
        "authenticate",
        "basic_auth_disabled",
        _answering(sign_in=MICROSOFT),
        SIGNED_IN,
    ),
    Setup("sign-in wanted", "sender", "auth_required", _answering(MAIL="530 5.7.57 Client not authenticated")),
    Setup("sender refused", "sender", "sender_refused", _answering(MAIL="550 5.7.60 SMTP; Client does not have ...")),
    Setup("relay denied", "recipient", "relay_denied", _answering(RCPT="554 5.7.1 <anna>: Relay access denied")),
    Setup("greylisted", "recipient", "greylisted", _answering(RCPT="450 4.2.0 <anna>: Greylisted, try again")),
    Setup("tarpit", "sender", "timeout", _answering(features=("SIZE 100000",), MAIL="hang"), waits=True),
    Setup("too big (SIZE)", "sender", "message_too_big", _answering(features=("SIZE 100",))),
    Setup("too big (after the mail)", "accepted", "message_too_big", _answering(END="552 5.3.4 Message too big")),
)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xmnotify.settings")
    os.environ["XMNOTIFY_SMTP_PORTS"] = "any"
    socket.gethostname = lambda: "vm"  # no full name, so the address is what servers are greeted with
    import django  # noqa: PLC0415 - its settings stand in the environment just now

    django.setup()
    print("| set-up | stage | cause | hint | time |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        for setup in SETUPS:
            seen = see(setup, authority=authority)
            took = f"{seen.seconds:.3f} s"
            print(f"| {setup.name} | {seen.stage.name} | {seen.stage.cause} | {seen.stage.hint} | {took} |", flush=True)


if __name__ == "__main__":
    main()
