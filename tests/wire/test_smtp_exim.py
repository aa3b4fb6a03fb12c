"""Against Exim, which speaks every mechanism but XOAUTH2; of NTLM only version 1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests import private_servers
from transports.net.guard import Policy
from transports.smtp.channel import Credentials, Mechanism, Security, SmtpChannel, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.types import (
    AddressKind,
    Deferred,
    Message,
    Outcome,
    ReasonCode,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Wire,
)

WORD = "Secret-1"
ANNA = "anna@example.org"
SETTINGS = f"""
primary_hostname = localhost
queue_only = true
queue_only_override = false
tls_advertise_hosts = *
smtp_accept_max_per_connection = 5
recipients_max = 3
chunking_advertise_hosts =
smtputf8_advertise_hosts = *
host_lookup =
keep_environment =
acl_smtp_rcpt = recipient
acl_smtp_auth = accept
begin acl
recipient:
  drop local_parts = ^dropped
       message = Administrative prohibition
  defer local_parts = ^hungup
       message = 421 not for this one
  deny local_parts = ^gone
       message = Unrouteable address
  accept domains = example.org
  accept authenticated = *
  deny message = relay not permitted
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{anna}}}}{{eq{{$auth3}}{{{WORD}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{anna}}}}{{eq{{$auth2}}{{{WORD}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{anna}}{{{WORD}}}fail}}
  server_set_id = $auth1
ntlm:
  driver = spa
  public_name = NTLM
  server_password = ${{if eq{{$auth1}}{{anna}}{{{WORD}}}fail}}
  server_set_id = $auth1
"""


@dataclass(frozen=True)
class Exim:
    folder: Path
    port: int
    tls_port: int
    bundle: str

    def config(self, *, security: Security = Security.NONE, **changes: Any) -> SmtpConfig:
        settings: dict[str, Any] = {"timeout": timedelta(seconds=10), "ca_bundle": self.bundle, **changes}
        port = self.tls_port if security is Security.SSL else self.port
        return SmtpConfig("127.0.0.1", "noreply@example.com", port=port, security=security, **settings)

    def taken(self) -> list[str]:
        """The texts of the mails in its queue, each below the name of its file."""
        return [path.read_text().partition("\n")[2] for path in (self.folder / "spool/input").rglob("*-D")]


@pytest.fixture(scope="module")
def exim(certificate: str) -> Iterator[Exim]:
    binary = private_servers.exim_binary()
    if binary is None:
        required = os.environ.get("XMNOTIFY_REQUIRE_ALL") == "1"
        (pytest.fail if required else pytest.skip)("Exim is not installed (exim4-daemon-heavy), or this is not root")
    path = Path(certificate)
    with private_servers.exim(binary, settings=SETTINGS, certificate=path) as (folder, port, tls_port):
        pem = path.read_text()
        yield Exim(folder, port, tls_port, pem[pem.index("-----BEGIN CERTIFICATE") :])


def send(config: SmtpConfig, *mails: tuple[str, tuple[str, ...]]) -> list[Result]:
    channel = SmtpChannel(config, policy=Policy(private=True))
    wires = []
    for number, (text, addresses) in enumerate(mails):
        to = tuple(Recipient(AddressKind.MAIL, address) for address in addresses)
        message = Message(UUID(int=number + 1), "Hi", text, datetime(2026, 11, 22, tzinfo=UTC))
        wires.append(channel.prepare(message, to))
    connection = channel.connect()
    assert isinstance(connection, SmtpConnection), connection
    results = [result for _, result in connection.send(wire for wire in wires if isinstance(wire, Wire))]
    connection.close()
    return results


@pytest.mark.parametrize("security", Security)
@pytest.mark.parametrize("mechanism", ["none", "PLAIN", "LOGIN", "CRAM-MD5", "NTLM"])
def test_a_mail_arrives_as_it_was_sent(exim: Exim, security: Security, mechanism: str) -> None:
    credentials = None
    if mechanism != "none":
        credentials = Credentials("anna", password=WORD, mechanism=Mechanism(mechanism), ntlm_v1=True)
    text = f"By {security} and {mechanism}.\n.\n..\n.dot\n"
    to = ANNA if mechanism == "none" else "anna@elsewhere.example"
    (result,) = send(exim.config(security=security, credentials=credentials), (text, (to,)))
    assert [type(outcome) for outcome in result.outcomes] == [Sent], result
    assert text in exim.taken()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "NTLM"])
def test_a_wrong_password_is_refused(exim: Exim, mechanism: str) -> None:
    credentials = Credentials("anna", password="wrong", mechanism=Mechanism(mechanism), ntlm_v1=True)
    refused = SmtpChannel(exim.config(credentials=credentials), policy=Policy(private=True)).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.CREDENTIALS_REFUSED


def test_ntlm_version_2_is_not_taken_back_to_version_1(exim: Exim) -> None:
    credentials = Credentials("anna", password=WORD, mechanism=Mechanism.NTLM)
    refused = SmtpChannel(exim.config(credentials=credentials), policy=Policy(private=True)).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.CREDENTIALS_REFUSED


def test_more_mails_than_a_connection_takes_go_over_the_next_one(exim: Exim) -> None:
    mails = [(f"Number {number}.\n", ("gone@example.org" if number % 4 == 1 else ANNA,)) for number in range(13)]
    results = send(exim.config(security=Security.TLS), *mails)
    kinds = [type(result.outcomes[0]) for result in results]
    assert kinds == [Rejected if number % 4 == 1 else Sent for number in range(13)]
    assert {text for text, (to,) in mails if to == ANNA} <= set(exim.taken())


def test_the_recipients_over_its_limit_are_for_another_mail_now(exim: Exim) -> None:
    (result,) = send(exim.config(), ("To many.\n", tuple(f"user{number}@example.org" for number in range(5))))
    codes = ["" if isinstance(outcome, Sent) else outcome.reason.code for outcome in result.outcomes]
    assert codes == ["", "", "", ReasonCode.TOO_MANY_RECIPIENTS, ReasonCode.TOO_MANY_RECIPIENTS]


@pytest.mark.parametrize(
    ("address", "kind", "code"),
    [
        ("dropped@example.org", Rejected, ReasonCode.ADDRESS_UNKNOWN),
        ("hungup@example.org", Deferred, ReasonCode.SERVICE_UNAVAILABLE),
    ],
)
def test_a_recipient_for_whom_it_hangs_up_costs_nobody_else_the_mail(
    exim: Exim, address: str, kind: type[Outcome], code: ReasonCode
) -> None:
    (alone,) = send(exim.config(), ("To many.\n", (ANNA, address, "user2@example.org")))
    assert [type(outcome) for outcome in alone.outcomes][:2] == [Sent, kind]
    results = send(
        exim.config(), *[(f"{address} {number}.\n", (address if number == 2 else ANNA,)) for number in range(4)]
    )
    outcomes = [result.outcomes[0] for result in results]
    assert [type(outcome) for outcome in outcomes] == [Sent, Sent, kind, Sent]
    refused = outcomes[2]
    assert not isinstance(refused, Sent)
    assert (refused.reason.code, refused.reason.scope) == (code, Scope.RECIPIENT)


def test_nothing_is_learned_of_a_server_that_does_as_it_says(exim: Exim) -> None:
    channel = SmtpChannel(exim.config(), policy=Policy(private=True))
    connection = channel.connect()
    assert isinstance(connection, SmtpConnection), connection
    to = (Recipient(AddressKind.MAIL, ANNA),)
    message = Message(UUID(int=1), "Hi", "Hello\n", datetime(2026, 11, 22, tzinfo=UTC))
    wires = [wire for _ in range(4) if isinstance(wire := channel.prepare(message, to), Wire)]
    assert len(list(connection.send(wires))) == 4
    connection.close()
    assert connection.learned == ()
