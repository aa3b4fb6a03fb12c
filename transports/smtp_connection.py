"""Sends mails over a signed-in connection, pipelined where the server offers it (RFC 2920)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from transports.deadline import Deadline
from transports.guard import ConnectionFailed
from transports.mail_address import normalise
from transports.smtp_replies import Phase, Reply, judge
from transports.smtp_session import Session
from transports.smtp_transaction import DATA, EMPTY_BODY, Transaction
from transports.types import Deferred, Learned, Reason, ReasonCode, Result, Wire

_WINDOW = 100  # commands in one write: their replies fit into the smallest socket buffers, so nobody waits for nobody
_RESET = b"RSET\r\n"


class SmtpConnection:
    """A `Connection`. One round trip a mail: its body and the next mail's MAIL, RCPT and DATA go out in one write."""

    def __init__(self, session: Session, *, reopen: Callable[[], Session]) -> None:
        self._session = session
        self._reopen = reopen
        self._config = session.config
        self._sender = normalise(self._config.envelope_sender or self._config.from_email)
        self._dirty = False
        self._finished = False

    @property
    def learned(self) -> tuple[Learned, ...]:
        """See `Connection`."""
        return ()

    def send(self, wires: Iterable[Wire]) -> Iterator[tuple[Wire, Result]]:
        """See `Connection`. Closing the iterator early ends the connection."""
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

    def _settled(self, wires: Iterable[Wire]) -> Iterator[Transaction]:
        """The transactions in order, each as soon as all its replies are there."""
        if self._finished:
            return
        waiting: Transaction | None = None
        for wire in wires:
            new = Transaction(wire, sender=self._sender)
            self._start(new)
            ahead = waiting is not None and bool(new.commands) and not self._worn(after=1)
            if waiting is not None:
                self._hand_over(waiting, ahead=_first_window(new) if ahead else b"")
                yield waiting
                waiting = None
            if new.commands:
                self._ask(new, written=ahead)
            if new.accepted and self._pipelining:
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

    @property
    def _pipelining(self) -> bool:
        return "pipelining" in self._session.esmtp_features

    def _worn(self, *, after: int = 0) -> bool:
        """Whether the connection has carried what it may, once `after` more mails are through."""
        limit = self._config.messages_per_connection
        return limit > 0 and self._session.transactions + after >= limit

    def _hand_over(self, transaction: Transaction, *, ahead: bytes = b"") -> None:
        """The mail itself, the next commands behind it in the same write, and the reply to its final dot."""
        deadline = Deadline(self._config.timeout)
        body = transaction.body
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
        else:
            self._session.transactions += 1
            transaction.end(reply)

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
        """MAIL, RCPT and DATA; a connection that was used before and is gone is replaced once."""
        worn = self._worn()
        try:
            if worn:
                self._renew(new)
            self._exchange(new, written=written)
        except ConnectionFailed as failure:
            if worn or not self._session.transactions or failure.reason.code is ReasonCode.TIMEOUT:
                new.lost(failure.reason)
                return
            try:
                self._renew(new)
                self._exchange(new, written=False)
            except ConnectionFailed as again:
                new.lost(again.reason)
                return
        if new.hollow:
            self._dismiss()

    def _renew(self, new: Transaction) -> None:
        self._session.finish()
        self._dirty = False
        self._session = self._reopen()
        self._start(new)

    def _exchange(self, new: Transaction, *, written: bool) -> None:
        if self._pipelining:
            self._exchange_windows(new, written=written)
        else:
            self._exchange_singly(new)
        self._dirty = not new.accepted and not new.hollow

    def _exchange_windows(self, new: Transaction, *, written: bool) -> None:
        for start in range(0, len(new.commands), _WINDOW):
            window = new.commands[start : start + _WINDOW]
            if start or not written:
                deadline = Deadline(self._config.timeout)
                reset = self._dirty and not start
                self._session.write((_RESET if reset else b"") + b"".join(window), deadline)
                if reset:
                    self._reply(deadline)
            useful = True
            for position in range(start, start + len(window)):
                useful = new.take(position, self._reply()) and useful
            if not useful:
                return

    def _exchange_singly(self, new: Transaction) -> None:
        if self._dirty:
            self._say(_RESET)
        for position, command in enumerate(new.commands):
            if command is DATA and not new.wanted:
                return
            if not new.take(position, self._say(command)):
                return

    def _say(self, command: bytes) -> Reply:
        return _not_closing(self._session.exchange(command))

    def _reply(self, deadline: Deadline | None = None) -> Reply:
        return _not_closing(self._session.reply(deadline))

    def _dismiss(self) -> None:
        """Ends a transaction that nobody is to get; a failure shows at the next command."""
        try:
            self._say(EMPTY_BODY)
        except ConnectionFailed:
            self._session.close()


def _not_closing(reply: Reply) -> Reply:
    """A reply before the mail itself; 421 there is a connection that is gone."""
    if reply.code == 421:
        outcome = judge(reply, phase=Phase.MAIL)
        assert isinstance(outcome, Deferred)
        raise ConnectionFailed(outcome.reason)
    return reply


def _first_window(transaction: Transaction) -> bytes:
    return b"".join(transaction.commands[:_WINDOW])
