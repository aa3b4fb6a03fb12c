"""MAIL, RCPT and DATA over one session, in groups (RFC 2920) or one by one, and when a session does not keep step."""

from __future__ import annotations

import re

from transports.net.deadline import Deadline
from transports.net.guard import ConnectionFailed
from transports.smtp.replies import Phase, Reply, judge, plain
from transports.smtp.session import Session
from transports.smtp.transaction import DATA, EMPTY_BODY, Transaction
from transports.types import Deferred, Reason, ReasonCode, Scope

WINDOW = 100  # commands in one write: their replies fit into the smallest socket buffers, so nobody waits for nobody
_RESET = b"RSET\r\n"
_BROKEN_GROUP = re.compile(r"pipelin|synchroni[sz]ation", re.IGNORECASE)
_SESSION = re.compile(
    r"\b(?:per|this|same|single|one|a|each) (?:smtp )?(?:session|connection)\b|messages in session", re.IGNORECASE
)


class Spent(ConnectionFailed):
    """A limit of the session: another one may go on."""


class OutOfStep(ConnectionFailed):
    """A group of commands did not get its replies, or not in this order: one by one they may."""


class Dialogue:
    """The commands and replies of one session. `at` is the position of the command whose reply is awaited, or was last.

    `used` says that it is not the session's first mail; `in_step` whether groups written behind a mail (True), and
    those written alone (False), have got all their replies. Every failure is a ConnectionFailed: an OutOfStep for a
    reply that no server gives which reads a group in order, and for silence after the first group of a kind; a Spent
    for what tells of a limit of the session.
    """

    def __init__(self, session: Session, *, pipelining: bool) -> None:
        self.session = session
        self.pipelining = pipelining and "pipelining" in session.esmtp_features
        self.at = 0
        self.in_step = {True: False, False: False}
        self._asked = 0
        self._dirty = False

    @property
    def used(self) -> bool:
        return self._asked > 1

    def exchange(self, new: Transaction, *, written: bool) -> None:
        """Ask for `new`; `written` tells that its first window went out behind the mail before it."""
        self.at = 0
        self._asked += 1
        try:
            if self.pipelining:
                self._in_groups(new, written=written)
            else:
                self._one_by_one(new)
        except ConnectionFailed as failure:
            if not new.settled or failure.reason.code is ReasonCode.TIMEOUT:
                raise
            self.session.close()  # it hung up after it had refused the last one
        self._dirty = not new.accepted and not new.hollow
        if new.hollow:
            self._dismiss()

    def _in_groups(self, new: Transaction, *, written: bool) -> None:
        last = len(new.commands) - 1
        for start in range(0, len(new.commands), WINDOW):
            window = new.commands[start : start + WINDOW]
            behind = written and not start
            if not behind:
                self._write(window, reset=self._dirty and not start)
            useful = True
            for self.at in range(start, start + len(window)):
                reply = self._grouped_reply(behind=behind)
                if useful and reply.code != (354 if self.at == last else 250):
                    self._check_step(new, reply)
                    self._check_session(new, reply)
                useful = new.take(self.at, reply) and useful
            self.in_step[behind] = True
            if not useful:
                return

    def _write(self, window: list[bytes], *, reset: bool) -> None:
        deadline = Deadline(self.session.config.timeout)
        self.session.write((_RESET if reset else b"") + b"".join(window), deadline)
        if reset:
            _not_closing(self.session.reply(deadline))

    def _grouped_reply(self, *, behind: bool) -> Reply:
        try:
            return _not_closing(self.session.reply())
        except ConnectionFailed as failure:
            if not self.in_step[behind] and self._may_be_the_group(failure.reason):
                raise OutOfStep(failure.reason) from failure
            raise

    def _may_be_the_group(self, reason: Reason) -> bool:
        """Silence may; so may a server that hangs up, where it cannot be for the mails it has carried already."""
        if reason.code is ReasonCode.DISCONNECTED:
            return not self.used
        return reason.code is ReasonCode.TIMEOUT or _BROKEN_GROUP.search(reason.detail) is not None

    def _check_step(self, new: Transaction, reply: Reply) -> None:
        at_data = self.at == len(new.commands) - 1
        wrong = (
            (reply.wants_more and not at_data)
            or (reply.code == 503 and (new.wanted or not at_data))
            or (reply.success and at_data)
            or (reply.code >= 400 and _BROKEN_GROUP.search(plain(reply.text)) is not None)
        )
        if wrong:
            raise OutOfStep(_reason(reply, ReasonCode.PROTOCOL_ERROR))

    def _check_session(self, new: Transaction, reply: Reply) -> None:
        """A 4yz to MAIL or DATA after other mails, or words that name the session, mean only this session."""
        if reply.code < 400 or not self.session.transactions:
            return
        at_data = self.at == len(new.commands) - 1
        later = reply.code < 500 and (self.at == 0 or (at_data and new.wanted))
        if later or names_session(reply.text):
            raise Spent(_reason(reply, ReasonCode.THROTTLED))

    def _one_by_one(self, new: Transaction) -> None:
        if self._dirty:
            self._say(_RESET)
        for self.at, command in enumerate(new.commands):
            if command is DATA and not new.wanted:
                return
            reply = self._say(command)
            self._check_session(new, reply)
            if not new.take(self.at, reply):
                return

    def _say(self, command: bytes) -> Reply:
        return _not_closing(self.session.exchange(command))

    def _dismiss(self) -> None:
        """Ends a transaction that nobody is to get; a failure shows at the next command."""
        try:
            self._say(EMPTY_BODY)
        except ConnectionFailed:
            self.session.close()


def names_session(text: str) -> bool:
    """Whether the words tell of a limit for one session."""
    return _SESSION.search(plain(text)) is not None


def _not_closing(reply: Reply) -> Reply:
    """A reply before the mail itself; 421 there is a connection that is gone."""
    if reply.code == 421:
        outcome = judge(reply, phase=Phase.MAIL)
        assert isinstance(outcome, Deferred)
        raise ConnectionFailed(outcome.reason)
    return reply


def _reason(reply: Reply, code: ReasonCode) -> Reason:
    return Reason(code, Scope.SERVER, reply.detail, reply=str(reply.code), enhanced=reply.enhanced)
