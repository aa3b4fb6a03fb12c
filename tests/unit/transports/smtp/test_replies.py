from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.smtp.replies import Phase, Reply, judge
from transports.types import Deferred, Outcome, ReasonCode, Rejected, Scope, Sent

CODE, SERVER, MESSAGE, RECIPIENT = ReasonCode, Scope.SERVER, Scope.MESSAGE, Scope.RECIPIENT

# What real servers say: phase, reply, then what it has to mean.
REAL: list[tuple[Phase, str, type[Outcome], ReasonCode, Scope]] = [
    (Phase.CONNECT, "554 5.7.1 no SMTP service here", Deferred, CODE.GREETING_REFUSED, SERVER),
    (Phase.CONNECT, "421 4.7.0 too many connections from you", Deferred, CODE.THROTTLED, SERVER),
    (Phase.STARTTLS, "454 4.7.0 TLS not available", Deferred, CODE.TLS_FAILED, SERVER),
    (Phase.AUTH, "535 5.7.8 authentication failed", Deferred, CODE.CREDENTIALS_REFUSED, SERVER),
    (Phase.AUTH, "534 5.7.9 Application-specific password required", Deferred, CODE.CREDENTIALS_REFUSED, SERVER),
    (Phase.AUTH, "538 5.7.11 encryption required", Deferred, CODE.ENCRYPTION_REQUIRED, SERVER),
    (Phase.AUTH, "530 5.7.0 Must issue a STARTTLS command first", Deferred, CODE.ENCRYPTION_REQUIRED, SERVER),
    (Phase.AUTH, "454 4.7.0 try later", Deferred, CODE.AUTH_TEMPORARY, SERVER),
    (Phase.AUTH, "504 5.5.4 unknown mechanism", Deferred, CODE.AUTH_NOT_OFFERED, SERVER),
    (Phase.AUTH, "550 5.7.30 Basic authentication is not supported", Deferred, CODE.BASIC_AUTH_DISABLED, SERVER),
    (Phase.MAIL, "530 5.7.57 Client not authenticated to send mail", Deferred, CODE.AUTH_REQUIRED, SERVER),
    (Phase.MAIL, "530 5.7.0 Must issue a STARTTLS command first", Deferred, CODE.ENCRYPTION_REQUIRED, SERVER),
    (Phase.MAIL, "553 5.1.8 domain of sender does not exist", Deferred, CODE.SENDER_REFUSED, SERVER),
    (Phase.MAIL, "501 5.1.7 bad sender address syntax", Deferred, CODE.SENDER_REFUSED, SERVER),
    (Phase.MAIL, "452 4.3.1 Insufficient system storage", Deferred, CODE.STORAGE_FULL, SERVER),
    (Phase.MAIL, "451 4.3.2 please try again later", Deferred, CODE.SERVICE_UNAVAILABLE, SERVER),
    (Phase.MAIL, "552 5.3.4 message size exceeds fixed limit", Rejected, CODE.MESSAGE_TOO_BIG, MESSAGE),
    (Phase.MAIL, "550 5.7.1 part of their network is on our block list", Deferred, CODE.POLICY, SERVER),
    (Phase.MAIL, "550 5.4.5 Daily user sending limit exceeded", Deferred, CODE.THROTTLED, SERVER),
    (Phase.RCPT, "550 5.1.1 User unknown", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "550 Unrouteable address", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "550 5.4.1 Recipient address rejected: Access denied", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "501 5.1.3 Bad recipient address syntax", Rejected, CODE.ADDRESS_INVALID, RECIPIENT),
    (Phase.RCPT, "553 mailbox name not allowed", Rejected, CODE.ADDRESS_INVALID, RECIPIENT),
    (Phase.RCPT, "452 4.2.2 over quota", Deferred, CODE.MAILBOX_FULL, RECIPIENT),
    (Phase.RCPT, "552 5.2.2 mailbox full", Rejected, CODE.MAILBOX_FULL, RECIPIENT),
    (Phase.RCPT, "550 5.2.1 mailbox disabled", Rejected, CODE.MAILBOX_DISABLED, RECIPIENT),
    (Phase.RCPT, "554 5.7.1 <a@b>: Relay access denied", Rejected, CODE.RELAY_DENIED, RECIPIENT),
    (Phase.RCPT, "454 4.7.1 <a@b>: Relay access denied", Deferred, CODE.RELAY_DENIED, RECIPIENT),
    (Phase.RCPT, "550 relay not permitted", Rejected, CODE.RELAY_DENIED, RECIPIENT),
    (Phase.RCPT, "550 5.7.54 unable to relay recipient", Rejected, CODE.RELAY_DENIED, RECIPIENT),
    (Phase.RCPT, "553 sorry, not in my list of allowed rcpthosts (#5.7.1)", Rejected, CODE.RELAY_DENIED, RECIPIENT),
    (Phase.RCPT, "450 4.2.0 <a@b>: Recipient address rejected: Greylisted", Deferred, CODE.GREYLISTED, RECIPIENT),
    (Phase.RCPT, "451 4.7.1 try again later", Deferred, CODE.GREYLISTED, RECIPIENT),
    (Phase.RCPT, "553 5.7.1 <c@d>: Sender address rejected: not owned by user", Deferred, CODE.SENDER_REFUSED, SERVER),
    (Phase.RCPT, "450 4.2.1 receiving mail too quickly", Deferred, CODE.THROTTLED, RECIPIENT),
    (Phase.RCPT, "450 4.2.1 Peak SMTP relay limit exceeded for customer", Deferred, CODE.THROTTLED, SERVER),
    (Phase.RCPT, "432 4.3.2 recipient thread limit exceeded", Deferred, CODE.THROTTLED, RECIPIENT),
    (Phase.RCPT, "550 5.7.1 Client host [192.0.2.1] blocked using zen", Deferred, CODE.POLICY, SERVER),
    (Phase.RCPT, "550 5.7.606 Access denied, banned sending IP", Deferred, CODE.POLICY, SERVER),
    (Phase.RCPT, "421 4.3.2 shutting down", Deferred, CODE.SERVICE_UNAVAILABLE, SERVER),
    (Phase.RCPT, "450 4.0.0 hm", Deferred, CODE.TEMPORARY, RECIPIENT),
    (Phase.END, "552 5.3.4 too big", Rejected, CODE.MESSAGE_TOO_BIG, MESSAGE),
    (Phase.END, "554 5.6.0 message looks like spam", Rejected, CODE.CONTENT_REFUSED, MESSAGE),
    (Phase.END, "550 5.7.1 contains a URL listed at dbl.spamhaus.org: spam", Rejected, CODE.CONTENT_REFUSED, MESSAGE),
    (Phase.END, "550 5.7.60 SMTP; Client does not have permissions", Deferred, CODE.SENDER_REFUSED, SERVER),
    (Phase.END, "554 5.2.252 SendAsDenied; not allowed", Deferred, CODE.SENDER_REFUSED, SERVER),
    (Phase.END, "550 5.7.501 Access denied, spam abuse detected", Deferred, CODE.ACCOUNT_SUSPENDED, SERVER),
    (Phase.END, "550 5.1.8 Access denied, bad outbound sender", Deferred, CODE.ACCOUNT_SUSPENDED, SERVER),
    (Phase.END, "451 4.3.0 queue file write error", Deferred, CODE.TEMPORARY, MESSAGE),
    (Phase.END, "451 4.7.1 Greylisting in action", Deferred, CODE.GREYLISTED, MESSAGE),
    (Phase.END, "421 4.4.2 timeout", Deferred, CODE.SERVICE_UNAVAILABLE, SERVER),
    (Phase.END, "554 transaction failed", Rejected, CODE.PERMANENT, MESSAGE),
    (Phase.RCPT, "550 5.1.1 <marble@example.org>: User unknown", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "550 5.1.1 greylist@relaying.example is not here", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "554 5.7.1 listed in an RBL", Deferred, CODE.POLICY, SERVER),
    (Phase.RCPT, "550 5.7.1 Client host\n[192.0.2.1] blocked", Deferred, CODE.POLICY, SERVER),
    (Phase.RCPT, "450 4.7.25 Client host rejected: cannot find your hostname", Deferred, CODE.POLICY, SERVER),
    (Phase.RCPT, "450 4.7.1 <vm>: Helo command rejected: Host not found", Deferred, CODE.GREETING_REFUSED, SERVER),
    (Phase.RCPT, "504 5.5.2 <vm>: Helo command rejected: need a name", Deferred, CODE.GREETING_REFUSED, SERVER),
    (Phase.MAIL, "550 Access denied - Invalid HELO name", Deferred, CODE.GREETING_REFUSED, SERVER),
    (Phase.AUTH, "451 Authentication failed: Maximum credits exceeded", Deferred, CODE.OUT_OF_CREDIT, SERVER),
    (
        Phase.END,
        "550 The from address does not match a verified Sender Identity.",
        Deferred,
        CODE.SENDER_REFUSED,
        SERVER,
    ),
    (Phase.RCPT, "451 4.7.500 Server busy. Please try again later from [192.0.2.1].", Deferred, CODE.THROTTLED, SERVER),
    (Phase.RCPT, "550 #5.1.0 Address rejected", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.RCPT, "452 4.2.2\nmailbox full", Deferred, CODE.MAILBOX_FULL, RECIPIENT),
    (Phase.RCPT, "554 sorry, no mailbox here by that name (#5.1.1)", Rejected, CODE.ADDRESS_UNKNOWN, RECIPIENT),
    (Phase.DATA, "554 Too many recipients", Deferred, CODE.THROTTLED, MESSAGE),
    (Phase.END, "552 5.5.3 Too many recipients", Deferred, CODE.THROTTLED, MESSAGE),
    (Phase.DATA, "503 5.5.1 bad sequence", Rejected, CODE.PROTOCOL_ERROR, MESSAGE),
]


