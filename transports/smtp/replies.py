"""SMTP replies, and what they mean for a message, a recipient or the whole server."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from transports.smtp import words
from transports.types import Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent

# At the beginning, where RFC 2034 puts it, also as IronPort's "#5.1.0"; qmail's "(#5.1.1)" stands anywhere.
_ENHANCED = re.compile(r"#?([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_LATE_ENHANCED = re.compile(r"\(#([45]\.\d{1,3}\.\d{1,3})\)")
_MAX_DETAIL = 500
_MAX_READ = 2000  # more than a server says in earnest


class Phase(StrEnum):
    """Where in the dialogue a reply was given."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"


class Reply(Struct, frozen=True):
    """A whole reply: its code and its text, the lines of which are parted by line feeds."""

    code: int
    text: str

    @property
    def success(self) -> bool:
        """RFC 5321 4.2: a client acts on the first digit."""
        return 200 <= self.code < 300

    @property
    def wants_more(self) -> bool:
        """As after DATA."""
        return 300 <= self.code < 400

    @property
    def enhanced(self) -> str:
        """The RFC 3463 code, or an empty string."""
        found = _ENHANCED.match(self.text)
        if found is None and self.code >= 400:
            found = _LATE_ENHANCED.search(self.text)
        return found[1] if found else ""

    @property
    def detail(self) -> str:
        """The text in one line without control characters, cut to a length that can be shown."""
        text = self.text[:_MAX_DETAIL]
        if not text.isprintable():
            text = "".join(character if character.isprintable() else " " for character in text)
        return text.strip()


_SCOPES = {
    Phase.CONNECT: Scope.SERVER,
    Phase.EHLO: Scope.SERVER,
    Phase.STARTTLS: Scope.SERVER,
    Phase.AUTH: Scope.SERVER,
    Phase.MAIL: Scope.MESSAGE,
    Phase.RCPT: Scope.RECIPIENT,
    Phase.DATA: Scope.MESSAGE,
    Phase.END: Scope.MESSAGE,
}


class Row(Struct, frozen=True):
    """One line of the table. What is left out fits everything; a `scope` left out is the phase's own.

    `codes`, `enhanced` and `words` are regular expressions: the first two for the whole code, `words` for some part
    of the text. `later` makes it Deferred even with a 5xx code. `own` tells that it is about the From of the message,
    which may be its own.
    """

    reason: ReasonCode
    scope: Scope | None = None
    codes: str = ""
    enhanced: str = ""
    words: str = ""
    phases: frozenset[Phase] = frozenset()
    later: bool = False
    own: bool = False

    def fits(self, reply: Reply, *, phase: Phase, enhanced: str) -> bool:
        return (
            (not self.phases or phase in self.phases)
            and (not self.codes or re.fullmatch(self.codes, str(reply.code)) is not None)
            and (not self.enhanced or re.fullmatch(self.enhanced, enhanced) is not None)
            and (not self.words or re.search(self.words, reply.text, re.IGNORECASE) is not None)
        )


_AUTH = frozenset({Phase.AUTH})
_MAIL = frozenset({Phase.MAIL})
_RCPT = frozenset({Phase.RCPT})
_GREETING = frozenset({Phase.CONNECT, Phase.EHLO})
_MESSAGE = frozenset({Phase.DATA, Phase.END})
_STARTTLS = frozenset({Phase.STARTTLS})
_ENVELOPE = frozenset({Phase.MAIL, Phase.RCPT})
_ALL_MAIL = _ENVELOPE | _MESSAGE
_NOT_RCPT = _MAIL | _MESSAGE
_SERVER, _RECIPIENT = Scope.SERVER, Scope.RECIPIENT
_LATER = "4..|5.."

