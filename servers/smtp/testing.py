"""Test Configuration of an SMTP server: its settings made ready, and whom it may be sent to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import structs

from foundation.secrets import SecretUnreadableError
from servers.kept_secrets import unreadable
from servers.kind import MOST_SILENCE, PreparedTest
from servers.models import SmtpServer
from servers.smtp import channel
from servers.validators import check_mail
from servers.values import UNKNOWN, Experience
from transports.net.guard import Policy
from transports.net.oauth import FreshToken, TokenRequest
from transports.smtp import testing
from transports.stages import Stage
from transports.types import AddressKind, Message, Recipient


def prepare(server: SmtpServer) -> PreparedTest:
    """Raises ValidationError, by field, where the settings are of no use."""
    _check_addresses(server)
    try:
        config = channel.config(server, tokens=_patient_token)
    except SecretUnreadableError:
        raise ValidationError({"password": unreadable()}) from None
    heeding = channel.config(server, tokens=_patient_token, experience=_experience(server))
    patient = structs.replace(heeding, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return testing.run(patient, message=message, to=to, policy=channel.policy())

    return PreparedTest(
        config=config,
        peer=(config.host, config.port, config.security, config.credentials),
        timeout=patient.timeout,
        run=run,
        endpoint=f"{config.host}:{config.port}",
        shown={"host": server.host, "port": server.port, "security": server.security},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the SMTP server “%(name)s”. It works.") + "\n",
    )


def recipient(_server: SmtpServer, to: str) -> Recipient:
    return Recipient(AddressKind.MAIL, check_mail(to))


def _experience(server: SmtpServer) -> Experience:
    """What was seen of the stored server holds for the same one only."""
    same = all(server.loaded.get(name) == getattr(server, name) for name in ("host", "port", "security"))
    return server.experience(timezone.now()) if same else UNKNOWN


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


def _patient_token(request: TokenRequest, *, timeout: timedelta, policy: Policy) -> FreshToken:
    return FreshToken(request, timeout=min(timeout, MOST_SILENCE), policy=policy)
