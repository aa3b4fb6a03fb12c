"""Test Configuration of an SMTP server: one real mail over the same code as every other, reported stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta

from msgspec import structs

from transports.addresses.mail_address import normalise
from transports.marks import gettext_noop as _
from transports.net.guard import SMTP_POLICY, ConnectionFailed, Policy
from transports.smtp.channel import SmtpChannel
from transports.smtp.config import Pipelining, SmtpConfig
from transports.smtp.dialogue import Dialogue, OutOfStep
from transports.smtp.hints import TLS_PORT, advise
from transports.smtp.replies import Reply
from transports.smtp.session import NO_GREETING, Session
from transports.smtp.transaction import Transaction
from transports.stages import Stage, StageName, failed, passed, since
from transports.types import Message, Reason, ReasonCode, Recipient, Rejected, Sent, Wire

_ENVELOPE = (StageName.SENDER, StageName.RECIPIENT, StageName.DATA)
_OUT_OF_STEP = _(
    "The server offers PIPELINING but does not keep step with a group of commands. This mail was sent command by "
    "command, and so are all others; switching Pipelining off saves finding it out again."
)
_LISTENS = timedelta(seconds=3)
"""How long a greeting is waited for before it is asked whether the port speaks TLS."""
_SLOW_HINT = _("The server answers slowly; some hold back their replies to unknown clients (tarpit).")


class Followed(Transaction):
    """A transaction that keeps each reply, how long it took, and whether nobody is left to ask for after it."""

    __slots__ = ("_last", "replies")

    def start(self, *, features: Mapping[str, str], max_size: int) -> None:
        """See `Transaction`."""
        super().start(features=features, max_size=max_size)
        self.replies: list[tuple[Reply, timedelta, bool]] = []
        self._last = time.monotonic()

    def take(self, position: int, reply: Reply) -> bool:
        """See `Transaction`."""
        goes_on = super().take(position, reply)
        self.replies.append((reply, self.waited, self.settled))
        self._last = time.monotonic()
        return goes_on

    @property
    def waited(self) -> timedelta:
        """The time since the last reply."""
        return since(self._last)


def run(config: SmtpConfig, *, message: Message, to: Recipient, policy: Policy = SMTP_POLICY) -> Iterator[Stage]:
    """Send `message` to `to` and yield each stage as it ends; the first that fails is the last.

    It sends as the worker does, so commands go out in groups where they may. Nothing is tried again but a group that
    the server does not keep step with: that goes once more, command by command over a fresh connection, and the
    sender's stage says so. Raises ValueError when the From email is no address.
    """
    wire = SmtpChannel(config, policy=policy).prepare(message, (to,))
    if isinstance(wire, Rejected):
        yield failed(StageName.RECIPIENT, timedelta(), wire.reason, advise(wire.reason))
        return
    with ExitStack() as opened:

        def fresh() -> Session:
            session = Session(config, policy=policy)
            opened.callback(session.close)
            return session

        yield from _stages(wire, fresh=fresh)


def _stages(wire: Wire, *, fresh: Callable[[], Session]) -> Iterator[Stage]:
    session = fresh()
    for step in session.steps():
        began = time.monotonic()
        if step.name is StageName.BANNER and _waits_for_tls(session, fresh=fresh):
            yield failed(step.name, since(began), NO_GREETING, TLS_PORT)
            return
        try:
            detail = step.run()
        except ConnectionFailed as failure:
            took = since(began)
            advice = advise(failure.reason, mechanism=session.mechanism, offered=session.offered)
            yield failed(step.name, took, failure.reason, advice)
            return
        yield _passed(step.name, since(began), detail)
    yield from _mail(session, wire, fresh=fresh)


def _mail(session: Session, wire: Wire, *, fresh: Callable[[], Session]) -> Iterator[Stage]:
    """MAIL, RCPT, DATA and the mail itself; each of the first three has its own stage, also out of a group."""
    sender = normalise(session.config.envelope_sender or session.config.from_email)
    mail = Followed(wire, sender=sender)
    mail.start(features=session.esmtp_features, max_size=session.max_size)
    if not mail.commands:
        yield from _refused(_unasked(mail, sender=sender), timedelta(), mail)
        return
    hint = ""
    try:
        lost = _ask(session, mail, pipelining=session.config.pipelining is Pipelining.AUTOMATIC)
    except OutOfStep:
        session, hint = fresh(), _OUT_OF_STEP
        lost = _ask_again(session, mail)
    yield from _asked(mail, hint=hint)
    if lost:
        yield failed(_ENVELOPE[len(mail.replies)], mail.waited, lost, advise(lost))
    elif mail.accepted:
        yield from _hand_over(session, mail)
    else:
        session.finish()


def _ask(session: Session, mail: Followed, *, pipelining: bool) -> Reason | None:
    """Why the connection was lost, or None once every command has got its reply; raises OutOfStep."""
    try:
        Dialogue(session, pipelining=pipelining).exchange(mail, written=False)
    except OutOfStep:
        session.close()
        raise
    except ConnectionFailed as failure:
        return failure.reason
    return None


def _ask_again(session: Session, mail: Followed) -> Reason | None:
    try:
        session.open()
    except ConnectionFailed as failure:
        mail.replies.clear()
        return failure.reason
    mail.start(features=session.esmtp_features, max_size=session.max_size)
    return _ask(session, mail, pipelining=False)


def _asked(mail: Followed, *, hint: str) -> Iterator[Stage]:
    """The stages of the commands that got their replies, up to the one that left nobody to ask for."""
    for name, (reply, took, settled) in zip(_ENVELOPE, mail.replies, strict=False):
        if settled:
            yield from _refused(name, took, mail)
            return
        stage = _passed(name, took, f"{reply.code} {reply.detail}")
        yield structs.replace(stage, hint=hint or stage.hint) if name is StageName.SENDER else stage


def _hand_over(session: Session, transaction: Transaction) -> Iterator[Stage]:
    began = time.monotonic()
    try:
        reply = session.exchange(transaction.body)
    except ConnectionFailed as failure:
        yield failed(StageName.ACCEPTED, since(began), failure.reason, advise(failure.reason))
        return
    transaction.end(reply)
    took = since(began)
    if isinstance(transaction.result().outcomes[0], Sent):
        yield _passed(StageName.ACCEPTED, took, f"{reply.code} {reply.detail}")
    else:
        yield from _refused(StageName.ACCEPTED, took, transaction)
    session.finish()


def _unasked(transaction: Transaction, *, sender: str) -> StageName:
    """Where a mail belongs that the server can't take, as its reply to EHLO tells."""
    (outcome,) = transaction.result().outcomes
    foreign = not isinstance(outcome, Sent) and outcome.reason.code is ReasonCode.SMTPUTF8_MISSING
    return StageName.RECIPIENT if foreign and sender.isascii() else StageName.SENDER


def _passed(name: StageName, took: timedelta, detail: str) -> Stage:
    return passed(name, took, detail, slow_hint=_SLOW_HINT)


def _refused(name: StageName, took: timedelta, transaction: Transaction) -> Iterator[Stage]:
    (outcome,) = transaction.result().outcomes
    if not isinstance(outcome, Sent):
        yield failed(name, took, outcome.reason, advise(outcome.reason))


def _waits_for_tls(session: Session, *, fresh: Callable[[], Session]) -> bool:
    """A server that greets nobody may be waiting for TLS: that is asked over a connection beside, and soon."""
    if session.encrypted or not session.is_silent(min(_LISTENS, session.config.timeout / 2)):
        return False
    beside = fresh()
    try:
        for step in beside.steps()[:2]:
            step.run()
    except ConnectionFailed:
        return False
    return beside.waits_for_tls()
