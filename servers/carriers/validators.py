"""The one check of a carrier SMS gateway before it is stored, for forms, API and import alike."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from servers.carriers import matching
from servers.countries import is_country
from servers.models import CarrierGateway
from servers.validators import Problems, is_name, refuse, resolved_name, tidy
from transports.addresses import mail_address

_LONGEST_NUMBER = "+" + "1" * 15
_ATT = gettext_lazy("AT&T switched this domain off on 17 June 2025.")
_T_MOBILE = gettext_lazy("T-Mobile switched this domain off in December 2024.")
_SPRINT = gettext_lazy("Sprint is part of T-Mobile, and this domain went with it.")
_VERIZON = gettext_lazy("Verizon has announced the end of this domain for 31 March 2027.")
RETIRED = {
    "txt.att.net": _ATT,
    "mms.att.net": _ATT,
    "tmomail.net": _T_MOBILE,
    "messaging.sprintpcs.com": _SPRINT,
    "pm.sprint.com": _SPRINT,
    "vtext.com": _VERIZON,
    "vzwpix.com": _VERIZON,
}
"""Domains that are switched off or soon will be, by what their carriers say."""


def clean_carrier(gateway: CarrierGateway) -> None:
    """Bring a new or changed gateway into its stored form; raises ValidationError with the messages by field.

    Asks the database whether its carrier has another gateway in this country.
    """
    tidy(gateway)
    if isinstance(gateway.carrier, str):
        gateway.carrier_key = matching.key(gateway.carrier)[:255]
    if isinstance(gateway.domain, str):
        gateway.domain = resolved_name(gateway.domain.removeprefix("@"))
    refuse(gateway, first=(_names, _country), rules=(_domain, _prefix, _only_one))


def carrier_warnings(gateway: CarrierGateway) -> dict[str, str]:
    """What is allowed and yet of no use, by field."""
    retired = RETIRED.get(gateway.domain)
    return {"domain": str(retired)} if retired else {}


def _names(gateway: CarrierGateway) -> Problems:
    if gateway.carrier and not gateway.carrier_key:
        message = _("Enter the carrier's name: phones report this one when they do not know theirs.")
        yield "carrier", ValidationError(message, code="no_carrier")
    elif not gateway.carrier_key:
        yield "carrier", ValidationError(_("This field is required."), code="required")


def _country(gateway: CarrierGateway) -> Problems:
    if not is_country(gateway.country):
        yield "country", ValidationError(_("Choose a country from the list."), code="country")


def _domain(gateway: CarrierGateway) -> Problems:
    if gateway.domain and not ("." in gateway.domain and is_name(gateway.domain)):
        message = _("Enter the part after the @ alone, such as sms.example.com.")
        yield "domain", ValidationError(message, code="domain")


def _prefix(gateway: CarrierGateway) -> Problems:
    try:
        mail_address.normalise(f"{gateway.prefix}{_LONGEST_NUMBER}@sms.example.com")
    except ValueError:
        message = _("Letters, digits and the signs of mail addresses, at most 48.")
        yield "prefix", ValidationError(message, code="prefix")


def _only_one(gateway: CarrierGateway) -> Problems:
    others = CarrierGateway.objects.filter(carrier_key=gateway.carrier_key, country=gateway.country)
    if gateway.carrier_key and others.exclude(pk=gateway.pk).exists():
        message = _("This carrier already has a gateway in this country.")
        yield "carrier", ValidationError(message, code="unique")
