"""Forms of servers, in the order of the manual."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.models import construct_instance
from django.utils.translation import gettext_lazy as _

from servers import countries, kept_secrets, queries
from servers.carriers.validators import clean_carrier
from servers.models import CarrierGateway, SmsGateway, SmtpServer
from servers.sms.validators import clean_sms
from servers.validators import clean_smtp, port_for

SMTP_MAIN = (
    "name",
    "description",
    "host",
    "security",
    "port",
    "authentication",
    "username",
    "password",
    "spa",
    "from_name",
    "from_email",
)
SMTP_ADVANCED = (
    "retries",
    "timeout",
    "max_recipients",
    "verify_certificate",
    "ca_bundle",
    "tls_minimum",
    "mechanism",
    "oauth_token_url",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_scope",
    "ntlm_v1",
    "envelope_sender",
    "messages_per_connection",
    "pipelining",
    "connections",
    "rate_limit",
    "sign_ins_after_refusal",
)
SMS_MAIN = (
    "name",
    "description",
    "key",
    "secret",
    "virtual_number",
    "https",
    "unencrypted_accepted",
    "country",
)
SMS_ADVANCED = (
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

M = TypeVar("M", bound=Model)
S = TypeVar("S", SmtpServer, SmsGateway)
SIGN_INS_HELP = _(
    "How often a refused sign-in is tried again by itself, after 1 minute, then every 15, before the server stops; 0 "
    "stops it immediately. Test Configuration and the first sign-in after saving are not counted."
)
UNTESTED = frozenset({"name", "description"})
"""Fields that a test does not need."""


class CheckedForm(forms.ModelForm[M]):
    """A form whose object is checked by one function alone, the one that the API uses too; its room's edits store it.

    An empty secret keeps the stored one, where and how it was sent before; `lost_secrets` are those that were kept of
    an earlier, refused form and can't be any more. A field whose `shown_when` does not hold keeps its stored value too:
    "name" is a switch that is on, "!name" one that is off, "name=one,two" a choice; with a space between, all must
    hold.
    """

    shown_when: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lost_secrets: Collection[str] = ()
        for name in self.secrets:
            self.initial[name] = ""
            if getattr(self.instance, name):
                self._say_when_again(name)

    def _say_when_again(self, name: str) -> None:
        field, bound = self.fields[name], kept_secrets.bound(self._meta.model)[name]
        field.help_text = _("Leave it empty to keep the stored one; for another server or way to it, type it again.")
        stored = {other: self.initial[other] for other in bound}
        field.widget.attrs["data-stored-for"] = json.dumps(stored)

    def say_kept(self, name: str) -> None:
        """That what was typed into the box of this secret, empty now, is still there."""
        self[name].help_text = _("What you typed is kept for this form, for an hour at most.")
        bound = kept_secrets.bound(self._meta.model)[name]
        posted = {other: self._posted(other) for other in bound}
        self.fields[name].widget.attrs["data-stored-for"] = json.dumps(posted)

    def _posted(self, name: str) -> Any:
        value = self[name].data
        return bool(value) if isinstance(self.fields[name], forms.BooleanField) else value or ""

    def check(self, instance: M) -> None:
        """Raises ValidationError with the messages by field."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        """In place of the model's own checks, which `check` does together with ours."""
        for name in set(self.lost_secrets) - set(self.errors):
            self.add_error(
                name, _("What you typed was kept for an hour, and for other settings than now: type it again.")
            )
        self._drop_hidden()
        self.settle_cleaned()
        for name in self.secrets:
            if not self.cleaned_data.get(name):
                self.cleaned_data.pop(name, None)
        self.instance = construct_instance(self, self.instance, self._meta.fields)
        try:
            self.check(self.instance)
        except ValidationError as problems:
            known = set(self.errors)
            for name, found in problems.error_dict.items():
                if name not in known:
                    self.add_error(name, found)

    def settle_cleaned(self) -> None:
        """What the form changes by itself in `cleaned_data`."""

    def _drop_hidden(self) -> None:
        for name, condition in self.shown_when.items():
            if not all(self._holds(part) for part in condition.split()):
                self.cleaned_data.pop(name, None)
                self.errors.pop(name, None)

    def _holds(self, part: str) -> bool:
        name, _equals, values = part.removeprefix("!").partition("=")
        value = self.cleaned_data.get(name, getattr(self.instance, name))
        holds = value in values.split(",") if values else bool(value)
        return holds != part.startswith("!")


class ServerForm(CheckedForm[S], Generic[S]):
    """A server's settings; valid, `instance` can be tested without being stored.

    `main` and `advanced` are its fields in the order of the page.
    """

    main: ClassVar[tuple[str, ...]]
    advanced: ClassVar[tuple[str, ...]]

    def is_testable(self) -> bool:
        """Whether `instance` can be tested: only what a test does not need may be wrong."""
        return not set(self.errors) - UNTESTED


def _secret(label: Any, *, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=False, widget=widget, help_text=help_text)


