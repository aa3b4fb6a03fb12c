from __future__ import annotations

import hashlib
import hmac
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import spnego
import spnego.exceptions

from tests import waiting
from tests.wire.certificates import Authority
from tests.wire.scripted import Peer, Received, Talk, honest
from transports.net.guard import Policy
from transports.smtp.channel import Credentials, Mechanism, Security, SmtpChannel, SmtpConfig
from transports.types import Deferred, ReasonCode, Scope

NAME, WORD, TOKEN = "anna", "pässword-1", "ya29.token"
SignIn = Callable[[Talk, str], str]


def said(line: str) -> bytes:
    return b64decode(line)


def prompt(talk: Talk, challenge: bytes) -> bytes:
    talk.say(f"334 {b64encode(challenge).decode()}")
    return said(talk.line())


def verdict(*, right: bool) -> str:
    return "235 2.7.0 welcome" if right else "535 5.7.8 authentication failed"


def plain(talk: Talk, line: str) -> str:
    return verdict(right=said(line.split()[2]) == f"\0{NAME}\0{WORD}".encode())


def login(talk: Talk, line: str) -> str:
    assert line == "AUTH LOGIN"
    name = prompt(talk, b"Username:")
    return verdict(right=(name, prompt(talk, b"Password:")) == (NAME.encode(), WORD.encode()))


def cram_md5(talk: Talk, line: str) -> str:
    challenge = b"<1896.697170952@scripted.test>"
    digest = hmac.new(WORD.encode(), challenge, hashlib.md5).hexdigest()
    return verdict(right=prompt(talk, challenge) == f"{NAME} {digest}".encode())


def xoauth2(talk: Talk, line: str) -> str:
    if said(line.split()[2]) == f"user={NAME}\x01auth=Bearer {TOKEN}\x01\x01".encode():
        return "235 2.7.0 welcome"
    assert prompt(talk, b'{"status":"400","schemes":"Bearer"}') == b""
    return "535 5.7.8 token refused"


def attempt(
    port: int, credentials: Credentials, *, security: Security = Security.NONE, bundle: str = ""
) -> Deferred | None:
    config = SmtpConfig(
        "127.0.0.1",
        "noreply@example.com",
        port=port,
        credentials=credentials,
        security=security,
        ca_bundle=bundle,
        timeout=timedelta(seconds=30),
    )
    connection = SmtpChannel(config, policy=Policy(private=True)).connect()
    if isinstance(connection, Deferred):
        return connection
    connection.close()
    return None


def signing_in(offered: str, sign_in: SignIn, credentials: Credentials) -> tuple[Deferred | None, list[str]]:
    received = Received()
    with Peer(honest(received, features=(f"AUTH {offered}",), sign_in=sign_in)) as peer:
        refusal = attempt(peer.port, credentials)
    return refusal, [line for line in received.commands if line.startswith("AUTH")]


EACH = pytest.mark.parametrize(
    ("mechanism", "sign_in"),
    [
        (Mechanism.PLAIN, plain),
        (Mechanism.LOGIN, login),
        (Mechanism.CRAM_MD5, cram_md5),
        (Mechanism.XOAUTH2, xoauth2),
    ],
)
ALL = "NTLM LOGIN PLAIN CRAM-MD5 XOAUTH2"


@EACH
def test_the_right_secret_signs_in(mechanism: Mechanism, sign_in: SignIn) -> None:
    refusal, tries = signing_in(ALL, sign_in, Credentials(NAME, password=WORD, token=TOKEN, mechanism=mechanism))
    assert refusal is None
    assert len(tries) == 1


@EACH
def test_the_wrong_secret_is_one_failed_try(mechanism: Mechanism, sign_in: SignIn) -> None:
    refusal, tries = signing_in(ALL, sign_in, Credentials(NAME, password="no", token="no", mechanism=mechanism))
    assert refusal is not None
    assert (refusal.reason.code, refusal.reason.scope) == (ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER)
    assert refusal.reason.enhanced == "5.7.8"
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("offered", "token", "chosen"),
    [
        ("PLAIN LOGIN CRAM-MD5", "", "AUTH CRAM-MD5"),
        ("PLAIN LOGIN", "", "AUTH PLAIN"),
        ("LOGIN", "", "AUTH LOGIN"),
        ("PLAIN XOAUTH2", TOKEN, "AUTH XOAUTH2"),
    ],
)
def test_automatic_takes_the_best_that_is_offered(offered: str, token: str, chosen: str) -> None:
    _, tries = signing_in(offered, lambda talk, line: "535 no", Credentials(NAME, password=WORD, token=token))
    assert [line.rsplit(" ", 1)[0] if line.count(" ") > 1 else line for line in tries] == [chosen]