ROWS: tuple[Row, ...] = (
    # The server closes the connection, whatever it was asked: RFC 5321 3.8, 4.2.3; Google's texts for 421 4.7.0.
    Row(ReasonCode.THROTTLED, _SERVER, codes="421", words=rf"too many|\brate\b|\blimit|{words.TOO_FAST}"),
    Row(ReasonCode.ENCRYPTION_REQUIRED, _SERVER, codes="421", words="TLS required"),
    Row(ReasonCode.SERVICE_UNAVAILABLE, _SERVER, codes="421"),
    Row(ReasonCode.THROTTLED, _SERVER, phases=_GREETING, words=words.TOO_FAST),
    Row(ReasonCode.GREETING_REFUSED, _SERVER, phases=_GREETING),  # RFC 5321 3.1: 554 instead of a greeting
    Row(ReasonCode.TLS_FAILED, _SERVER, phases=_STARTTLS),  # RFC 3207 4: 454, 501
    # Exchange Online: 550 5.7.30 basic authentication not supported; 535 5.7.139 SmtpClientAuthentication is disabled.
    Row(ReasonCode.BASIC_AUTH_DISABLED, _SERVER, enhanced=r"5\.7\.30"),
    Row(ReasonCode.BASIC_AUTH_DISABLED, _SERVER, codes="535", words="SmtpClientAuthentication is disabled|basic auth"),
    Row(ReasonCode.OUT_OF_CREDIT, _SERVER, words="credits exceeded|insufficient (?:credit|balance)|no credits? left"),
    # RFC 4954 6; 534 5.7.9 of Google asks for an app password, 432 for a new one.
    Row(ReasonCode.CREDENTIALS_REFUSED, _SERVER, codes="432", phases=_AUTH),
    Row(ReasonCode.AUTH_TEMPORARY, _SERVER, codes="4..", phases=_AUTH),
    Row(ReasonCode.ENCRYPTION_REQUIRED, _SERVER, codes="538"),
    Row(ReasonCode.CREDENTIALS_REFUSED, _SERVER, words=words.LOCKED_OUT, phases=_AUTH),
    # Postfix says 535 too when its Dovecot or saslauthd is away.
    Row(ReasonCode.AUTH_TEMPORARY, _SERVER, codes="5..", words=words.DIRECTORY_AWAY, phases=_AUTH),
    Row(ReasonCode.ACCOUNT_SUSPENDED, _SERVER, words=words.ACCOUNT_CLOSED),
    Row(ReasonCode.CREDENTIALS_REFUSED, _SERVER, codes="534|535"),
    Row(ReasonCode.ENCRYPTION_REQUIRED, _SERVER, codes="5..", words="TLS|encrypt", phases=_AUTH | _MAIL),
    Row(ReasonCode.AUTH_NOT_OFFERED, _SERVER, codes="50[0-4]", phases=_AUTH),
    Row(ReasonCode.CREDENTIALS_REFUSED, _SERVER, phases=_AUTH),
    Row(ReasonCode.ENCRYPTION_REQUIRED, _SERVER, codes="530", words="TLS|encrypt"),  # RFC 3207 4
    # Exchange: a group or mailbox that takes mail of some only, 5.7.12x and 5.7.13x.
    Row(ReasonCode.POLICY, _RECIPIENT, enhanced=r"5\.7\.1[23]\d"),
    Row(ReasonCode.POLICY, _RECIPIENT, codes="5..", words=words.OF_THE_RECIPIENT),
    # RFC 7372: X.7.20 to X.7.26 are DKIM, SPF and DMARC, apart from X.7.25, a machine without a name.
    Row(ReasonCode.POLICY, _SERVER, enhanced=r"[45]\.7\.2[0-46]", own=True),
    Row(ReasonCode.POLICY, _SERVER, codes=_LATER, words=words.UNPROVED_SENDER, phases=_ALL_MAIL, own=True),
    Row(ReasonCode.AUTH_REQUIRED, _SERVER, codes="45[0-4]|50[35]|5[35].", words=words.SIGN_IN_FIRST),
    Row(ReasonCode.SENDER_REFUSED, _SERVER, codes="530", words=words.SENDER, own=True),  # Postal
    Row(ReasonCode.AUTH_REQUIRED, _SERVER, codes="530"),  # RFC 4954 6; Exchange 5.7.57
    # Exchange Online: 5.1.8 bad outbound sender, 5.7.501 to 503 spam or banned sender, 5.7.705 tenant over its limit.
    Row(ReasonCode.ACCOUNT_SUSPENDED, _SERVER, enhanced=r"5\.1\.8", words="outbound"),
    Row(ReasonCode.ACCOUNT_SUSPENDED, _SERVER, enhanced=r"5\.7\.(50[123]|705)"),
    # Postfix tells at RCPT what is wrong with the greeting or the machine; Exim's Debian rules do so for the greeting.
    Row(ReasonCode.GREETING_REFUSED, _SERVER, words="helo command rejected|invalid helo", phases=_ENVELOPE),
    # RFC 5321 4.5.3.1.10, RFC 3463 X.5.3; Exim says it without an enhanced code; Google's 451 4.3.0.
    Row(ReasonCode.TOO_MANY_RECIPIENTS, codes="45[0-2]|552", enhanced=r"[45]\.5\.3", phases=_RCPT),
    Row(ReasonCode.TOO_MANY_RECIPIENTS, codes="45[0-2]|552", words="too many recip", phases=_RCPT),
    Row(ReasonCode.TOO_MANY_RECIPIENTS, codes="451", words="multiple destination domains", phases=_RCPT),
    # Exim with recipients_max_reject refuses those that it took as well: smaller mails go through later.
    Row(ReasonCode.THROTTLED, codes="45[0-2]|55[24]", words="too many recip", phases=_MESSAGE, later=True),
    Row(ReasonCode.MAILBOX_FULL, _RECIPIENT, words=r"(?:mail|in)box (?:size|storage)", phases=_RCPT),
    # RFC 1870 6, RFC 3463 X.2.3 and X.3.4.
    Row(ReasonCode.MESSAGE_TOO_BIG, Scope.MESSAGE, enhanced=r"[45]\.(3\.4|2\.3)"),
    Row(
        ReasonCode.MESSAGE_TOO_BIG,
        Scope.MESSAGE,
        codes="55[24]",
        words="too (big|large)|exceeds .{0,40}size|size limit",
    ),
    # A mailbox that gets too much (Google 4.2.1) is not a sender that sends too much.
    Row(ReasonCode.THROTTLED, words=words.RECEIVING_TOO_MUCH, phases=_RCPT),
    Row(ReasonCode.ADDRESS_UNKNOWN, codes="5..", enhanced=r"5\.1\.(1|10)", phases=_RCPT),
    # How much this client or account may send. Google: 5.4.5; Exchange: 5.2.2 at MAIL, 451 4.7.500.
    Row(ReasonCode.THROTTLED, _SERVER, codes=_LATER, words=words.LIMIT_OF_SENDING, phases=_ALL_MAIL),
    Row(ReasonCode.THROTTLED, _SERVER, enhanced=r"5\.4\.5", words="limit|quota"),
    Row(ReasonCode.THROTTLED, _SERVER, enhanced=r"[45]\.2\.2", phases=_MAIL),
    Row(ReasonCode.THROTTLED, _SERVER, codes="451", enhanced=r"4\.7\.[56]\d\d"),
    Row(ReasonCode.THROTTLED, enhanced=r"4\.2\.1", words="rate|too (much|quickly|many)"),
    # Exchange: this sender, or else the mailbox, has too many at the same time.
    Row(ReasonCode.THROTTLED, _SERVER, codes="432", words="sender"),
    Row(ReasonCode.THROTTLED, codes="432"),
    Row(ReasonCode.THROTTLED, _SERVER, codes=_LATER, words=words.TOO_FAST, phases=_ALL_MAIL),
    # What is full at RCPT is the recipient's, at MAIL the account's or the server's disk; 552 is the mail's size.
    Row(ReasonCode.MAILBOX_FULL, _RECIPIENT, enhanced=r"[45]\.2\.2"),
    Row(ReasonCode.MAILBOX_FULL, codes="45[0-2]|55[0-4]", words=words.MAILBOX_FULL, phases=_RCPT),
    Row(ReasonCode.MAILBOX_FULL, codes="452|552", words="full|quota|storage", phases=_RCPT),
    Row(ReasonCode.THROTTLED, _SERVER, codes=_LATER, words=words.QUOTA_EXCEEDED, phases=_NOT_RCPT),
    Row(ReasonCode.MAILBOX_BUSY, _RECIPIENT, codes="4..", words=words.MAILBOX_BUSY),  # RFC 5321 4.2.3: 450
    Row(ReasonCode.ADDRESS_INVALID, enhanced=r"5\.1\.3", phases=_RCPT),
    Row(ReasonCode.ADDRESS_UNKNOWN, codes="55.", words=words.NOT_HERE, phases=_RCPT),
    Row(ReasonCode.MAILBOX_DISABLED, _RECIPIENT, codes="55.", words=words.MAILBOX_CLOSED, phases=_RCPT | _MESSAGE),
    Row(ReasonCode.CONTENT_REFUSED, codes="552", words="spam|virus|unsolicited", phases=_MESSAGE),
    Row(ReasonCode.MESSAGE_TOO_BIG, Scope.MESSAGE, codes="552", phases=_NOT_RCPT),
    # Exchange: 5.7.60 and 5.2.252 SendAsDenied. Postfix tells reject_sender_login_mismatch at RCPT, others at MAIL.
    Row(ReasonCode.SENDER_REFUSED, _SERVER, enhanced=r"5\.7\.60|5\.2\.252|[45]\.1\.[78]", own=True),
    Row(ReasonCode.SENDER_REFUSED, _SERVER, words=r"disallowed as\b|unregistered domain", own=True),  # Zoho, Exchange
    # A link in the text may stand on a block list; else block lists refuse the machine, even at RCPT.
    Row(ReasonCode.CONTENT_REFUSED, codes="55[04]", words=words.BLOCKED_LINK, phases=_MESSAGE),
    Row(ReasonCode.POLICY, _SERVER, enhanced=r"5\.7\.(25|511|6[0-4]\d|708)"),
    Row(ReasonCode.GREYLISTED, codes="45[01]", words="gr[ae]y-?list"),  # RFC 6647; Postgrey, Exim, rspamd
    # Postfix: Relay access denied (454 by default); Exim: relay not permitted; Exchange: Unable to relay; qmail.
    Row(ReasonCode.RELAY_DENIED, _SERVER, words="credentials for relay"),  # Google Workspace, of this machine
    Row(ReasonCode.RELAY_DENIED, words="cannot deliver mail for", phases=_RCPT),  # Haraka
    Row(ReasonCode.RELAY_DENIED, words="relay(ing)? (access )?(denied|not permitted|not allowed)|unable to relay"),
    Row(ReasonCode.RELAY_DENIED, words="rcpthosts|not permitted to relay|relaying", phases=_RCPT),
    Row(ReasonCode.RELAY_DENIED, enhanced=r"5\.7\.(54|64)"),
    Row(ReasonCode.POLICY, _SERVER, codes="45.|52[15]|55.|571", words=words.BLOCK_LIST, phases=_ALL_MAIL),
    Row(ReasonCode.CONTENT_REFUSED, codes="55[0-4]", words=words.SPAM, phases=_MESSAGE),
    Row(ReasonCode.SENDER_REFUSED, _SERVER, codes=_LATER, words=words.SENDER, phases=_ALL_MAIL, own=True),
    Row(ReasonCode.SENDER_REFUSED, _SERVER, codes="501|55[0134]", phases=_MAIL),
    # RFC 3463 X.3.1 (its own disk), X.3.2 (shut down for the moment).
    Row(ReasonCode.STORAGE_FULL, _SERVER, codes="4..", enhanced=r"4\.3\.1"),
    Row(ReasonCode.STORAGE_FULL, _SERVER, codes="452", words="storage|disk|space", phases=_NOT_RCPT),
    Row(ReasonCode.SERVICE_UNAVAILABLE, _SERVER, codes="4..", enhanced=r"4\.3\.[025]", phases=_MAIL),
    Row(ReasonCode.SERVICE_UNAVAILABLE, _SERVER, codes="4..", words=words.OUT_OF_ORDER, phases=_ALL_MAIL),
    # Others say greylisting only with 4.7.1 and "try again later".
    Row(ReasonCode.GREYLISTED, codes="45[01]", enhanced=r"4\.7\.[01]", phases=_RCPT),
    # RFC 6531 3.5 (X.6.7); RFC 3463 X.1, X.2; RFC 7505 (5.1.10); Exchange 5.4.1.
    Row(ReasonCode.SMTPUTF8_MISSING, enhanced=r"5\.6\.[7-9]"),
    Row(ReasonCode.MAILBOX_DISABLED, _RECIPIENT, enhanced=r"[45]\.2\.1"),
    Row(ReasonCode.ADDRESS_UNKNOWN, enhanced=r"[45]\.1\.(0|1|2|4|6|10)|5\.4\.1", phases=_RCPT),
    Row(ReasonCode.POLICY, enhanced=r"5\.7\.\d+", phases=_RCPT),
    Row(ReasonCode.ADDRESS_INVALID, codes="501|553", phases=_RCPT),  # RFC 5321 4.2.3
    Row(ReasonCode.ADDRESS_UNKNOWN, codes="550|551", phases=_RCPT),  # RFC 5321 4.2.3
    # RFC 3463 X.6 (content), X.7 (policy).
    Row(ReasonCode.CONTENT_REFUSED, enhanced=r"5\.6\.\d+", phases=_MESSAGE),
    Row(ReasonCode.POLICY, enhanced=r"[45]\.7\.\d+"),
    Row(ReasonCode.PROTOCOL_ERROR, _SERVER, codes="503", phases=_MAIL),  # before anything is said of the message
    Row(ReasonCode.PROTOCOL_ERROR, codes="50[0-5]|3..", enhanced=r"|[45]\.5\.\d+"),
    Row(ReasonCode.TEMPORARY, codes="4.."),
    Row(ReasonCode.PERMANENT),
)


