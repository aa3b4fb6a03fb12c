"""One mail's passage through the dialogue: its commands, and what each reply means for each recipient."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from msgspec import structs

from transports.addresses.mail_address import normalise
from transports.smtp.replies import Phase, Reply, judge
from transports.types import (
    Deferred,
    Outcome,
    Reason,
    ReasonCode,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
)

DATA = b"DATA\r\n"
EMPTY_BODY = b".\r\n"
_MAX_DIALOGUE = 2048


class Transaction:
    """`commands` are MAIL, one RCPT for each recipient that can be asked for, and DATA; empty when none can."""

    __slots__ = (
        "_accepted",
        "_asked",
        "_began",
        "_kept",
        "_outcomes",
        "_payload",
        "_said",
        "_sender",
        "commands",
        "data_reply",
        "wire",
    )

    def __init__(self, wire: Wire, *, sender: str) -> None:
        self.wire = wire
        self._sender = sender
        self._began = time.monotonic()
        self._kept: list[Outcome | None] = [None] * len(wire.to)
        self._said: list[tuple[bytes, Reply]] = []

    def start(self, *, features: Mapping[str, str], max_size: int) -> None:
        """Begin, or begin again on another connection, with what the server offers there."""
        self.commands: list[bytes] = []
        self.data_reply: Reply | None = None
        self._outcomes = list(self._kept)
        self._asked: list[int] = []
        self._accepted: list[int] = []
        if not any(self._kept):
            self._said = []
        utf8 = "smtputf8" in features
        self._payload = self.wire.payload if utf8 else self.wire.downgraded or self.wire.payload
        recipients = self._recipients(utf8=utf8)
        refusal = self._refusal(utf8=utf8, max_size=max_size)
        if refusal is not None:
            self._settle(refusal)
        elif recipients:
            self._compose(recipients, features)

    @property
    def wanted(self) -> bool:
        """Whether some recipient was taken."""
        return bool(self._accepted)

    @property
    def takers(self) -> tuple[int, ...]:
        """The positions of the recipients who were taken."""
        return tuple(self._accepted)

    @property
    def settled(self) -> bool:
        """Whether every recipient has an outcome."""
        return None not in self._outcomes

    @property
    def accepted(self) -> bool:
        """Whether the server waits for the mail and somebody is to get it."""
        return self.data_reply is not None and self.data_reply.wants_more and bool(self._accepted)

    @property
    def hollow(self) -> bool:
        """Whether the server waits for a mail that nobody is to get: RFC 2920 3.1 wants a single dot then."""
        return self.data_reply is not None and self.data_reply.wants_more and not self._accepted

    @property
    def body(self) -> bytes:
        """The mail with its dots stuffed and the final dot (RFC 5321 4.5.2)."""
        payload = self._payload
        if b"\n." in payload:
            payload = payload.replace(b"\n.", b"\n..")
        return payload + EMPTY_BODY

    def take(self, position: int, reply: Reply) -> bool:
        """The reply to the command at `position`; False when asking further is of no use."""
        last = len(self.commands) - 1
        if 0 < position < last:
            self._take_recipient(self._asked[position - 1], reply)
            return True
        if position == 0:
            if not reply.success:
                self._refuse(Phase.MAIL, reply)
            return reply.success
        self.data_reply = reply
        if not reply.wants_more:
            self._refuse(Phase.DATA, reply)
        return reply.wants_more

    def end(self, reply: Reply) -> None:
        """The reply to the final dot, which holds for everybody who was accepted."""
        outcome = judge(reply, phase=Phase.END, own_sender=self.wire.own_sender)
        if not isinstance(outcome, Sent):
            self._said.append((b"(the mail)", reply))
        self._settle(outcome)

    def asks_recipient(self, position: int) -> bool:
        """Whether the command at `position` is a RCPT."""
        return 0 < position < len(self.commands) - 1

    def lost(self, reason: Reason, *, at: int = 0, charged: bool = True) -> None:
        """The connection failed while nothing of the mail was handed over; `at` is the command that got no reply.

        Where it is a RCPT, its recipient alone is charged.
        """
        if self.asks_recipient(at):
            self._charge(at, Deferred(reason))
            charged = False
        self._settle(Deferred(reason, charged=charged))

    def set_aside(self, at: int, reason: Reason) -> None:
        """The server hung up at the command at `at`: its recipient is charged, or nobody where it had just refused one.

        Those who were taken or refused stay so when it begins again; whoever had no turn gets one later, uncharged.
        """
        reason = structs.replace(reason, scope=Scope.RECIPIENT)
        if self.asks_recipient(at) and (reason.reply or not self.refused(at - 1)):
            self._charge(at, Deferred(reason))
        for position in self._asked:
            if self._outcomes[position] is None and position not in self._accepted:
                self._outcomes[position] = Deferred(reason, charged=False)
        self._kept = self._outcomes

    def unanswered(self, reason: Reason) -> None:
        """The mail was handed over and no answer can be had."""
        self._settle(Unknown(reason))

    @property
    def ends_connection(self) -> bool:
        """Whether what became of it means that nothing more can be sent over the connection."""
        for outcome in self._outcomes:
            if outcome is None or isinstance(outcome, Sent):
                continue
            if isinstance(outcome, Unknown) or outcome.reason.scope is Scope.SERVER:
                return True
        return False

    def result(self) -> Result:
        """Once every recipient has an outcome."""
        outcomes = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(outcomes) == len(self.wire.to)
        took = timedelta(seconds=time.monotonic() - self._began)
        return Result(tuple(outcomes), duration=took, dialogue=self._dialogue() if self._said else "")

    def refused(self, position: int) -> bool:
        """Whether the command at `position` is a RCPT that was not taken."""
        return self.asks_recipient(position) and self._outcomes[self._asked[position - 1]] is not None

    def _charge(self, at: int, outcome: Deferred) -> None:
        position, reason = self._asked[at - 1], outcome.reason
        if reason.reply:
            self._said.append((_asking(self.wire.to[position]), Reply(int(reason.reply), reason.detail)))
        self._outcomes[position] = outcome

    def _refusal(self, *, utf8: bool, max_size: int) -> Outcome | None:
        """Why the mail can't be given to this server at all, as far as its reply to EHLO tells."""
        size = len(self._payload)
        if max_size and size > max_size:
            detail = f"{size} octets, the server takes {max_size}"
            return Rejected(Reason(ReasonCode.MESSAGE_TOO_BIG, Scope.MESSAGE, detail))
        if utf8 or (self._payload.isascii() and self._sender.isascii()):
            return None
        detail = "the sender's address is outside ASCII; SMTPUTF8 is not offered"
        if self.wire.own_sender and self._sender.isascii():
            return Rejected(Reason(ReasonCode.SMTPUTF8_MISSING, Scope.MESSAGE, detail))
        return Deferred(Reason(ReasonCode.SMTPUTF8_MISSING, Scope.SERVER, detail))

    def _recipients(self, *, utf8: bool) -> list[bytes]:
        """The RCPT commands of those who have no outcome yet."""
        recipients: list[bytes] = []
        for position, recipient in enumerate(self.wire.to):
            if self._outcomes[position] is not None:
                continue
            path = _path(recipient, utf8=utf8)
            if isinstance(path, Reason):
                self._outcomes[position] = Rejected(path)
                continue
            self._asked.append(position)
            recipients.append(b"RCPT TO:<%b>\r\n" % path)
        return recipients

    def _compose(self, recipients: list[bytes], features: Mapping[str, str]) -> None:
        size = b" SIZE=%d" % len(self._payload) if "size" in features else b""
        plain = self._payload.isascii() and self._sender.isascii() and all(path.isascii() for path in recipients)
        options = b"" if plain else b" BODY=8BITMIME SMTPUTF8"  # RFC 6531 3.1: the one implies the other
        mail = b"MAIL FROM:<%b>%b%b\r\n" % (self._sender.encode(), size, options)
        self.commands = [mail, *recipients, DATA]

    def _take_recipient(self, position: int, reply: Reply) -> None:
        if self._outcomes[position] is not None:
            return
        if reply.success:
            self._accepted.append(position)
            return
        self._said.append((_asking(self.wire.to[position]), reply))
        self._outcomes[position] = _not_sent(
            judge(reply, phase=Phase.RCPT, alone=not self._accepted, own_sender=self.wire.own_sender), reply
        )

    def _refuse(self, phase: Phase, reply: Reply) -> None:
        if self.settled:
            return
        self._said.append((phase.value.upper().encode(), reply))
        self._settle(_not_sent(judge(reply, phase=phase, own_sender=self.wire.own_sender), reply))
        self._accepted.clear()

    def _settle(self, outcome: Outcome) -> None:
        self._outcomes = [outcome if known is None else known for known in self._outcomes]

    def _dialogue(self) -> str:
        said = "\n".join(f"> {command.decode()}\n< {reply.code} {reply.detail}" for command, reply in self._said)
        return said[:_MAX_DIALOGUE]


def _asking(recipient: Recipient) -> bytes:
    return b"RCPT TO:<%b>" % recipient.address.encode()


def _path(recipient: Recipient, *, utf8: bool) -> bytes | Reason:
    try:
        address = normalise(recipient.address)
    except ValueError as error:
        return Reason(ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT, str(error))
    if not utf8 and not address.isascii():
        detail = "the server does not offer SMTPUTF8"
        return Reason(ReasonCode.SMTPUTF8_MISSING, Scope.RECIPIENT, detail)
    return address.encode()


def _not_sent(outcome: Outcome, reply: Reply) -> Outcome:
    """A success where none can be meant, as a 250 to DATA, is a broken dialogue."""
    if isinstance(outcome, Sent):
        return Deferred(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, reply.detail, reply=str(reply.code)))
    return outcome
