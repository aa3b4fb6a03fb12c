"""The one check of an SMTP server before it is tested or stored, for forms, API and import alike."""

from __future__ import annotations

from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from servers.kept_secrets import moved
from servers.models import SmtpServer
from servers.validators import Problems, check_mail, is_here, is_name, refuse, resolved_name, revealed, tidy
from transports.net.oauth import is_key_file, private_key

Security = SmtpServer.Security
Mechanism = SmtpServer.Mechanism
KNOWN_PORTS = {Security.NONE: 25, Security.SSL: 465, Security.TLS: 587}
MAX_CA_BUNDLE = 200_000
SLOW_ANSWER = 30
IN_CLEAR = (Mechanism.AUTOMATIC, Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.XOAUTH2)
"""What shows the password or token, or may, to whoever listens on a line without encryption."""


def clean_smtp(server: SmtpServer) -> None:
    """Bring a new or changed server into its stored form; raises ValidationError with the messages by field.

    A change keeps the stored secrets by leaving them in `server`, as long as they go where and how they went before.
    Asks the database whether the name is free.
    """
    server.kind = server.Kind.SMTP
    tidy(server)
    if isinstance(server.host, str):
        server.host = resolved_name(server.host)
    server.ntlm_v1 = server.ntlm_v1 and server.spa
    server.unencrypted_accepted = server.unencrypted_accepted and signs_in_unencrypted(server)
    refuse(server, rules=(_reach, moved, _sign_in, _encryption, _addresses, _certificates))


def signs_in_unencrypted(server: SmtpServer) -> bool:
    """Whether its password or token may cross the network as it is."""
    shown = server.mechanism in IN_CLEAR and not server.spa
    return bool(server.authentication) and server.security == Security.NONE and shown


def smtp_warnings(server: SmtpServer) -> dict[str, str]:
    """What is allowed and yet risky, by field; refuses nothing."""
    found = {}
    if server.security != Security.NONE and not server.verify_certificate:
        found["verify_certificate"] = _("Whoever sits between can read the password and every message.")
    if signs_in_unencrypted(server) and is_here(server.host):
        found["security"] = _("The password is sent unencrypted, though only within this machine.")
    elif signs_in_unencrypted(server):
        found["security"] = _("The password may cross the network unencrypted. Choose SSL or TLS if the server can.")
    if server.security == Security.SSL and server.port in {25, 587}:
        found["port"] = _("Servers usually speak SSL on port 465; ports 25 and 587 are for None or TLS.")
    if server.security != Security.SSL and server.port == 465:
        found["port"] = _("Port 465 is usually for SSL.")
    if server.timeout < SLOW_ANSWER:
        found["timeout"] = _("Below %d seconds, a slow server may get a message twice.") % SLOW_ANSWER
    if server.spa and server.ntlm_v1:
        found["ntlm_v1"] = _("NTLM version 1 protects neither the password nor the session.")
    return found


def port_for(security: str, *, port: int, before: str, port_before: int) -> int:
    """The port after a change of the secure channel protocol in a form.

    Choosing SSL sets 465 as long as the box still holds what it held before and that is another protocol's usual port.
    """
    untouched = port == port_before and port in KNOWN_PORTS.values()
    return KNOWN_PORTS[Security.SSL] if security == Security.SSL != before and untouched else port


def _reach(server: SmtpServer) -> Problems:
    if server.host and not is_name(server.host, or_address=True):
        yield "host", ValidationError(_host_problem(server.host), code="host")
    allowed = settings.XMNOTIFY_SMTP_PORTS
    if allowed is not None and isinstance(server.port, int) and server.port not in allowed:
        ports = ", ".join(str(port) for port in sorted(allowed))
        yield "port", ValidationError(_("Mail may go to these ports only: %s.") % ports, code="port_not_allowed")


def _host_problem(host: str) -> str:
    if "://" in host or ":" in host:
        return _("Enter the name alone; the port has a field of its own.")
    return _("Enter a host name such as mail.example.com, or an IP address.")


def _sign_in(server: SmtpServer) -> Problems:
    if server.spa and not server.authentication:
        yield "spa", ValidationError(_("SPA needs Authentication."), code="authentication_off")
    if not server.authentication:
        return
    oauth = server.mechanism == Mechanism.XOAUTH2
    if server.spa and server.mechanism != Mechanism.AUTOMATIC:
        yield "mechanism", ValidationError(_("SPA signs in by NTLM: choose Automatic."), code="spa")
    required = ("oauth_token_url", "oauth_client_id", "oauth_client_secret") if oauth else ("password",)
    for name in ("username", *required):
        if not getattr(server, name):
            yield name, ValidationError(_("This field is required."), code="required")
    if oauth:
        yield from _token(server)


def _token(server: SmtpServer) -> Problems:
    secret, url = revealed(server.oauth_client_secret), server.oauth_token_url
    if "{" in url:
        message = _("Put the ID of your tenant in the place of {tenant}.")
        yield "oauth_token_url", ValidationError(message, code="placeholder")
    address = urlsplit(server.oauth_token_url) if _is_url(server.oauth_token_url) else None
    if url and (not address or address.scheme != "https" or address.username):
        yield "oauth_token_url", ValidationError(_("Enter an address that begins with https://."), code="https")
    of_google = address and (address.hostname or "").endswith(".googleapis.com")
    if secret and (is_key_file(secret) or of_google) and not _signs(secret):
        message = _("Paste the whole text of the service account's key file (JSON).")
        yield "oauth_client_secret", ValidationError(message, code="key_file")


def _signs(key_file: str) -> bool:
    try:
        private_key(key_file)
    except ValueError:
        return False
    return True


def _encryption(server: SmtpServer) -> Problems:
    if signs_in_unencrypted(server) and not server.unencrypted_accepted:
        message = _("Choose SSL or TLS as the secure channel protocol, or tick this to go without them.")
        yield "unencrypted_accepted", ValidationError(message, code="unencrypted")


def _is_url(text: str) -> bool:
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def _addresses(server: SmtpServer) -> Problems:
    for name in ("from_email", "envelope_sender"):
        if getattr(server, name):
            try:
                check_mail(getattr(server, name))
            except ValidationError as error:
                yield name, error


def _certificates(server: SmtpServer) -> Problems:
    bundle = server.ca_bundle
    if "PRIVATE KEY" in bundle:
        yield "ca_bundle", ValidationError(_("This holds a private key: paste certificates only."), code="private_key")
    elif len(bundle) > MAX_CA_BUNDLE:
        yield "ca_bundle", ValidationError(_("At most %d characters.") % MAX_CA_BUNDLE, code="too_long")
    elif bundle:
        try:
            x509.load_pem_x509_certificates(bundle.encode())
        except ValueError:
            message = _("Paste certificates as PEM text, with their BEGIN and END lines.")
            yield "ca_bundle", ValidationError(message, code="pem")
