from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.wire.certificates import Authority
from tests.wire.halves import FirstOnly, LastOnly, heard_as
from tests.wire.scripted import Answer, Peer, Received, Script, Talk, honest
from transports.net.guard import Policy
from transports.smtp import testing
from transports.smtp.channel import Credentials, Mechanism, MinimumTls, Pipelining, Security, SmtpChannel, SmtpConfig
from transports.stages import Stage, StageName
from transports.types import AddressKind, Deferred, Message, ReasonCode, Recipient

LOOPBACK = Policy(private=True)
MESSAGE = Message(UUID(int=1), "Test", "It works.\n", datetime(2026, 11, 22, tzinfo=UTC))
ANNA = Recipient(AddressKind.MAIL, "anna@example.org")
SECRET = "correct horse battery staple"
ANNAS = Credentials("anna", password=SECRET)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def config(port: int, **changes: Any) -> SmtpConfig:
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "timeout": timedelta(seconds=30), **changes}
    return SmtpConfig(from_email="noreply@example.com", **settings)


def run(tested: SmtpConfig, *, policy: Policy = LOOPBACK, to: Recipient = ANNA) -> list[Stage]:
    stages = list(testing.run(tested, message=MESSAGE, to=to, policy=policy))
    assert all(stage.ok for stage in stages[:-1])
    assert SECRET not in repr(stages)
    return stages


def failing(tested: SmtpConfig, *, policy: Policy = LOOPBACK) -> Stage:
    stage = run(tested, policy=policy)[-1]
    assert not stage.ok
    assert stage.cause
    assert stage.hint
    return stage


def against(script: Script, *, connections: int = 1, **changes: Any) -> Stage:
    with Peer(script) as peer:
        stage = failing(config(peer.port, **changes))
        assert peer.connections <= connections, "a test is never retried"
    return stage


def answering(**answers: Answer) -> Script:
    return honest(Received(), answers=answers)


def over_tls(context: ssl.SSLContext) -> Script:
    def script(talk: Talk) -> None:
        with suppress(ssl.SSLError):
            talk.secure(context)
            honest(Received())(talk)

    return script


def test_a_good_server_passes_every_stage(authority: Authority) -> None:
    received = Received()
    features = ("STARTTLS", "AUTH PLAIN LOGIN", "PIPELINING")
    script = honest(received, features=features, tls=authority.server(), sign_in=lambda talk, line: "235 welcome")
    with Peer(script) as peer:
        stages = run(config(peer.port, security=Security.TLS, ca_bundle=authority.pem, credentials=ANNAS))
    names = "resolve connect banner ehlo tls authenticate sender recipient data accepted"
    assert [stage.name for stage in stages] == names.split()
    assert all(stage.ok for stage in stages)
    tls = stages[4]
    assert tls.detail.startswith("TLSv1.3, certificate localhost, issued by Test Authority, valid until 20")
    assert stages[-1].detail == "250 2.0.0 queued as 1"
    assert len(received.mails) == 1


def test_implicit_tls_comes_before_the_greeting(authority: Authority) -> None:
    with Peer(over_tls(authority.server())) as peer:
        stages = run(config(peer.port, security=Security.SSL, ca_bundle=authority.pem))
    names = [stage.name for stage in stages]
    assert names.index(StageName.TLS) < names.index(StageName.BANNER)
    assert stages[-1].ok


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    stage = failing(config(25, host="mail.nowhere.invalid"))
    assert (stage.name, stage.code) == (StageName.RESOLVE, ReasonCode.NAME_NOT_RESOLVED)


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    stage = failing(config(port))
    assert (stage.name, stage.code) == (StageName.CONNECT, ReasonCode.CONNECTION_REFUSED)


@pytest.fixture
def filtered_port() -> Iterator[int]:
    """A listener whose queue is full drops every further connection, as a firewall does."""
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for client in waiting:
        client.setblocking(False)
        client.connect_ex(server.getsockname())
    yield server.getsockname()[1]
    for opened in (*waiting, server):
        opened.close()


def test_a_filtered_port(filtered_port: int) -> None:
    stage = failing(config(filtered_port, timeout=timedelta(seconds=2)))
    assert (stage.name, stage.code) == (StageName.CONNECT, ReasonCode.CONNECT_TIMEOUT)
    assert "firewall" in stage.cause


