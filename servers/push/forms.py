"""The forms of APNs and FCM."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from servers.forms import SIGN_INS_HELP, ServerForm
from servers.models import PushService
from servers.push.validators import clean_apns, clean_fcm

ADVANCED = ("retries", "timeout", "connections", "sign_ins_after_refusal", "base_url", "ca_bundle")
_HELP = {
    "retries": _("How often a failed message is tried again."),
    "timeout": _("Seconds to wait for each request."),
    "connections": _("How many connections to the service may be open at once; each has up to 100 messages under way."),
    "sign_ins_after_refusal": SIGN_INS_HELP,
    "ca_bundle": _("PEM text; empty for the authorities that this machine trusts."),
}
_WIDGETS = {"description": forms.TextInput, "ca_bundle": forms.Textarea(attrs={"rows": 4})}


class _Unshown(forms.Textarea):
    """As the box of a password: what was typed into it does not come back."""

    def format_value(self, value: Any) -> str:
        return ""


def file_field(label: Any, *, help_text: Any) -> forms.CharField:
    """The text of a file that holds a secret."""
    quiet = {"rows": 4, "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    widget = _Unshown(attrs=quiet)
    return forms.CharField(label=label, required=False, strip=True, widget=widget, help_text=help_text)


class PushForm(ServerForm[PushService]):
    """What both have."""

    advanced = ADVANCED
    base_url = forms.CharField(
        label=_("Base URL"), required=False, max_length=200, help_text=_("Empty for the service's own address.")
    )


class ApnsForm(PushForm):
    main = ("name", "description", "key_id", "team_id", "key_file", "topic", "environment", "certificate")
    secrets = ("key_file", "certificate")
    key_file = file_field(
        _("Key file"), help_text=_("The text of the file AuthKey_….p8. It is stored encrypted and shown to nobody.")
    )
    certificate = file_field(
        _("Certificate and key"),
        help_text=_("Only without a key file: both as PEM text. It has to be renewed each year; a key file does not."),
    )

    class Meta:
        model = PushService
        fields = (
            "name",
            "description",
            "key_id",
            "team_id",
            "key_file",
            "topic",
            "environment",
            "certificate",
            *ADVANCED,
        )
        widgets = _WIDGETS
        help_texts = {
            **_HELP,
            "key_id": _("10 characters, from the list of keys on Apple's developer pages."),
            "team_id": _("10 characters, from the membership details on Apple's developer pages."),
            "topic": _("The bundle ID of the Secure Hub app."),
            "environment": _("Sandbox is for apps that were installed from Xcode."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["topic"].required = True

    def check(self, instance: PushService) -> None:
        clean_apns(instance)


class FcmForm(PushForm):
    main = ("name", "description", "service_account")
    secrets = ("service_account",)
    service_account = file_field(
        _("Service account file"),
        help_text=_(
            "The text of the JSON key file from the Firebase console. It is stored encrypted and shown to nobody."
        ),
    )

    class Meta:
        model = PushService
        fields = ("name", "description", "service_account", *ADVANCED)
        widgets = _WIDGETS
        help_texts = _HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["service_account"].required = not self.instance.service_account

    def check(self, instance: PushService) -> None:
        clean_fcm(instance)
