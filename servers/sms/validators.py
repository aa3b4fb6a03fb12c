"""The one check of an SMS gateway before it is tested or stored, for forms, API and import alike."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from servers.countries import is_country
from servers.kept_secrets import moved
from servers.models import SmsGateway
from servers.validators import Problems, check_phone, is_here, refuse, tidy
from transports.addresses import phone_number

_SIGNED = frozenset({SmsGateway.SignatureMethod.SHA256, SmsGateway.SignatureMethod.SHA512})
_DIGITS = re.compile(r"[0-9]{1,15}")
_WRITTEN_NUMBER = re.compile(r"\+?[0-9 ().\-/]+")
_SENDER_NAME = re.compile(r"[A-Za-z0-9]{1,11}")
_PLAIN = {"Zs": " ", "Pd": "-"}
_KEY = re.compile(r"[!-~]{1,64}")


def clean_sms(gateway: SmsGateway) -> None:
    """Bring a new or changed gateway into its stored form; raises ValidationError with the messages by field.

    A change keeps the stored secrets by leaving them in `gateway`, as long as they go where and how they went before.
    Asks the database whether the name is free. With HTTPS on, the leave to do without it is taken back.
    """
    gateway.kind = gateway.Kind.SMS
    tidy(gateway)
    if isinstance(gateway.virtual_number, str):
        gateway.virtual_number = _without_signs(gateway.virtual_number)
    gateway.unencrypted_accepted = gateway.unencrypted_accepted and not gateway.https
    refuse(gateway, first=(_texts,), rules=(_secrets, _encryption, _address))


def sms_warnings(gateway: SmsGateway) -> dict[str, str]:
    """What is allowed and yet risky, by field; refuses nothing."""
    found = {}
    if not gateway.https and stays_here(gateway):
        found["https"] = _("The key and secret are sent unencrypted, though only within this machine.")
    elif not gateway.https:
        found["https"] = _("The key and secret cross the network unencrypted: whoever sits between can read them.")
    if not gateway.virtual_number:
        found["virtual_number"] = _("Without it, SMS to numbers that begin with +1 are rejected.")
    elif not phone_number.is_valid(f"+{gateway.virtual_number}"):
        found["virtual_number"] = _(
            "No numbering plan knows this number. Compare it with the list on the Nexmo website."
        )
    return found


def stays_here(gateway: SmsGateway) -> bool:
    """Whether its requests do not leave this machine."""
    address = _split(gateway.base_url)
    return is_here((address and address.hostname) or "")


def _texts(gateway: SmsGateway) -> Problems:
    if gateway.key and not _KEY.fullmatch(gateway.key):
        yield "key", ValidationError(_("At most 64 letters, digits and signs, without spaces."), code="key")
    if gateway.virtual_number and not _is_number(gateway.virtual_number):
        message = _("Use digits only: the whole number with its country code and without +, such as 12025550123.")
        yield "virtual_number", ValidationError(message, code="number")
    if gateway.sender_name and not _SENDER_NAME.fullmatch(gateway.sender_name):
        message = _("Up to 11 letters (A to Z) and digits, without spaces.")
        yield "sender_name", ValidationError(message, code="sender_name")
    if not is_country(gateway.country):
        yield "country", ValidationError(_("Choose a country from the list."), code="country")


def _without_signs(number: str) -> str:
    """The digits of a number as people write it, such as +1 (555) 010-0000; anything else as it is."""
    plain = "".join(_PLAIN.get(unicodedata.category(each), each) for each in unicodedata.normalize("NFKC", number))
    if not _WRITTEN_NUMBER.fullmatch(plain):
        return number
    return re.sub(r"[^0-9]", "", plain).removeprefix("00")


def _is_number(digits: str) -> bool:
    try:
        return bool(_DIGITS.fullmatch(digits) and check_phone(f"+{digits}", country=""))
    except ValidationError:
        return False


def _secrets(gateway: SmsGateway) -> Problems:
    yield from moved(gateway)
    if not gateway.secret:
        yield "secret", ValidationError(_("This field is required."), code="required")
    if gateway.signature_method in _SIGNED and not gateway.signature_secret:
        message = _("Signed requests need the signature secret of the account.")
        yield "signature_secret", ValidationError(message, code="required")
    if not gateway.sender_name and not gateway.virtual_number:
        message = _("Without a virtual phone number, SMS need a sender name.")
        yield "sender_name", ValidationError(message, code="required")


def _encryption(gateway: SmsGateway) -> Problems:
    if not gateway.https and not gateway.unencrypted_accepted:
        message = _("Switch HTTPS on, or tick this to go without it.")
        yield "unencrypted_accepted", ValidationError(message, code="unencrypted")


def _address(gateway: SmsGateway) -> Problems:
    if not gateway.base_url:
        return
    address = _split(gateway.base_url)
    wanted = "https" if gateway.https else "http"
    if not address or not address.hostname or address.username or address.query or address.fragment:
        message = _("Enter an address such as %s://rest.example.com, without user name or query.") % wanted
        yield "base_url", ValidationError(message, code="address")
    elif address.scheme != wanted:
        message = _("Begin it with %s://, as the HTTPS switch stands, or turn the switch.") % wanted
        yield "base_url", ValidationError(message, code="scheme")


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _port = parts.port
    except ValueError:
        return None
    return parts
