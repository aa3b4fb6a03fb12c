"""Forms of servers, in the order of the manual."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import construct_instance
from django.utils.translation import gettext_lazy as _

from servers import lifecycle
from servers.models import SmtpServer
from servers.validators import clean_smtp, port_for

MAIN = (
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
ADVANCED = (
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
    "connections",
    "rate_limit",
)
# "name": the switch is on; "name=one,two": the choice is one of these; with a space between: both.
SHOWN_WHEN = {
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
}
_SECRETS = ("password", "oauth_client_secret")


def _secret(label: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=False, widget=widget)


class SmtpServerForm(forms.ModelForm[SmtpServer]):
    """An SMTP server's settings, checked by `clean_smtp` alone; valid, `instance` can be tested without being stored.

    An empty secret keeps the stored one. A field whose `SHOWN_WHEN` does not hold keeps its stored value too.
    """

    password = _secret(_("Password"))
    oauth_token_url = forms.URLField(label=_("Token endpoint"), required=False, max_length=200, assume_scheme="https")
    oauth_client_secret = _secret(_("Client secret"))

    class Meta:
        model = SmtpServer
        fields = [*MAIN, *ADVANCED]
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
            "rate_limit": _("Messages per second; 0 is none."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _SECRETS:
            self.initial[name] = ""
            if getattr(self.instance, name):
                self.fields[name].help_text = _("Leave it empty to keep the stored one.")

    def is_testable(self) -> bool:
        """Whether `instance` can be tested: only what a test does not need may be wrong."""
        return not set(self.errors) - {"name", "description"}

    def save(self, commit: bool = True) -> SmtpServer:  # noqa: FBT001, FBT002 - Django's signature
        """Store it; a change counts the revision up. Raises ValidationError when the name was taken meanwhile."""
        if commit and self.instance.pk:
            lifecycle.change(self.instance)
        elif commit:
            lifecycle.add(self.instance)
        return self.instance

    def _post_clean(self) -> None:
        """In place of the model's own checks, which `clean_smtp` does together with ours."""
        self._drop_hidden()
        self._choose_port()
        for name in _SECRETS:
            if not self.cleaned_data.get(name):
                self.cleaned_data.pop(name, None)
        self.instance = construct_instance(self, self.instance, self._meta.fields)
        try:
            clean_smtp(self.instance)
        except ValidationError as problems:
            known = set(self.errors)
            for name, found in problems.error_dict.items():
                if name not in known:
                    self.add_error(name, found)

    def _drop_hidden(self) -> None:
        for name, condition in SHOWN_WHEN.items():
            if not all(self._holds(part) for part in condition.split()):
                self.cleaned_data.pop(name, None)
                self.errors.pop(name, None)

    def _holds(self, part: str) -> bool:
        name, _equals, values = part.partition("=")
        value = self.cleaned_data.get(name, getattr(self.instance, name))
        return value in values.split(",") if values else bool(value)

    def _choose_port(self) -> None:
        given = self.cleaned_data
        if "security" in given and "port" in given:
            before, port_before = self["security"].initial, self["port"].initial
            given["port"] = port_for(given["security"], port=given["port"], before=before, port_before=port_before)