def test_an_address_that_is_not_allowed() -> None:
    stage = failing(config(25), policy=Policy())
    assert (stage.name, stage.code) == (StageName.RESOLVE, ReasonCode.ADDRESS_NOT_ALLOWED)


def test_plain_spoken_to_a_tls_port_says_so_without_waiting_out_the_time_limit(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "_LISTENS", timedelta(seconds=0.1))
    stage = against(over_tls(authority.server()), connections=2, timeout=timedelta(seconds=600))
    assert (stage.name, stage.code) == (StageName.BANNER, ReasonCode.TIMEOUT)
    assert "waits for TLS" in stage.cause
    assert "SSL" in stage.hint


def test_tls_spoken_to_a_plain_port() -> None:
    stage = against(answering(), security=Security.SSL)
    assert (stage.name, stage.code) == (StageName.TLS, ReasonCode.TLS_FAILED)
    assert "plain text" in stage.cause


def test_starttls_is_not_offered_and_nothing_is_sent_in_the_clear() -> None:
    received = Received()
    stage = against(honest(received), security=Security.TLS, credentials=ANNAS)
    assert (stage.name, stage.code) == (StageName.TLS, ReasonCode.STARTTLS_MISSING)
    assert [command[:4].upper() for command in received.commands] == ["EHLO"]


def test_text_slipped_in_before_tls_is_not_taken(authority: Authority) -> None:
    script = honest(
        Received(),
        features=("STARTTLS",),
        tls=authority.server(),
        answers={"STAR": "220 go on\n250 slipped in"},
    )
    stage = against(script, security=Security.TLS, ca_bundle=authority.pem)
    assert (stage.name, stage.code) == (StageName.TLS, ReasonCode.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("certificate", "trusted", "cause"),
    [
        ({"days": -1}, True, "expired"),
        ({"name": "other.example"}, True, "another name"),
        ({"self_signed": True}, True, "self-signed"),
        ({}, False, "not trusted"),
    ],
)
def test_a_bad_certificate(
    authority: Authority, tmp_path: Path, certificate: dict[str, Any], trusted: bool, cause: str
) -> None:
    bundle = authority.pem if trusted else Authority(tmp_path).pem
    script = over_tls(authority.server(**certificate))
    stage = against(script, security=Security.SSL, ca_bundle=bundle)
    assert (stage.name, stage.code) == (StageName.TLS, ReasonCode.CERTIFICATE_INVALID)
    assert cause in stage.cause


@pytest.mark.parametrize(
    ("sent", "bundled", "trusted"),
    [
        ("intermediate", "root", True),
        ("", "root intermediate", True),
        ("", "intermediate", True),
        ("", "root", False),
        ("intermediate", "another", False),
    ],
)
def test_a_bundle_is_what_is_trusted(tmp_path: Path, sent: str, bundled: str, trusted: bool) -> None:
    root = Authority(tmp_path)
    intermediate = Authority(tmp_path, issuer=root)
    pems = {"root": root.pem, "intermediate": intermediate.pem, "another": Authority(tmp_path).pem, "": ""}
    bundle = "".join(pems[name] for name in bundled.split())
    with Peer(over_tls(intermediate.server(sends=pems[sent]))) as peer:
        last = run(config(peer.port, security=Security.SSL, ca_bundle=bundle))[-1]
    assert last.ok is trusted
    if not trusted:
        assert last.code is ReasonCode.CERTIFICATE_INVALID
        assert "intermediate" in last.hint


def test_a_certificate_nobody_checks_is_taken(authority: Authority) -> None:
    with Peer(over_tls(authority.server(days=-1))) as peer:
        stages = run(config(peer.port, security=Security.SSL, verify_certificate=False))
    assert stages[-1].ok
    assert any("valid until" in stage.detail for stage in stages)


def test_old_tls_only(authority: Authority) -> None:
    context = authority.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    stage = against(over_tls(context), security=Security.SSL, ca_bundle=authority.pem, minimum_tls=MinimumTls.TLS_1_3)
    assert (stage.name, stage.code) == (StageName.TLS, ReasonCode.TLS_FAILED)
    assert "older" in stage.cause


