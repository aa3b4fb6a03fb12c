"""Test Configuration of an SMS gateway: its settings made ready, and whom it may be sent to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.secrets import SecretUnreadableError
from servers import countries
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
        message = _("Enter a phone number, such as +14155550123.")
        if _names_no_country(to):
            message = _(
                "Read as of %(country)s, “%(number)s” is no phone number. Write it with + and its country code, such "
                "as +14155550123, or choose another Country Code."
            ) % {"country": countries.named(gateway.country), "number": to.strip()}
        raise ValidationError(message) from None


def reading(gateway: SmsGateway, to: str) -> str:
    """How a number without a country code was read; empty for one that has it. Raises ValueError as `normalise`."""
    if not _names_no_country(to):
        return ""
    read = phone_number.normalise(to, country=gateway.country)
    return _(
        "“%(number)s” names no country, so it was read as %(read)s, of %(country)s. If that is wrong, choose another "
        "Country Code, or write the number with + and its own."
    ) % {"number": to.strip(), "read": read, "country": countries.named(phone_number.country_of(read))}


def _names_no_country(number: str) -> bool:
    """Whether it has digits and yet is no number by itself."""
    try:
        phone_number.normalise(number, country="")
    except ValueError:
        return "+" not in number and any(sign.isdigit() for sign in number)
    return False


def _unreadable_field(gateway: SmsGateway) -> str:
    try:
        gateway.secret.reveal()
    except SecretUnreadableError:
        return "secret"
    return "signature_secret"
