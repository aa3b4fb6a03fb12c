"""Test Configuration of push services: their settings made ready, and which device a test may go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.secrets import Secret, SecretUnreadableError
from servers.kept_secrets import unreadable
from servers.kind import MOST_SILENCE, PreparedTest
from servers.models import PushService
from servers.policies import http_policy
from servers.push import channel
from transports.push import testing
from transports.push.apns import TOKEN
from transports.push.fcm import ADDRESS
from transports.stages import Stage
from transports.types import AddressKind, Message, Recipient


def prepare_apns(service: PushService) -> PreparedTest:
    """Raises ValidationError, by field, where the settings are of no use."""
    try:
        config = channel.apns(service)
    except SecretUnreadableError:
        raise ValidationError({_lost(service, "key_file", "certificate"): unreadable()}) from None
    patient = replace(config, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return testing.run_apns(patient, message=message, to=to, policy=http_policy())

    return PreparedTest(
        config=config,
        peer=(config.url, config.key, config.certificate),
        timeout=patient.timeout,
        run=run,
        endpoint=config.url.partition("//")[2],
        shown={"base_url": config.url, "topic": config.topic},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the push service %(name)s. It works."),
    )


def prepare_fcm(service: PushService) -> PreparedTest:
    """As `prepare_apns`."""
    try:
        config = channel.fcm(service)
    except SecretUnreadableError:
        raise ValidationError({"service_account": unreadable()}) from None
    patient = replace(config, timeout=min(config.timeout, MOST_SILENCE))

    def run(message: Message, to: Recipient) -> Iterator[Stage]:
        return testing.run_fcm(patient, message=message, to=to, policy=http_policy())

    return PreparedTest(
        config=config,
        peer=(config.url, config.key_file),
        timeout=patient.timeout,
        run=run,
        endpoint=config.url.partition("//")[2],
        shown={"base_url": config.url, "project": service.project},
        subject=_("Test message of %s"),
        text=_("%(console)s sent this message to test the push service %(name)s. It works."),
    )


def iphone(_service: PushService, to: str) -> Recipient:
    if not TOKEN.fullmatch(to.strip()):
        raise ValidationError(_("Enter the push token of an iOS device: hexadecimal digits."))
    return Recipient(AddressKind.APNS, to.strip())


def android(_service: PushService, to: str) -> Recipient:
    if not ADDRESS.fullmatch(to.strip()):
        raise ValidationError(_("Enter the push token of an Android device, or its installation ID."))
    return Recipient(AddressKind.FCM, to.strip())


def _lost(service: PushService, *names: str) -> str:
    """The first of these secrets whose key is lost."""
    for name in names:
        secret: Secret = getattr(service, name)
        try:
            secret.reveal()
        except SecretUnreadableError:
            return name
    return names[0]