def test_a_ca_bundle_without_a_certificate(authority: Authority) -> None:
    stage = against(over_tls(authority.server()), security=Security.SSL, ca_bundle="no certificate")
    assert stage.code is ReasonCode.TLS_FAILED
    assert "CA certificates" in stage.cause


def test_sign_in_is_not_offered() -> None:
    stage = against(answering(), credentials=ANNAS)
    assert (stage.name, stage.code) == (StageName.AUTHENTICATE, ReasonCode.AUTH_NOT_OFFERED)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("535 5.7.8 Error: authentication failed", ReasonCode.CREDENTIALS_REFUSED),
        (f"535 5.7.8 {SECRET} is wrong", ReasonCode.CREDENTIALS_REFUSED),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            ReasonCode.BASIC_AUTH_DISABLED,
        ),
        ("550 5.7.30 Basic authentication is not supported for Client Submission.", ReasonCode.BASIC_AUTH_DISABLED),
        ("454 4.7.0 Temporary authentication failure", ReasonCode.AUTH_TEMPORARY),
    ],
)
def test_sign_in_is_refused_after_one_try(reply: str, code: ReasonCode) -> None:
    received = Received()
    script = honest(received, features=("AUTH PLAIN LOGIN CRAM-MD5",), sign_in=lambda talk, line: reply)
    stage = against(script, credentials=ANNAS)
    assert (stage.name, stage.code) == (StageName.AUTHENTICATE, code)
    assert sum(command.startswith("AUTH") for command in received.commands) <= 1


@pytest.mark.parametrize(
    ("verb", "reply", "name", "code"),
    [
        ("BANNER", "554 5.7.1 you are blocked", StageName.BANNER, ReasonCode.GREETING_REFUSED),
        ("BANNER", "-ERR this is not SMTP", StageName.BANNER, ReasonCode.PROTOCOL_ERROR),
        ("MAIL", "550 5.7.60 SendAsDenied", StageName.SENDER, ReasonCode.SENDER_REFUSED),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", StageName.SENDER, ReasonCode.ENCRYPTION_REQUIRED),
        ("MAIL", "530 5.7.57 Client not authenticated to send mail", StageName.SENDER, ReasonCode.AUTH_REQUIRED),
        ("RCPT", "554 5.7.1 <anna@example.org>: Relay access denied", StageName.RECIPIENT, ReasonCode.RELAY_DENIED),
        ("RCPT", "450 4.2.0 <anna@example.org>: Greylisted", StageName.RECIPIENT, ReasonCode.GREYLISTED),
        ("RCPT", "550 5.1.1 User unknown", StageName.RECIPIENT, ReasonCode.ADDRESS_UNKNOWN),
        ("DATA", "452 4.3.1 Insufficient system storage", StageName.DATA, ReasonCode.STORAGE_FULL),
        ("END", "552 5.3.4 Message too big", StageName.ACCEPTED, ReasonCode.MESSAGE_TOO_BIG),
        ("END", "drop", StageName.ACCEPTED, ReasonCode.DISCONNECTED),
    ],
)
def test_a_refusal_is_told_at_its_stage(verb: str, reply: str, name: StageName, code: ReasonCode) -> None:
    stage = against(answering(**{verb: reply}))
    assert (stage.name, stage.code) == (name, code)


def test_a_mail_larger_than_the_server_takes_is_not_begun() -> None:
    received = Received()
    stage = against(honest(received, features=("SIZE 100",)))
    assert stage.code is ReasonCode.MESSAGE_TOO_BIG
    assert [command[:4].upper() for command in received.commands] == ["EHLO"]


@pytest.mark.parametrize(
    ("mechanism", "words"),
    [
        (Mechanism.XOAUTH2, ("access token", "SMTP.SendAsApp")),
        (Mechanism.NTLM, ("password", "NTLM version 1")),
        (Mechanism.PLAIN, ("password", "app password")),
    ],
)
def test_a_refused_sign_in_is_explained_by_its_mechanism(mechanism: Mechanism, words: tuple[str, str]) -> None:
    script = honest(Received(), features=(f"AUTH {mechanism}",), sign_in=lambda talk, line: "535 5.7.8 no")
    stage = against(script, credentials=Credentials("anna", password=SECRET, token=SECRET, mechanism=mechanism))
    assert stage.code is ReasonCode.CREDENTIALS_REFUSED
    assert words[0] in stage.cause
    assert words[1] in stage.hint


