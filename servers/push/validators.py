"""The checks of APNs and FCM before they are tested or stored, for forms, API and import alike."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cryptography import x509
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from servers.kept_secrets import moved
from servers.models import PushService
from servers.validators import Problems, refuse, revealed, tidy
from transports.net.tls import read_certificate
from transports.push.config import FileError, SigningKey, read_account

_ID = re.compile(r"[A-Z0-9]{10}")
_TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")


def clean_apns(service: PushService) -> None:
    """Bring new or changed settings into their stored form; raises ValidationError with the messages by field.

    A change keeps the stored secrets by leaving them in `service`, as long as they go where they went before. Asks the
    database whether the name is free. Signs in by the key, and by the certificate where there is none.
    """
    service.kind = service.Kind.APNS
    tidy(service)
    service.certificate_expires_at = None
    refuse(service, first=(_identifiers,), rules=(moved, _sign_in, _key, _certificate, _address, _authorities))


def clean_fcm(service: PushService) -> None:
    """As `clean_apns`, for the service account of a project."""
    service.kind = service.Kind.FCM
    tidy(service)
    service.project = ""
    refuse(service, rules=(moved, _account, _address, _authorities))


def _identifiers(service: PushService) -> Problems:
    for name, value in (("key_id", service.key_id), ("team_id", service.team_id)):
        if value and not _ID.fullmatch(str(value)):
            yield name, ValidationError(_("10 capital letters and digits, as Apple shows it."), code="identifier")
    if not service.topic:
        yield "topic", ValidationError(_("This field is required."), code="required")
    elif not _TOPIC.fullmatch(str(service.topic)):
        message = _("The bundle ID of the app, such as com.example.hub.")
        yield "topic", ValidationError(message, code="topic")


def _sign_in(service: PushService) -> Problems:
    if not service.key_file and not service.certificate:
        yield "key_file", ValidationError(_("Give a key file, or a certificate with its key."), code="required")
    for name in ("key_id", "team_id"):
        if service.key_file and not getattr(service, name):
            yield name, ValidationError(_("The key file needs it."), code="required")


def _key(service: PushService) -> Problems:
    pem = revealed(service.key_file)
    if not pem:
        return
    try:
        SigningKey(service.key_id, service.team_id, pem).private_key()
    except FileError as error:
        yield "key_file", _problem(error)


def _certificate(service: PushService) -> Problems:
    pem = revealed(service.certificate)
    if not pem:
        return
    try:
        certificates, _key_pem = read_certificate(pem)
    except (ValueError, TypeError):
        message = _(
            "Give the certificate and its key without a password, as PEM text: openssl pkcs12 -in file.p12 -nodes"
        )
        yield "certificate", ValidationError(message, code="certificate")
        return
    service.certificate_expires_at = certificates[0].not_valid_after_utc
    if service.certificate_expires_at < timezone.now() and not service.key_file:
        yield "certificate", ValidationError(_("This certificate has expired."), code="expired")


def _account(service: PushService) -> Problems:
    if not service.service_account:
        yield "service_account", ValidationError(_("This field is required."), code="required")
        return
    text = revealed(service.service_account)
    if not text:
        return
    try:
        service.project = read_account(text).project
    except FileError as error:
        yield "service_account", _problem(error)


def _address(service: PushService) -> Problems:
    parts = urlsplit(service.base_url)
    wrong = parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/") or parts.query
    if service.base_url and wrong:
        message = _("Enter an address such as https://push.example.com, without a path.")
        yield "base_url", ValidationError(message, code="address")


def _authorities(service: PushService) -> Problems:
    if not service.ca_bundle:
        return
    try:
        x509.load_pem_x509_certificates(service.ca_bundle.encode())
    except ValueError:
        yield "ca_bundle", ValidationError(_("This is no PEM text of certificates."), code="ca_bundle")


def _problem(error: FileError) -> ValidationError:
    return ValidationError(f"{_(error.cause)} {_(error.hint)}", code="file")
