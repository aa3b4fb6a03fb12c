"""The form of an SMS gateway, in the order of the manual."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from servers import countries
from servers.forms import SIGN_INS_HELP, RateField, ServerForm, secret_field
from servers.models import SmsGateway
from servers.sms.validators import clean_sms

MAIN = (
    "name",
    "description",
    "key",
    "secret",
    "virtual_number",
    "https",
    "unencrypted_accepted",
    "country",
)
ADVANCED = (
    "sender_name",
    "use_carrier_gateways",
    "retries",
    "timeout",
    "connections",
    "rate_limit",
    "sign_ins_after_refusal",
    "base_url",
    "signature_method",
    "signature_secret",
)


class SmsGatewayForm(ServerForm[SmsGateway]):
    main = MAIN
    advanced = ADVANCED
    shown_when = {"unencrypted_accepted": "!https", "signature_secret": "signature_method=sha256,sha512"}
    secrets = ("secret", "signature_secret")
    secret = secret_field(
        _("Secret"), help_text=_("The secret of the account; it is stored encrypted and shown to nobody.")
    )
    virtual_number = forms.CharField(
        label=_("Virtual Phone Number"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"inputmode": "tel"}),
        help_text=_("A number bought at Nexmo, digits only; the sender of every SMS to a +1 number."),
    )
    country = forms.ChoiceField(
        label=_("Country Code"),
        choices=countries.choices,
        initial=countries.FIRST,
        help_text=_("Numbers written without a country code are read as of this country."),
    )
    base_url = forms.CharField(
        label=_("Base URL"), required=False, max_length=200, help_text=_("Empty for Nexmo's own address.")
    )
    signature_secret = secret_field(_("Signature secret"))
    rate_limit = RateField(initial=30, help_text=_("Requests per second; 0 means no limit."))

    class Meta:
        model = SmsGateway
        fields = [*MAIN, *ADVANCED]
        widgets = {
            "description": forms.TextInput,
            "unencrypted_accepted": forms.CheckboxInput(attrs={"class": "tick"}),
        }
        help_texts = {
            "key": _("The key of the account at Nexmo, today Vonage."),
            "https": _("Switch it on, unless the service runs on this very machine."),
            "unencrypted_accepted": _("Needed as long as HTTPS is off."),
            "sender_name": _("The sender where there is no virtual phone number: up to 11 letters and digits."),
            "use_carrier_gateways": _(
                "A phone whose carrier has a carrier SMS gateway gets its SMS as mail through that gateway."
            ),
            "retries": _("How often a failed message is tried again."),
            "timeout": _("Seconds to wait for each request."),
            "connections": _("How many connections to the service may be open at once."),
            "sign_ins_after_refusal": SIGN_INS_HELP,
            "signature_method": _("Signs requests instead of sending the secret, and checks delivery receipts."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret"].required = not self.instance.secret

    def check(self, instance: SmsGateway) -> None:
        clean_sms(instance)
