"""Sends mails over a signed-in connection, and goes on with a fresh one where the connection is to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import structs

from transports.addresses.mail_address import normalise
from transports.net.deadline import Deadline
from transports.net.guard import ConnectionFailed
from transports.smtp.config import Pipelining
from transports.smtp.dialogue import WINDOW, Dialogue, OutOfStep, Spent, names_session
from transports.smtp.session import Session
from transports.smtp.transaction import Transaction
from transports.types import HandingOver, Learned, LearnedKind, Reason, ReasonCode, Result, Scope, Wire, unannounced

_HUNG_UP = frozenset({ReasonCode.DISCONNECTED, ReasonCode.TIMEOUT})


class SmtpConnection:
    """A `Connection`. One round trip a mail: its body and the next mail's MAIL, RCPT and DATA go out in one write.

    A mail whose body was not written goes again over a fresh connection, uncharged: where a used connection is gone,
    where it has met a limit of its session, and one command at a time where a group of commands got out of step.
    """

    def __init__(self, session: Session, *, reopen: Callable[[], Session]) -> None:
        self._reopen = reopen
        self._config = session.config
        self._sender = normalise(self._config.envelope_sender or self._config.from_email)
        self._pipelining = self._config.pipelining is Pipelining.AUTOMATIC
        self._limit = self._config.messages_per_connection
        self._dialogue = Dialogue(session, pipelining=self._pipelining)
        self._lessons: dict[LearnedKind, Learned] = {}
        self._learned: dict[LearnedKind, Learned] = {}
        self._trusted = False
        self._finished = False
        self._handing_over: HandingOver = unannounced

    @property
    def learned(self) -> tuple[Learned, ...]:
        """See `Connection`."""
        return tuple(self._learned.values())

    def send(self, wires: Iterable[Wire], *, handing_over: HandingOver = unannounced) -> Iterator[tuple[Wire, Result]]:
        """See `Connection`. Closing the iterator early ends the connection."""
        self._handing_over = handing_over
        settled = False
        try:
            for transaction in self._settled(wires):
                if transaction.ends_connection:
                    self._finished = True
                yield transaction.wire, transaction.result()
                if self._finished:
                    return
            settled = True
        finally:
            if not settled:
                self._finished = True
                self._session.close()

    def close(self) -> None:
        """See `Connection`."""
        if self._finished:
            self._session.close()
        else:
            self._finished = True
            self._session.finish()

    @property
    def _session(self) -> Session:
        return self._dialogue.session

    def _settled(self, wires: Iterable[Wire]) -> Iterator[Transaction]:
        """The transactions in order, each as soon as all its replies are there."""
        if self._finished:
            return
        waiting: Transaction | None = None
        for wire in wires:
            new = Transaction(wire, sender=self._sender)
            self._start(new)
            ahead = waiting is not None and bool(new.commands) and self._may_run_ahead()
            if waiting is not None:
                self._hand_over(waiting, ahead=_first_window(new) if ahead else b"")
                yield waiting
                waiting = None
            if new.commands:
                self._ask(new, written=ahead)
            if new.accepted and self._dialogue.pipelining:
                waiting = new
                continue
            if new.accepted:
                self._hand_over(new)
            yield new
        if waiting is not None:
            self._hand_over(waiting)
            yield waiting

    def _start(self, transaction: Transaction) -> None:
        transaction.start(features=self._session.esmtp_features, max_size=self._session.max_size)

    def _worn(self, *, after: int = 0) -> bool:
        """Whether the connection has carried what it may, once `after` more mails are through, or is closed."""
        return self._session.sock is None or 0 < self._limit <= self._session.transactions + after

    def _may_run_ahead(self) -> bool:
        """Not behind the first mail of a session, so that a late server is not taken for a confused one."""
        return bool(self._session.transactions) and not self._worn(after=1)

    def _hand_over(self, transaction: Transaction, *, ahead: bytes = b"") -> None:
        """The mail itself, the next commands behind it in the same write, and the reply to its final dot."""
        deadline = Deadline(self._config.timeout)
        body = transaction.body
        self._handing_over(transaction.wire, transaction.takers)
        try:
            self._session.write(body + ahead, deadline)
        except ConnectionFailed as failure:
            if self._session.written < len(body):
                self._cut_off(transaction, reason=failure.reason, deadline=deadline)
                return
        try:
            reply = self._session.reply(deadline)
        except ConnectionFailed as failure:
            transaction.unanswered(failure.reason)
            self._doubt_groups(failure.reason, ahead=bool(ahead))
        else:
            self._session.transactions += 1
            transaction.end(reply)

    def _doubt_groups(self, reason: Reason, *, ahead: bool) -> None:
        """A server that took a mail alone, but none with commands behind it, has not seen the end of this one for them.

        That cannot be tried out on this mail, which may be taken: so it is believed.
        """
        if ahead and reason.code is ReasonCode.TIMEOUT and not self._dialogue.in_step[True]:
            detail = "no reply to a mail that commands followed in the same write"
            kind = LearnedKind.NO_PIPELINING
            self._learned[kind] = Learned(kind, 0, detail)

    def _cut_off(self, transaction: Transaction, *, reason: Reason, deadline: Deadline) -> None:
        """The final dot was not handed over. A server that hung up may have said why."""
        if reason.code is ReasonCode.TIMEOUT:
            transaction.lost(reason)
            return
        try:
            reply = self._session.reply(deadline)
        except ConnectionFailed:
            transaction.lost(reason)
        else:
            self._session.transactions += 1
            transaction.end(reply)

    def _ask(self, new: Transaction, *, written: bool) -> None:
        """MAIL, RCPT and DATA, over a fresh connection where this one has carried its share, is gone or to blame."""
        worn = self._worn()
        try:
            if worn:
                self._renew(new)
            self._exchange(new, written=written)
        except ConnectionFailed as failure:
            if self._may_be_the_connection(failure, worn=worn):
                self._ask_again(new, failure)
            else:
                self._lose(new, failure)

    def _may_be_the_connection(self, failure: ConnectionFailed, *, worn: bool) -> bool:
        if isinstance(failure, OutOfStep | Spent):
            return True
        return not worn and self._dialogue.used and failure.reason.code is not ReasonCode.TIMEOUT

    def _ask_again(self, new: Transaction, failure: ConnectionFailed) -> None:
        """Once more, over a fresh connection; what is learned of it counts once a mail is taken there."""
        pipelining = self._pipelining
        self._note(failure)
        if isinstance(failure, OutOfStep):
            self._session.close()
            self._pipelining = False
        try:
            self._renew(new)
            self._exchange(new, written=False)
        except ConnectionFailed as again:
            self._lessons.clear()
            self._lose(new, again)
        if not (isinstance(failure, OutOfStep) and failure.reason.reply):
            self._lessons.clear()  # it may have had another cause, where nothing was taken over the fresh one either
        if not (self._lessons or self._learned):
            self._pipelining = pipelining

    def _note(self, failure: ConnectionFailed) -> None:
        reason = failure.reason
        said = f"{reason.reply} {reason.detail}".strip()
        if isinstance(failure, OutOfStep):
            said = said if reason.reply else f"{said} after a group of commands"
            kind, value = LearnedKind.NO_PIPELINING, 0
        elif isinstance(failure, Spent) or (reason.reply and names_session(reason.detail)):
            kind, value = LearnedKind.SESSION_LIMIT, self._session.transactions
        else:
            return
        self._lessons[kind] = Learned(kind, value, said)

    def _renew(self, new: Transaction) -> None:
        self._replace()
        self._start(new)

    def _replace(self) -> None:
        self._session.finish()
        self._dialogue.at = 0
        self._dialogue = Dialogue(self._reopen(), pipelining=self._pipelining)

    def _exchange(self, new: Transaction, *, written: bool) -> None:
        if not new.commands:
            return
        self._dialogue.exchange(new, written=written)
        self._trusted = self._trusted or new.wanted
        if new.accepted:
            self._keep_lessons()

    def _keep_lessons(self) -> None:
        self._learned |= self._lessons
        if limit := self._lessons.get(LearnedKind.SESSION_LIMIT):
            self._limit = limit.value
        self._lessons.clear()

    def _lose(self, new: Transaction, failure: ConnectionFailed) -> None:
        """Charge it to the one whose command it was; it says nothing of the server where others just were taken."""
        at = self._dialogue.at
        self._session.close()
        its_own = new.asks_recipient(at) and (self._trusted or new.wanted)
        if not (_closes(failure.reason) and (its_own or new.refused(at - 1))):
            new.lost(failure.reason, at=at)
            return
        try:
            self._replace()
        except ConnectionFailed:
            new.lost(failure.reason, at=at)
            return
        self._trusted = False
        new.set_aside(at, failure.reason)
        self._start(new)
        try:
            self._exchange(new, written=False)
        except ConnectionFailed as again:
            self._session.close()
            new.lost(structs.replace(again.reason, scope=Scope.RECIPIENT), charged=False)  # the next mail tells more


def _closes(reason: Reason) -> bool:
    return reason.reply == "421" or reason.code in _HUNG_UP


def _first_window(transaction: Transaction) -> bytes:
    return b"".join(transaction.commands[:WINDOW])
