"""What a test of each kind of server needs: its settings, whom it may be sent to, and the stages it goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import structs

from foundation.secrets import SecretUnreadableError
from servers.factory import sms_config, sms_policy, smtp_config, smtp_policy
from servers.models import PushService, SmsGateway, SmtpServer
from servers.queries import AnyServer
from servers.validators import check_mail
from servers.values import UNKNOWN, Experience
from transports.addresses import phone_number
from transports.net.guard import Policy
from transports.net.oauth import FreshToken, TokenRequest
from transports.nexmo import probe
from transports.nexmo.config import NexmoConfig
from transports.smtp import probe as smtp_probe
from transports.smtp.config import SmtpConfig
from transports.stages import Stage
from transports.types import AddressKind, Message, Recipient

MOST_SILENCE = timedelta(seconds=60)
Testable = SmtpServer | SmsGateway


@dataclass(frozen=True, slots=True)
class Trial:
    """A server's settings ready to be tested: those of equal settings are equal.

    Secrets are in `config` alone. `timeout` is how long a silence is waited for; `shown` is for the audit trail.
    """

    config: SmtpConfig | NexmoConfig
    timeout: timedelta
    run: Callable[[Message, Recipient], Iterator[Stage]] = field(compare=False)
    peer: str = field(compare=False)
    shown: Mapping[str, Any] = field(compare=False)
    subject: str = field(compare=False)
    text: str = field(compare=False)


def trial(server: Testable) -> Trial:
    """Raises ValidationError, by field, where the settings are of no use."""
    return _TRIALS[type(server)](server)


def sends_otherwise(server: AnyServer, before: AnyServer) -> bool:
    """Whether other settings than before reach the peer. Settings of no use are taken for other ones."""
    now, then = _config(server), _config(before)
    return now is None or now != then


def connects_otherwise(server: AnyServer, before: AnyServer) -> bool:
    """Whether it is another peer than before, or the same is reached or signed in to in another way."""
    now, then = _config(server), _config(before)
    return now is None or then is None or _peer(now) != _peer(then)


def recipient(server: Testable, *, to: str) -> Recipient:
    """Whom the test goes to; raises ValidationError for the field `to`."""
    try:
        return _RECIPIENTS[type(server)](server, to)
    except ValidationError as error:
        raise ValidationError({"to": error}) from None


def _smtp(server: SmtpServer) -> Trial:
    _check_addresses(server)
    try:
        config = smtp_config(server, tokens=_patient_token)
    except SecretUnreadableError:
        raise ValidationError({"password": _unreadable()}) from None
    heeding = smtp_config(server, tokens=_patient_token, experience=_experience(server))
    patient = structs.replace(heeding, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return smtp_probe.probe(patient, message=message, to=to, policy=smtp_policy())

    return Trial(
        config=config,
        timeout=patient.timeout,
        run=run,
        peer=f"{config.host}:{config.port}",
        shown={"host": server.host, "port": server.port, "security": server.security},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the SMTP server “%(name)s”. It works.") + "\n",
    )


def _sms(gateway: SmsGateway) -> Trial:
    try:
        config = sms_config(gateway)
    except SecretUnreadableError:
        raise ValidationError({_unreadable_field(gateway): _unreadable()}) from None
    patient = replace(config, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return probe.probe(patient, message=message, to=to, policy=sms_policy())

    return Trial(
        config=config,
        timeout=patient.timeout,
        run=run,
        peer=config.base_url.partition("//")[2],
        shown={"base_url": config.base_url, "virtual_number": gateway.virtual_number},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the SMS gateway %(name)s. It works."),
    )


def _config(server: AnyServer) -> SmtpConfig | NexmoConfig | None:
    try:
        return None if isinstance(server, PushService) else trial(server).config
    except ValidationError:
        return None


def _peer(config: SmtpConfig | NexmoConfig) -> tuple[Any, ...]:
    if isinstance(config, SmtpConfig):
        return config.host, config.port, config.security, config.credentials
    return config.base_url, config.key, config.secret, config.signer


def _experience(server: SmtpServer) -> Experience:
    """What was seen of the stored server holds for the same one only."""
    same = all(server.loaded.get(name) == getattr(server, name) for name in ("host", "port", "security"))
    return server.experience(timezone.now()) if same else UNKNOWN


def _unreadable_field(gateway: SmsGateway) -> str:
    try:
        gateway.secret.reveal()
    except SecretUnreadableError:
        return "secret"
    return "signature_secret"


def _check_addresses(server: SmtpServer) -> None:
    problems = {}
    for name in ("from_email", "envelope_sender"):
        try:
            if value := getattr(server, name):
                check_mail(value)
        except ValidationError as error:
            problems[name] = error
    if problems:
        raise ValidationError(problems)


def _unreadable() -> str:
    return _("The stored secret can't be read any more: type it again.")


def _patient_token(request: TokenRequest, *, timeout: timedelta, policy: Policy) -> FreshToken:
    return FreshToken(request, timeout=min(timeout, MOST_SILENCE), policy=policy)


def _mailbox(_server: SmtpServer, to: str) -> Recipient:
    return Recipient(AddressKind.MAIL, check_mail(to))


def _phone(gateway: SmsGateway, to: str) -> Recipient:
    try:
        return Recipient(AddressKind.PHONE, phone_number.normalise(to, country=gateway.country))
    except ValueError:
        raise ValidationError(_("Enter a phone number, such as +14155550123.")) from None


_TRIALS: dict[type, Callable[[Any], Trial]] = {SmtpServer: _smtp, SmsGateway: _sms}
_RECIPIENTS: dict[type, Callable[[Any, str], Recipient]] = {SmtpServer: _mailbox, SmsGateway: _phone}
