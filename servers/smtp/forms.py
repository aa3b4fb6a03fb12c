"""The form of an SMTP server, in the order of the manual."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from servers.forms import SIGN_INS_HELP, RateField, ServerForm, secret_field
from servers.models import SmtpServer
from servers.smtp.validators import IN_CLEAR, KNOWN_PORTS, clean_smtp, port_for

MAIN = (
    "name",
    "description",
    "host",
    "security",
    "port",
    "authentication",
    "mechanism",
    "username",
    "password",
    "oauth_token_url",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_scope",
    "unencrypted_accepted",
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
    "ntlm_v1",
    "envelope_sender",
    "messages_per_connection",
    "pipelining",
    "connections",
    "rate_limit",
    "sign_ins_after_refusal",
)


class SmtpServerForm(ServerForm[SmtpServer]):
    main = MAIN
    advanced = ADVANCED
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
        "unencrypted_accepted": f"authentication security=none mechanism={','.join(IN_CLEAR)} !spa",
        "ntlm_v1": "spa",
        "sign_ins_after_refusal": "authentication",
    }
    secrets = ("password", "oauth_client_secret")
    password = secret_field(_("Password"))
    oauth_token_url = forms.URLField(label=_("Token endpoint"), required=False, max_length=200, assume_scheme="https")
    oauth_client_secret = secret_field(
        _("Client secret"), help_text=_("Of a Google service account, the whole text of its key file (JSON).")
    )
    rate_limit = RateField(
        initial=0, help_text=_("Messages per second, such as 0.5 for 30 a minute; 0 means no limit.")
    )

    class Meta:
        model = SmtpServer
        fields = [*MAIN, *ADVANCED]
        widgets = {
            "description": forms.TextInput,
            "ca_bundle": forms.Textarea(attrs={"rows": 4}),
            "unencrypted_accepted": forms.CheckboxInput(attrs={"class": "tick"}),
            "spa": forms.CheckboxInput(attrs={"data-needs": "authentication"}),
        }
        help_texts = {
            "host": _("A fully qualified domain name or an IP address."),
            "port": _("25 by default; SSL uses 465."),
            "mechanism": _("How to sign in; Automatic takes the best way that the server offers."),
            "unencrypted_accepted": _("Needed as long as the secure channel protocol is None."),
            "spa": _("Only for servers that want NTLM; it signs in, so it switches Authentication on."),
            "from_name": _("Shown in the From box, for example Corporate IT."),
            "from_email": _("Replies to notifications go to this address."),
            "retries": _("How often a failed message is tried again."),
            "timeout": _("Seconds to wait for each SMTP request; some servers take up to 60 to confirm a message."),
            "max_recipients": _("The most recipients of one mail."),
            "ca_bundle": _("PEM text; empty for the authorities that this machine trusts."),
            "envelope_sender": _("Where bounces go; empty for the From email."),
            "connections": _("How many connections to the server may be open at once."),
            "pipelining": _("Automatic sends command by command where a server turns out not to do what it offers."),
            "sign_ins_after_refusal": SIGN_INS_HELP,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = {"field": "port", "ports": KNOWN_PORTS}
        self.fields["security"].widget.attrs["data-port-for"] = json.dumps(rule)

    def check(self, instance: SmtpServer) -> None:
        clean_smtp(instance)

    def settle_cleaned(self) -> None:
        """SPA that is switched on switches Authentication on; SSL sets its port."""
        given = self.cleaned_data
        if given.get("spa") and "spa" in self.changed_data:
            given["authentication"] = True
        if "security" in given and "port" in given:
            before, port_before = self["security"].initial, self["port"].initial
            given["port"] = port_for(given["security"], port=given["port"], before=before, port_before=port_before)
