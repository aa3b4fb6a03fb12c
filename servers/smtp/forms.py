"""The form of an SMTP server, in the order of the manual."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from servers.forms import SIGN_INS_HELP, ServerForm, secret_field
from servers.models import SmtpServer
from servers.smtp.validators import KNOWN_PORTS, clean_smtp, port_for

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
        "ntlm_v1": "spa",
        "sign_ins_after_refusal": "authentication",
    }
    secrets = ("password", "oauth_client_secret")
    password = secret_field(_("Password"))
    oauth_token_url = forms.URLField(label=_("Token endpoint"), required=False, max_length=200, assume_scheme="https")
    oauth_client_secret = secret_field(_("Client secret"))

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
            "pipelining": _("Automatic sends command by command where a server turns out not to do what it offers."),
            "rate_limit": _("Messages per second; 0 means no limit."),
            "sign_ins_after_refusal": SIGN_INS_HELP,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = {"field": "port", "ports": KNOWN_PORTS}
        self.fields["security"].widget.attrs["data-port-for"] = json.dumps(rule)

    def check(self, instance: SmtpServer) -> None:
        clean_smtp(instance)

    def settle_cleaned(self) -> None:
        given = self.cleaned_data
        if "security" in given and "port" in given:
            before, port_before = self["security"].initial, self["port"].initial
            given["port"] = port_for(given["security"], port=given["port"], before=before, port_before=port_before)