TABLE = Path(__file__).with_name("replies.tsv")
WHERE = {"BANNER": Phase.CONNECT}
MORE = [line.split("\t")[:4] for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize(("where", "said", "wanted", "scope"), MORE, ids=[f"{row[0]} {row[1][:60]}" for row in MORE])
def test_what_they_say_is_read_by_its_kind_of_words(where: str, said: str, wanted: str, scope: str) -> None:
    outcome = judge(read(said), phase=WHERE.get(where) or Phase[where])
    if wanted == "accepted":
        assert isinstance(outcome, Sent)
        return
    assert not isinstance(outcome, Sent)
    assert (outcome.reason.code, outcome.reason.scope) == (wanted, scope)
    later = scope == SERVER or said.startswith("4")
    assert isinstance(outcome, Deferred if later else Rejected)
    assert read(said).detail.split()[-1] in outcome.reason.detail


@pytest.mark.parametrize("said", [row[1] for row in MORE if row[2] == "sender_refused" and row[0] == "END"])
def test_a_refused_from_of_a_templates_own_says_nothing_about_the_servers(said: str) -> None:
    outcome = judge(read(said), phase=Phase.END, own_sender=True)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.scope is MESSAGE


def read(said: str) -> Reply:
    """A reply of some lines, as a session reads it."""
    lines = said.split("\\n")
    return Reply(int(said[:3]), "\n".join(line[4:] for line in lines))


def reply(line: str) -> Reply:
    return Reply(int(line[:3]), line[4:])


@pytest.mark.parametrize(("phase", "line", "kind", "code", "scope"), REAL)
def test_what_real_servers_say(phase: Phase, line: str, kind: type[Outcome], code: ReasonCode, scope: Scope) -> None:
    outcome = judge(reply(line), phase=phase)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert (outcome.reason.code, outcome.reason.scope) == (code, scope)
    assert outcome.reason.reply == line[:3]


@pytest.mark.parametrize(
    "line",
    [
        "452 4.5.3 Your message has too many recipients",
        "452 too many recipients",
        "552 5.5.3 Too many recipients",
        "452 #4.5.3 Too many recipients",
        "451 4.3.0 Multiple destination domains per transaction is unsupported.",
    ],
)
def test_too_many_recipients_means_the_rest_goes_now(line: str) -> None:
    outcome = judge(reply(line), phase=Phase.RCPT, alone=False)
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.reason.scope) == (ReasonCode.TOO_MANY_RECIPIENTS, Scope.RECIPIENT)
    assert outcome.retry_after == timedelta()


