"""SMTP (RFC 5321) as a `Channel`: prepares mails and opens connections to one configured server."""

from __future__ import annotations

from transports.addresses.mail_address import normalise
from transports.net.guard import SMTP_POLICY, ConnectionFailed, Policy
from transports.smtp.config import Credentials, Mechanism, MinimumTls, Pipelining, Security, SmtpConfig
from transports.smtp.connection import SmtpConnection
from transports.smtp.mail import MailBuilder
from transports.smtp.session import Session
from transports.types import AddressKind, Deferred, Message, Reason, ReasonCode, Recipient, Rejected, Scope, Wire

__all__ = ["Credentials", "Mechanism", "MinimumTls", "Pipelining", "Security", "SmtpChannel", "SmtpConfig"]


class SmtpChannel:
    """A `Channel`. Raises ValueError when the From email or the envelope sender is no address."""

    def __init__(self, config: SmtpConfig, *, policy: Policy = SMTP_POLICY) -> None:
        self._config = config
        self._policy = policy
        self._builder = MailBuilder(
            from_email=config.from_email, from_name=config.from_name, message_id_domain=config.message_id_domain
        )
        if config.envelope_sender:
            normalise(config.envelope_sender)

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """See `Channel`. An address that is none is refused here when it would show in a header, else at `send`."""
        if not to or any(recipient.kind is not AddressKind.MAIL for recipient in to):
            return Rejected(Reason(ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT, "not a mail address"))
        try:
            payload = self._builder.build(message, to=to)
        except ValueError as error:
            scope = Scope.RECIPIENT if len(to) == 1 and not message.visible_to else Scope.MESSAGE
            return Rejected(Reason(ReasonCode.ADDRESS_INVALID, scope, str(error)))
        downgraded = b"" if payload.isascii() else self._builder.build(message, to=to, downgraded=True)
        return Wire(message.key, to, payload, own_sender=message.sender is not None, downgraded=downgraded)

    def connect(self) -> SmtpConnection | Deferred:
        """See `Channel`."""
        try:
            session = self._open()
        except ConnectionFailed as failure:
            return Deferred(failure.reason)
        return SmtpConnection(session, reopen=self._open)

    def _open(self) -> Session:
        session = Session(self._config, policy=self._policy)
        session.open()
        return session
