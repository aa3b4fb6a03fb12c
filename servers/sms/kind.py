"""The line of SMS gateways in the table of kinds."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit.registry import Words
from servers.kind import Kind, Risk, TestBox
from servers.models import SmsGateway
from servers.sms import channel, receipts, testing
from servers.sms.forms import SmsGatewayForm
from servers.sms.validators import clean_sms, sms_warnings, stays_here
from servers.values import ServerKind
from transports.nexmo import hints

_NOTE = gettext_lazy(
    "`country` is ISO 3166, such as US. Without `https`, `unencrypted_accepted` has to be true. A secret stays with "
    "its server: with another `base_url` it has to be given again."
)


def _unencrypted(gateway: SmsGateway) -> str:
    return sms_warnings(gateway).get("https", "")


def _risks(gateway: SmsGateway) -> Iterator[Risk]:
    if not gateway.https:
        yield Risk(_unencrypted(gateway), _("View") if stays_here(gateway) else _("Switch HTTPS on"))


def _endpoint(gateway: SmsGateway) -> Words:
    own = urlsplit(gateway.base_url).netloc
    return _("Nexmo at %s") % own if own else "Nexmo"


def _security(gateway: SmsGateway) -> Words:
    return "HTTPS" if gateway.https else _("None")


SMS = Kind(
    value=ServerKind.SMS,
    model=SmsGateway,
    form=SmsGatewayForm,
    address="sms-gateway",
    label=gettext_lazy("SMS Gateway"),
    add_title=gettext_lazy("Add SMS Gateway"),
    note=_NOTE,
    test_box=TestBox(gettext_lazy("Send a test to the phone number"), "tel", 40, "tel"),
    clean=clean_sms,
    warnings=sms_warnings,
    warns_of_new=False,
    channel=channel.build,
    prepare_test=testing.prepare,
    recipient=testing.recipient,
    reading=testing.reading,
    advise=hints.advise,
    endpoint=_endpoint,
    security=_security,
    unencrypted=_unencrypted,
    risks=_risks,
    watched=Q(smsgateway__https=False),
    looked_at=("https", "base_url", "virtual_number"),
    template="servers/sms.html",
    private=lambda gateway: {"receipt_address": receipts.address(gateway)},
)