def test_a_refused_greeting_name_leads_to_its_setting() -> None:
    stage = against(answering(RCPT="504 5.5.2 <vm>: Helo command rejected: need fully-qualified hostname"))
    assert (stage.name, stage.code) == (StageName.RECIPIENT, ReasonCode.GREETING_REFUSED)
    assert "XMNOTIFY_EHLO_NAME" in stage.hint


@pytest.mark.parametrize(
    ("banner", "code", "words"),
    [
        ("554 mx.example.net ESMTP Bad DNS PTR resource record for 203.0.113.5", ReasonCode.GREETING_REFUSED, "PTR"),
        ("421 mx.example.net too many connections from your host", ReasonCode.THROTTLED, "Parallel connections"),
        ("521 mx.example.net does not accept mail", ReasonCode.GREETING_REFUSED, "allowed there"),
        ("450 4.7.1 come back later", ReasonCode.GREETING_REFUSED, "allowed there"),
    ],
)
def test_the_words_of_a_refused_greeting_are_shown(banner: str, code: ReasonCode, words: str) -> None:
    stage = against(answering(BANNER=banner))
    assert (stage.name, stage.code) == (StageName.BANNER, code)
    assert stage.detail == banner
    assert words in stage.hint


def test_whom_to_write_to_is_not_repeated_of_a_refused_greeting() -> None:
    stage = against(answering(BANNER="554 blocked, write to postmaster@example.net"))
    assert stage.detail == "554 blocked, write to ***"


REFUSED_EHLO = [
    "421 4.7.0 Try again later, closing connection. (EHLO)",
    "554 5.7.1 You are not who you say",
    "550 5.7.1 Invalid HELO",
    "503 5.5.1 Bad sequence of commands",
    "504 5.5.2 need fully-qualified hostname",
]