def test_too_many_for_the_very_first_recipient_has_to_wait() -> None:
    outcome = judge(reply("452 too many recipients"), phase=Phase.RCPT, alone=True)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.code is ReasonCode.THROTTLED
    assert outcome.retry_after is None


def test_a_full_mailbox_is_not_too_many_recipients() -> None:
    outcome = judge(reply("452 4.2.2 mailbox full"), phase=Phase.RCPT, alone=False)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.code is ReasonCode.MAILBOX_FULL


def test_a_refused_sender_of_the_templates_own_stops_only_that_message() -> None:
    outcome = judge(reply("550 5.7.60 SendAsDenied"), phase=Phase.END, own_sender=True)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.scope is Scope.MESSAGE


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
def test_a_refused_envelope_sender_is_the_servers_whatever_the_template_says(phase: Phase) -> None:
    outcome = judge(reply("550 5.7.60 SendAsDenied"), phase=phase, own_sender=True)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.scope is Scope.SERVER


@given(
    code=st.integers(100, 999),
    text=st.text(),
    phase=st.sampled_from(Phase),
    alone=st.booleans(),
    own_sender=st.booleans(),
)
def test_every_reply_has_one_meaning(code: int, text: str, phase: Phase, alone: bool, own_sender: bool) -> None:
    outcome = judge(Reply(code, text), phase=phase, alone=alone, own_sender=own_sender)
    assert isinstance(outcome, Sent) == (200 <= code < 300)
    if isinstance(outcome, Sent):
        assert outcome.detail.isprintable()
        return
    assert outcome.reason.detail.isprintable()
    assert len(outcome.reason.detail) <= 500
    if 400 <= code < 500:
        assert isinstance(outcome, Deferred)
    if outcome.reason.scope is Scope.SERVER:
        assert isinstance(outcome, Deferred)
    if phase in {Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH}:
        assert outcome.reason.scope is Scope.SERVER


@pytest.mark.parametrize(
    "words",
    [
        "relay ",
        "client host ",
        "exceeds ",
        "too many ",
        "daily sending ",
        "sender not ",
        "from address ",
        "limit per hour over ",
        "your ip ",
        "mailbox ",
        "postmaster",
        "domain ",
        "your account ",
        "x" * 1000,
    ],
)
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.END])
def test_a_reply_of_64_kib_is_understood_at_once(words: str, phase: Phase) -> None:
    began = time.process_time()
    judge(Reply(554, words * (65_536 // len(words))), phase=phase)
    assert time.process_time() - began < 0.5
