"""The one check of a server before it is tested or stored, for forms, API and import alike; SMTP servers' own rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import idna
from cryptography import x509
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from foundation.secrets import Secret, SecretField, SecretUnreadableError
from servers.kept_secrets import moved
from servers.models import SmtpServer
from transports.addresses import invisible, phone_number
from transports.addresses.mail_address import normalise

Security = SmtpServer.Security
Mechanism = SmtpServer.Mechanism
KNOWN_PORTS = {Security.NONE: 25, Security.SSL: 465, Security.TLS: 587}
MAX_CA_BUNDLE = 200_000
MAX_SECRET = 4096
SLOW_ANSWER = 60
Problems = Iterator[tuple[str, ValidationError]]
Rule = Callable[[Any], Problems]
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LINES = frozenset({"description", "ca_bundle"})
_IDENTIFIERS = frozenset({"username", "oauth_client_id", "oauth_scope", "oauth_token_url", "base_url", "prefix"})


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
    refuse(server, rules=(_reach, moved, _sign_in, _addresses, _certificates))


def refuse(row: models.Model, *, rules: Iterable[Rule], first: Iterable[Rule] = ()) -> None:
    """Raise ValidationError with everything that is wrong, one problem a field.

    `first` are rules about single texts, which explain better than the column's own checks; `rules` come after those.
    """
    found = dict(_unfit_texts(row))
    if any(problem.code == "no_text" for problem in found.values()):
        raise ValidationError(found)
    _add(found, row, rules=first)
    try:
        row.full_clean(exclude=set(found), validate_constraints=False)
    except ValidationError as error:
        found |= {field: ValidationError(problems) for field, problems in error.error_dict.items()}
    _add(found, row, rules=rules)
    if found:
        raise ValidationError(found)


def _add(found: dict[str, ValidationError], row: models.Model, *, rules: Iterable[Rule]) -> None:
    for rule in rules:
        for field, problem in rule(row):
            found.setdefault(field, problem)


def smtp_warnings(server: SmtpServer) -> dict[str, str]:
    """What is allowed and yet risky, by field; refuses nothing."""
    found = {}
    if server.security != Security.NONE and not server.verify_certificate:
        found["verify_certificate"] = _("Whoever sits between can read the password and every message.")
    if server.security == Security.NONE and server.authentication:
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


def check_mail(address: str) -> str:
    """A mail address as it is sent; raises ValidationError when it is none."""
    try:
        return normalise(address)
    except ValueError:
        hidden = invisible.inside(invisible.trimmed(address), allowed=" ")
        message = _("It holds %s: type the address again.") % hidden
        message = message if hidden else _("Enter a mail address such as it@example.com.")
        raise ValidationError(message, code="address") from None


def check_phone(number: str, *, country: str) -> str:
    """A phone number as E.164, read as of `country` when it names none; raises ValidationError when it is none."""
    try:
        return phone_number.normalise(number, country=country)
    except ValueError as error:
        raise ValidationError(_("This is no number that an SMS can go to: %s.") % error, code="number") from None


def tidy(row: models.Model) -> None:
    """Texts without what can't be seen around them."""
    for field in _text_fields(row):
        value = getattr(row, field.attname)
        if isinstance(value, str):
            setattr(row, field.attname, invisible.trimmed(value))


def resolved_name(host: str) -> str:
    """As it is resolved: an address without brackets, or a name in ASCII (IDNA 2008, UTS 46) without its last dot."""
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host.removesuffix(".")
    if invisible.inside(host):
        return host  # IDNA drops some such characters, and so would lead elsewhere than it reads
    if not host.isascii():
        try:
            return idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            return host
    return host.lower()


def _text_fields(row: models.Model) -> Iterator[models.Field[object, object]]:
    for field in row._meta.get_fields():  # noqa: SLF001 - public, as Django documents it
        if isinstance(field, models.CharField | models.TextField) and not isinstance(field, SecretField):
            yield field


def _unfit_texts(row: models.Model) -> Problems:
    """Characters that no database or no header takes."""
    for field in _text_fields(row):
        value = getattr(row, field.attname)
        if not isinstance(value, str):
            yield field.name, ValidationError(_("Enter a text."), code="no_text")
        elif any(_is_unfit(character, lines=field.name in _LINES) for character in value):
            yield field.name, ValidationError(_("Control characters are not allowed."), code="control_character")
        elif field.name in _IDENTIFIERS and (hidden := invisible.inside(value, allowed=" ")):
            message = _("It holds %s: type it again.") % hidden
            yield field.name, ValidationError(message, code="invisible")
        elif isinstance(field, models.TextField) and field.max_length and len(value) > field.max_length:
            yield field.name, ValidationError(_("At most %d characters.") % field.max_length, code="max_length")
    for column in row._meta.concrete_fields:  # noqa: SLF001 - as above
        words = _words(getattr(row, column.attname)) if isinstance(column, SecretField) else ""
        if len(words) > MAX_SECRET or any(unicodedata.category(character) in {"Cc", "Cs"} for character in words):
            message = _("At most %d characters, none of them a control character.") % MAX_SECRET
            yield column.name, ValidationError(message, code="secret")


def _is_unfit(character: str, *, lines: bool) -> bool:
    if lines and character in "\r\n\t":
        return False
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def _words(secret: Secret | str | None) -> str:
    try:
        return secret.reveal() if isinstance(secret, Secret) else secret or ""
    except SecretUnreadableError:
        return ""  # a key is lost: the server can be edited all the same, to type the secret again


def _reach(server: SmtpServer) -> Problems:
    if server.host and not is_name(server.host, or_address=True):
        yield "host", ValidationError(_host_problem(server.host), code="host")
    allowed = settings.XMNOTIFY_SMTP_PORTS
    if allowed is not None and isinstance(server.port, int) and server.port not in allowed:
        ports = ", ".join(str(port) for port in sorted(allowed))
        yield "port", ValidationError(_("Mail may go to these ports only: %s.") % ports, code="port_not_allowed")


def is_name(host: str, *, or_address: bool = False) -> bool:
    """Whether it is the name of a host, or an IP address where that will do."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.split(".")
        return all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return or_address


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
    address = urlsplit(server.oauth_token_url) if _is_url(server.oauth_token_url) else None
    if oauth and server.oauth_token_url and (not address or address.scheme != "https" or address.username):
        yield "oauth_token_url", ValidationError(_("Enter an address that begins with https://."), code="https")


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
