"""Test Configuration of an SMS gateway: its settings made ready, and whom it may be sent to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.secrets import SecretUnreadableError
from servers.kept_secrets import unreadable
from servers.kind import MOST_SILENCE, PreparedTest
from servers.models import SmsGateway
from servers.sms import channel
from transports.addresses import phone_number
from transports.nexmo import testing
from transports.stages import Stage
from transports.types import AddressKind, Message, Recipient


def prepare(gateway: SmsGateway) -> PreparedTest:
    """Raises ValidationError, by field, where the settings are of no use."""
    try:
        config = channel.config(gateway)
    except SecretUnreadableError:
        raise ValidationError({_unreadable_field(gateway): unreadable()}) from None
    patient = replace(config, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return testing.run(patient, message=message, to=to, policy=channel.policy())

    return PreparedTest(
        config=config,
        peer=(config.base_url, config.key, config.secret, config.signer),
        timeout=patient.timeout,
        run=run,
        endpoint=config.base_url.partition("//")[2],
        shown={"base_url": config.base_url, "virtual_number": gateway.virtual_number},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the SMS gateway %(name)s. It works."),
    )


def recipient(gateway: SmsGateway, to: str) -> Recipient:
    try:
        return Recipient(AddressKind.PHONE, phone_number.normalise(to, country=gateway.country))
    except ValueError:
        raise ValidationError(_("Enter a phone number, such as +14155550123.")) from None


def _unreadable_field(gateway: SmsGateway) -> str:
    try:
        gateway.secret.reveal()
    except SecretUnreadableError:
        return "secret"
    return "signature_secret"