class SmtpServerForm(ServerForm[SmtpServer]):
    main = SMTP_MAIN
    advanced = SMTP_ADVANCED
    shown_when = {
        "username": "authentication",
        "password": "authentication mechanism=AUTO,PLAIN,LOGIN,CRAM-MD5",
        "verify_certificate": "security=ssl,tls",
        "ca_bundle": "security=ssl,tls",
        "tls_minimum": "security=ssl,tls",
        "mechanism": "authentication",
        "oauth_token_url": "authentication mechanism=XOAUTH2",
        "oauth_client_id": "authentication mechanism=XOAUTH2",
        "oauth_client_secret": "authentication mechanism=XOAUTH2",
        "oauth_scope": "authentication mechanism=XOAUTH2",
        "ntlm_v1": "spa",
        "sign_ins_after_refusal": "authentication",
    }
    secrets = ("password", "oauth_client_secret")
    password = _secret(_("Password"))
    oauth_token_url = forms.URLField(label=_("Token endpoint"), required=False, max_length=200, assume_scheme="https")
    oauth_client_secret = _secret(_("Client secret"))

    class Meta:
        model = SmtpServer
        fields = [*SMTP_MAIN, *SMTP_ADVANCED]
        widgets = {"description": forms.TextInput, "ca_bundle": forms.Textarea(attrs={"rows": 4})}
        help_texts = {
            "host": _("A fully qualified domain name or an IP address."),
            "port": _("25 by default; SSL uses 465."),
            "spa": _("Only for servers that want NTLM."),
            "from_name": _("Shown in the From box, for example Corporate IT."),
            "from_email": _("Replies to notifications go to this address."),
            "retries": _("How often a failed message is tried again."),
            "timeout": _("Seconds to wait for each SMTP request."),
            "max_recipients": _("The most recipients of one mail."),
            "ca_bundle": _("PEM text; empty for the authorities that this machine trusts."),
            "envelope_sender": _("Where bounces go; empty for the From email."),
            "connections": _("How many connections to the server may be open at once."),
            "pipelining": _("Automatic sends command by command where a server turns out not to do what it offers."),
            "rate_limit": _("Messages per second; 0 means no limit."),
            "sign_ins_after_refusal": SIGN_INS_HELP,
        }

    def check(self, instance: SmtpServer) -> None:
        clean_smtp(instance)

    def settle_cleaned(self) -> None:
        given = self.cleaned_data
        if "security" in given and "port" in given:
            before, port_before = self["security"].initial, self["port"].initial
            given["port"] = port_for(given["security"], port=given["port"], before=before, port_before=port_before)


class SmsGatewayForm(ServerForm[SmsGateway]):
    main = SMS_MAIN
    advanced = SMS_ADVANCED
    shown_when = {"unencrypted_accepted": "!https", "signature_secret": "signature_method=sha256,sha512"}
    secrets = ("secret", "signature_secret")
    secret = _secret(_("Secret"), help_text=_("The secret of the account; it is stored encrypted and shown to nobody."))
    country = forms.ChoiceField(
        label=_("Country Code"),
        choices=countries.choices,
        initial=countries.FIRST,
        help_text=_("Numbers written without a country code are read as of this country."),
    )
    base_url = forms.CharField(
        label=_("Base URL"), required=False, max_length=200, help_text=_("Empty for Nexmo's own address.")
    )
    signature_secret = _secret(_("Signature secret"))

    class Meta:
        model = SmsGateway
        fields = [*SMS_MAIN, *SMS_ADVANCED]
        widgets = {
            "description": forms.TextInput,
            "virtual_number": forms.TextInput(attrs={"inputmode": "numeric"}),
            "unencrypted_accepted": forms.CheckboxInput(attrs={"class": "tick"}),
        }
        help_texts = {
            "key": _("The key of the account at Nexmo, today Vonage."),
            "virtual_number": _("A number bought at Nexmo, digits only; the sender of every SMS to a +1 number."),
            "https": _("Switch it on, unless the service runs on this very machine."),
            "unencrypted_accepted": _("Needed as long as HTTPS is off."),
            "sender_name": _("The sender where there is no virtual phone number: up to 11 letters and digits."),
            "use_carrier_gateways": _(
                "A phone whose carrier has a carrier SMS gateway gets its SMS as mail through that gateway."
            ),
            "retries": _("How often a failed message is tried again."),
            "timeout": _("Seconds to wait for each request."),
            "connections": _("How many connections to the service may be open at once."),
            "rate_limit": _("Requests per second; 0 means no limit."),
            "sign_ins_after_refusal": SIGN_INS_HELP,
            "signature_method": _("Signs requests instead of sending the secret, and checks delivery receipts."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret"].required = not self.instance.secret

    def check(self, instance: SmsGateway) -> None:
        clean_sms(instance)


class CarrierGatewayForm(CheckedForm[CarrierGateway]):
    country = forms.ChoiceField(label=_("Country code"), choices=countries.choices)

    class Meta:
        model = CarrierGateway
        fields = ["carrier", "domain", "country", "prefix", "number_format"]
        help_texts = {
            "carrier": _("As phones report it; case, punctuation and words such as “wireless” do not count."),
            "domain": _("The part after the @, for example sms.example.com."),
            "prefix": _("Optional: what stands before the number."),
            "number_format": _("How the carrier wants the number before the @."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.initial.get("country"):
            self.initial["country"] = queries.country() or countries.FIRST

    def check(self, instance: CarrierGateway) -> None:
        clean_carrier(instance)
