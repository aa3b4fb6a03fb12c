"""One mail's passage through the dialogue: what is asked, and what each reply means for each recipient."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from transports.mail_address import normalise
from transports.smtp_replies import Phase, Reply, judge
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
        "_outcomes",
        "_said",
        "_sender",
        "_utf8",
        "commands",
        "data_reply",
        "wire",
    )

    def __init__(self, wire: Wire, *, sender: str) -> None:
        self.wire = wire
        self._sender = sender
        self._began = time.monotonic()

    def start(self, *, features: Mapping[str, str], max_size: int) -> None:
        """Begin, or begin again on another connection, with what the server offers there."""
        self.commands: list[bytes] = []
        self.data_reply: Reply | None = None
        self._outcomes: list[Outcome | None] = [None] * len(self.wire.to)
        self._asked: list[int] = []
        self._accepted: list[int] = []
        self._said: list[tuple[bytes, Reply]] = []
        self._utf8 = not (self.wire.payload.isascii() and self._sender.isascii())
        refusal = self._refusal(features, max_size=max_size)
        if refusal is None:
            self._compose(features)
        else:
            self._settle(Rejected(refusal))

    @property
    def wanted(self) -> bool:
        """Whether some recipient was taken."""
        return bool(self._accepted)

    @property
    def settled(self) -> bool:
        """Whether every recipient has an outcome."""
        return None not in self._outcomes

    @property
    def accepted(self) -> bool:
        """Whether the server waits for the mail and somebody is to get it."""
        return self.data_reply is not None and self.data_reply.code == 354 and bool(self._accepted)

    @property
    def hollow(self) -> bool:
        """Whether the server waits for a mail that nobody is to get: RFC 2920 3.1 wants a single dot then."""
        return self.data_reply is not None and self.data_reply.code == 354 and not self._accepted

    @property
    def body(self) -> bytes:
        """The mail with its dots stuffed and the final dot (RFC 5321 4.5.2)."""
        payload = self.wire.payload
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
            if reply.code != 250:
                self._refuse(Phase.MAIL, reply)
            return reply.code == 250
        self.data_reply = reply
        if reply.code != 354:
            self._refuse(Phase.DATA, reply)
        return reply.code == 354

    def end(self, reply: Reply) -> None:
        """The reply to the final dot, which holds for everybody who was accepted."""
        outcome = judge(reply, phase=Phase.END, own_sender=self.wire.own_sender)
        if not isinstance(outcome, Sent):
            self._said.append((b"(the mail)", reply))
        self._settle(outcome)

    def lost(self, reason: Reason) -> None:
        """The connection failed while nothing of the mail was handed over."""
        self._settle(Deferred(reason))

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

    def _refusal(self, features: Mapping[str, str], *, max_size: int) -> Reason | None:
        """Why the mail can't be given to this server at all, as far as its reply to EHLO tells."""
        size = len(self.wire.payload)
        if max_size and size > max_size:
            detail = f"{size} octets, the server takes {max_size}"
            return Reason(ReasonCode.MESSAGE_TOO_BIG, Scope.MESSAGE, detail)
        if self._utf8 and "smtputf8" not in features:
            detail = "an address outside ASCII is the sender or shows in a header; SMTPUTF8 is not offered"
            return Reason(ReasonCode.SMTPUTF8_MISSING, Scope.MESSAGE, detail)
        return None

    def _compose(self, features: Mapping[str, str]) -> None:
        utf8 = "smtputf8" in features
        recipients: list[bytes] = []
        for position, recipient in enumerate(self.wire.to):
            path = _path(recipient, utf8=utf8)
            if isinstance(path, Reason):
                self._outcomes[position] = Rejected(path)
                continue
            self._asked.append(position)
            recipients.append(b"RCPT TO:<%b>\r\n" % path)
            self._utf8 = self._utf8 or not path.isascii()
        if not recipients:
            return
        size = b" SIZE=%d" % len(self.wire.payload) if "size" in features else b""
        options = b" BODY=8BITMIME SMTPUTF8" if self._utf8 else b""  # RFC 6531 3.1: the one implies the other
        mail = b"MAIL FROM:<%b>%b%b\r\n" % (self._sender.encode(), size, options)
        self.commands = [mail, *recipients, DATA]

    def _take_recipient(self, position: int, reply: Reply) -> None:
        if self._outcomes[position] is not None:
            return
        if reply.code in {250, 251, 252}:
            self._accepted.append(position)
            return
        self._said.append((b"RCPT TO:<%b>" % self.wire.to[position].address.encode(), reply))
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