@pytest.mark.parametrize("said", REFUSED_EHLO)
def test_a_refused_ehlo_that_gave_an_address_leads_to_the_setting_of_its_name(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    stage = against(answering(EHLO=said, HELO="drop"))
    assert stage.name is StageName.EHLO
    assert said in stage.detail
    assert "XMNOTIFY_EHLO_NAME" in stage.hint
    assert "address instead of a name" in stage.cause


def test_the_words_of_a_refused_ehlo_reach_whoever_connects() -> None:
    with Peer(answering(EHLO=REFUSED_EHLO[0])) as peer:
        refused = SmtpChannel(config(peer.port, ehlo_name="notify.example.com"), policy=LOOPBACK).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.detail == f"{REFUSED_EHLO[0][4:]} (greeted with notify.example.com)"
    assert (refused.reason.reply, refused.reason.enhanced) == ("421", "4.7.0")


def test_where_ntlm_is_not_offered_the_switch_for_it_is_named() -> None:
    spa = replace(ANNAS, mechanism=Mechanism.NTLM)
    stage = against(honest(Received(), features=("AUTH PLAIN LOGIN",)), credentials=spa)
    assert stage.code is ReasonCode.AUTH_NOT_OFFERED
    assert "Microsoft Secure Password Authentication (SPA)" in stage.hint


def test_exchanges_own_command_to_sign_in_is_named() -> None:
    script = honest(Received(), features=("X-EXPS GSSAPI NTLM LOGIN",))
    stage = against(script, credentials=ANNAS)
    assert stage.code is ReasonCode.AUTH_NOT_OFFERED
    assert "X-EXPS" in stage.cause


def test_a_server_that_missed_the_greeting_is_named() -> None:
    script = honest(Received(), features=(), answers={"MAIL": "503 5.5.2 Send hello first"})
    stage = against(script)
    assert (stage.name, stage.code) == (StageName.SENDER, ReasonCode.PROTOCOL_ERROR)
    assert "order" in stage.cause


@pytest.mark.parametrize(("offered", "named"), [("PLAIN LOGIN", False), ("NTLM PLAIN LOGIN", True)])
def test_ntlm_is_spoken_of_only_where_it_is_offered(offered: str, named: bool) -> None:
    features = (f"AUTH {offered}",)
    pinned = Credentials("anna", password=SECRET, mechanism=Mechanism.PLAIN)
    script = honest(Received(), features=features, sign_in=lambda talk, line: "535 5.7.8 no")
    stage = against(script, credentials=pinned)
    assert ("NTLM" in stage.hint) is named
    assert ("DOMAIN" in stage.hint) is named


ZOE = Recipient(AddressKind.MAIL, "zoë@example.org")


def test_a_recipient_outside_ascii_is_tested_where_smtputf8_is_offered() -> None:
    received = Received()
    with Peer(honest(received)) as peer:
        stages = run(config(peer.port), to=ZOE)
    assert stages[-1].name is StageName.ACCEPTED
    assert stages[-1].ok
    assert received.mails[0][0] == (ZOE.address,)


def test_a_recipient_outside_ascii_is_told_at_its_stage_where_smtputf8_is_missing() -> None:
    with Peer(honest(Received(), features=("PIPELINING",))) as peer:
        stage = run(config(peer.port), to=ZOE)[-1]
    assert (stage.name, stage.code) == (StageName.RECIPIENT, ReasonCode.SMTPUTF8_MISSING)
    assert "SMTPUTF8" in stage.hint


def test_an_endless_size_is_no_limit() -> None:
    with Peer(honest(Received(), features=("SIZE " + "9" * 5000,))) as peer:
        assert run(config(peer.port))[-1].ok


def test_a_tarpit_is_named() -> None:
    script = honest(Received(), features=("SIZE 1000000",), answers={"MAIL": "hang"})
    stage = against(script, timeout=timedelta(seconds=2))
    assert (stage.name, stage.code) == (StageName.SENDER, ReasonCode.TIMEOUT)
    assert "tarpit" in stage.cause


@pytest.mark.parametrize("banner", ["SSH-2.0-OpenSSH_9.2", "530 secret of an inner server", "HTTP/1.1 400 Bad Request"])
def test_what_does_not_greet_like_smtp_is_not_shown(banner: str) -> None:
    stage = against(answering(BANNER=banner))
    assert stage.name is StageName.BANNER
    assert banner[4:] not in repr(stage)


def test_a_recipient_that_is_no_address_is_told_without_connecting() -> None:
    with Peer(answering()) as peer:
        (stage,) = run(config(peer.port), to=Recipient(AddressKind.MAIL, "anna at example.org"))
        assert peer.connections == 0
    assert (stage.name, stage.code) == (StageName.RECIPIENT, ReasonCode.ADDRESS_INVALID)


@pytest.mark.parametrize("kind", [LastOnly, FirstOnly])
def test_a_server_that_does_not_keep_step_with_groups_is_told_of(kind: type[Talk]) -> None:
    received = Received()
    with Peer(heard_as(kind, received)) as peer:
        stages = run(config(peer.port, timeout=timedelta(seconds=2)))
        assert peer.connections == 2
    assert stages[-1].ok
    (sender,) = [stage for stage in stages if stage.name is StageName.SENDER]
    assert "PIPELINING" in sender.hint
    assert len(received.mails) == 1


def test_groups_are_tested_as_the_worker_sends_them() -> None:
    received = Received()
    with Peer(heard_as(LastOnly, received)) as peer:
        stages = run(config(peer.port, timeout=timedelta(seconds=2), pipelining=Pipelining.OFF))
        assert peer.connections == 1
    assert stages[-1].ok
    assert not any(stage.hint for stage in stages)


def test_a_server_that_is_gone_when_the_group_goes_again() -> None:
    answers: dict[str, Answer] = {"BANNER": ("", "421 4.3.2 going down"), "MAIL": "503 5.5.1 what"}
    with Peer(honest(Received(), answers=answers)) as peer:
        stage = failing(config(peer.port))
    assert (stage.name, stage.code) == (StageName.SENDER, ReasonCode.SERVICE_UNAVAILABLE)