def test_over_tls_a_password_goes_by_the_mechanism_that_servers_support_best(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    received = Received()
    features = ("STARTTLS", "AUTH CRAM-MD5 PLAIN")
    with Peer(honest(received, features=features, tls=authority.server(), sign_in=plain)) as peer:
        refusal = attempt(peer.port, Credentials(NAME, password=WORD), security=Security.TLS, bundle=authority.pem)
    assert refusal is None
    assert any(line.startswith("AUTH PLAIN") for line in received.commands)


def test_a_pinned_mechanism_that_is_not_offered_is_not_replaced() -> None:
    refusal, tries = signing_in("PLAIN", plain, Credentials(NAME, password=WORD, mechanism=Mechanism.NTLM))
    assert refusal is not None
    assert refusal.reason.code is ReasonCode.AUTH_NOT_OFFERED
    assert tries == []


def test_secrets_are_in_no_representation() -> None:
    shown = repr(SmtpConfig("h", "a@example.com", credentials=Credentials(NAME, password=WORD, token=TOKEN)))
    assert WORD not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("mechanism", [Mechanism.PLAIN, Mechanism.XOAUTH2])
def test_a_secret_too_long_for_the_command_line_waits_for_the_prompt(mechanism: Mechanism) -> None:
    """RFC 4954 4: no initial response where it would make a line of more than 512 octets."""
    long = "t" * 2000
    seen: list[str] = []

    def sign_in(talk: Talk, line: str) -> str:
        seen.append(line)
        talk.say("334 ")
        return verdict(right=long.encode() in said(talk.line()))

    refusal, _ = signing_in(ALL, sign_in, Credentials(NAME, password=long, token=long, mechanism=mechanism))
    assert refusal is None
    assert seen == [f"AUTH {mechanism}"]


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pyspnego's NTLM server knows."""
    file = tmp_path / "accounts"
    file.write_text(f"CORP:{NAME}:{WORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(file))


def ntlm_server(seen: list[int], *, first: str) -> SignIn:
    """Checks the response with pyspnego and notes the length of the NT response: 24 octets are version 1."""

    def sign_in(talk: Talk, line: str) -> str:
        assert line == "AUTH NTLM"
        talk.say(f"334 {first}".rstrip() if first else "334 ")
        server = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        challenge = server.step(said(talk.line()))
        assert challenge is not None
        answer = prompt(talk, challenge)
        seen.append(int.from_bytes(answer[20:22], "little"))
        try:
            server.step(answer)
        except spnego.exceptions.SpnegoError:
            return "535 5.7.3 Authentication unsuccessful"
        return "235 2.7.0 welcome"

    return sign_in


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("first", ["", "NTLM supported"])
def test_ntlm_signs_in_with_a_domain(first: str) -> None:
    seen: list[int] = []
    credentials = Credentials(rf"CORP\{NAME}", password=WORD, mechanism=Mechanism.NTLM)
    refusal, tries = signing_in("NTLM", ntlm_server(seen, first=first), credentials)
    assert refusal is None
    assert len(tries) == 1
    assert seen[0] > 24


@pytest.mark.usefixtures("accounts")
def test_ntlm_with_a_wrong_password_is_refused() -> None:
    credentials = Credentials(rf"CORP\{NAME}", password="no", mechanism=Mechanism.NTLM)
    refusal, _ = signing_in("NTLM", ntlm_server([], first=""), credentials)
    assert refusal is not None
    assert refusal.reason.code is ReasonCode.CREDENTIALS_REFUSED


def test_an_ntlm_challenge_that_is_none_is_a_broken_dialogue() -> None:
    def sign_in(talk: Talk, line: str) -> str:
        prompt(talk, b"")
        prompt(talk, b"this is no challenge")
        return "235 welcome"

    refusal, _ = signing_in("NTLM", sign_in, Credentials(NAME, password=WORD))
    assert refusal is not None
    assert refusal.reason.code is ReasonCode.PROTOCOL_ERROR


def test_ntlm_that_can_not_even_begin_is_a_broken_dialogue_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise spnego.exceptions.SpnegoError(spnego.exceptions.ErrorCode.failure)

    def sign_in(talk: Talk, line: str) -> str:
        prompt(talk, b"")
        return "501 cancelled"

    monkeypatch.setattr("spnego.client", fail)
    refusal, _ = signing_in("NTLM", sign_in, Credentials(NAME, password=WORD))
    assert refusal is not None
    assert refusal.reason.code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.usefixtures("accounts")
def test_both_ntlm_versions_are_spoken_at_once_and_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_COMPAT_LEVEL", "5")
    seen: dict[bool, list[int]] = {True: [], False: []}

    def run(*, old: bool) -> None:
        credentials = Credentials(rf"CORP\{NAME}", password=WORD, mechanism=Mechanism.NTLM, ntlm_v1=old)
        for _ in range(5):
            signing_in("NTLM", ntlm_server(seen[old], first=""), credentials)

    threads = [threading.Thread(target=run, kwargs={"old": old}) for old in (True, False, True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(waiting.PATIENCE)
    assert seen[True] == [24] * 10
    assert len(seen[False]) == 10
    assert all(length > 24 for length in seen[False])
    assert os.environ["LM_COMPAT_LEVEL"] == "5"
