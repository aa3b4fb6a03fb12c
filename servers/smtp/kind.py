"""The line of SMTP servers in the table of kinds."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit.registry import User
from servers.kind import Absence, Kind, Risk, TestBox
from servers.models import SmtpServer
from servers.smtp import channel, testing
from servers.smtp.forms import SmtpServerForm
from servers.smtp.providers import PROVIDERS
from servers.smtp.validators import clean_smtp, smtp_warnings
from servers.values import ServerKind
from transports.smtp import hints

_RISKS = ("security", "verify_certificate", "ntlm_v1")
_NOTE = gettext_lazy(
    "A secret stays with its server: with another host (or token endpoint) it has to be given again. Where a password "
    "or token may cross the network unencrypted, `unencrypted_accepted` has to be true."
)


def _risks(server: SmtpServer) -> Iterator[Risk]:
    for name, words in smtp_warnings(server).items():
        if name in _RISKS:
            yield Risk(words, _("Change it"))


def _own_mail(user: User) -> str:
    return str(getattr(user, "email", ""))


SMTP = Kind(
    value=ServerKind.SMTP,
    model=SmtpServer,
    form=SmtpServerForm,
    address="smtp-server",
    label=gettext_lazy("SMTP Server"),
    add_title=gettext_lazy("Add SMTP Server"),
    note=_NOTE,
    test_box=TestBox(gettext_lazy("Send a test to"), "email", 320, "email"),
    clean=clean_smtp,
    warnings=smtp_warnings,
    channel=channel.build,
    prepare_test=testing.prepare,
    recipient=testing.recipient,
    advise=hints.advise,
    endpoint=lambda server: f"{server.host}:{server.port}",
    security=lambda server: server.get_security_display(),
    unencrypted=lambda server: smtp_warnings(server).get("security", ""),
    risks=_risks,
    looked_at=(
        "security",
        "verify_certificate",
        "authentication",
        "mechanism",
        "host",
        "port",
        "timeout",
        "spa",
        "ntlm_v1",
    ),
    absence=Absence(
        gettext_lazy("Mail"),
        gettext_lazy("No SMTP server is active, so mail waits instead of going out."),
        gettext_lazy("Set up an SMTP server"),
    ),
    usual_test_to=_own_mail,
    providers=PROVIDERS,
)
