"""Test Configuration of an SMTP server: one real mail over the same code as every other, told stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from transports.guard import SMTP_POLICY, ConnectionFailed, Policy
from transports.mail_address import normalise
from transports.smtp import SmtpChannel
from transports.smtp_config import SmtpConfig
from transports.smtp_hints import TLS_PORT, advise
from transports.smtp_session import Session
from transports.smtp_transaction import Transaction
from transports.stages import Advice, Stage, StageName, failed, passed, since
from transports.types import Message, Reason, ReasonCode, Recipient, Rejected, Sent, Wire

_SLOW_HINT = "The server answers slowly; some hold back their replies to unknown clients (tarpit)."


def probe(config: SmtpConfig, *, message: Message, to: Recipient, policy: Policy = SMTP_POLICY) -> Iterator[Stage]:
    """Send `message` to `to` and yield each stage as it ends; the first that fails is the last. Nothing is retried.

    Raises ValueError when the From email is no address.
    """
    wire = SmtpChannel(config, policy=policy).prepare(message, (to,))
    if isinstance(wire, Rejected):
        yield failed(StageName.RECIPIENT, timedelta(), wire.reason, advise(wire.reason))
        return
    session = Session(config, policy=policy)
    try:
        yield from _stages(session, wire)
    finally:
        session.close()


def _stages(session: Session, wire: Wire) -> Iterator[Stage]:
    for step in session.steps():
        began = time.monotonic()
        try:
            detail = step.run()
        except ConnectionFailed as failure:
            took = since(began)
            yield failed(step.name, took, failure.reason, _advise(session, step.name, failure.reason))
            return
        yield _passed(step.name, since(began), detail)
    yield from _mail(session, wire)


def _mail(session: Session, wire: Wire) -> Iterator[Stage]:
    """MAIL, RCPT, DATA and the mail itself, one after the other so that each has its own stage."""
    sender = normalise(session.config.envelope_sender or session.config.from_email)
    transaction = Transaction(wire, sender=sender)
    transaction.start(features=session.esmtp_features, max_size=session.max_size)
    commands = transaction.commands
    if not commands:
        yield from _refused(_unasked(transaction, sender=sender), timedelta(), transaction)
        return
    for position, name in enumerate((StageName.SENDER, StageName.RECIPIENT, StageName.DATA)):
        began = time.monotonic()
        try:
            reply = session.exchange(commands[position])
        except ConnectionFailed as failure:
            yield failed(name, since(began), failure.reason, advise(failure.reason))
            return
        transaction.take(position, reply)
        if transaction.settled:
            yield from _refused(name, since(began), transaction)
            session.finish()
            return
        yield _passed(name, since(began), f"{reply.code} {reply.detail}")
    yield from _hand_over(session, transaction)


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


def _advise(session: Session, name: StageName, reason: Reason) -> Advice:
    """A server that greets nobody may be waiting for TLS: that can be asked over the same connection."""
    silent = name is StageName.BANNER and reason.code is ReasonCode.TIMEOUT and not session.encrypted
    if silent and session.waits_for_tls():
        return TLS_PORT
    credentials = session.config.credentials
    return advise(reason, mechanism=credentials.mechanism) if credentials else advise(reason)