def plain(text: str) -> str:
    """The beginning of a reply's text in one line and without addresses, which may hold any word."""
    return " ".join(word for word in text[:_MAX_READ].split() if "@" not in word)


def judge(reply: Reply, *, phase: Phase, alone: bool = True, own_sender: bool = False) -> Outcome:
    """What `reply` means at `phase`; the first row of the table that fits decides (the rows name their sources).

    A reason with SERVER scope is always Deferred: the message may go when the server is back or repaired. `alone`
    tells that no recipient of the transaction was taken before, so "too many" can't be meant of this transaction;
    `own_sender` that the message has its own From, so a refused From says nothing about the server's; the
    sender of the envelope is always the server's.
    """
    enhanced = reply.enhanced
    if reply.success:
        return Sent(detail=reply.detail, reply=str(reply.code), enhanced=enhanced)
    read = Reply(reply.code, plain(reply.text))
    row = next(row for row in ROWS if row.fits(read, phase=phase, enhanced=enhanced))
    code, scope = row.reason, row.scope or _SCOPES[phase]
    if code is ReasonCode.TOO_MANY_RECIPIENTS and alone:
        code = ReasonCode.THROTTLED
    if row.own and own_sender and phase not in _ENVELOPE:
        scope = Scope.MESSAGE
    reason = Reason(code, scope, reply.detail, reply=str(reply.code), enhanced=enhanced)
    if code is ReasonCode.TOO_MANY_RECIPIENTS:
        return Deferred(reason, retry_after=timedelta())
    if scope is Scope.SERVER or row.later or reply.code < 500:
        return Deferred(reason)
    return Rejected(reason)


def names_recipient(text: str) -> bool:
    """Whether the words of a reply, at whatever phase, are those that replies about one recipient are known by."""
    words = plain(text)
    return any(
        row.words
        and (row.scope is Scope.RECIPIENT or row.phases == _RCPT)
        and re.search(row.words, words, re.IGNORECASE)
        for row in ROWS
    )
