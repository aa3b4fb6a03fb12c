"""What the checks of all kinds of servers share: texts, host names, addresses, and one problem a field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any

import idna
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from foundation.secrets import Secret, SecretField, SecretUnreadableError
from transports.addresses import invisible, phone_number
from transports.addresses.mail_address import normalise

MAX_SECRET = 4096
Problems = Iterator[tuple[str, ValidationError]]
Rule = Callable[[Any], Problems]
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
MAX_FILE = 16_384
_FILES = frozenset({"key_file", "certificate", "service_account"})
"""Secrets that are the text of a file."""
_LINES = frozenset({"description", "ca_bundle"}) | _FILES
_IDENTIFIERS = frozenset({"username", "oauth_client_id", "oauth_scope", "oauth_token_url", "base_url", "prefix"})


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
        words = revealed(getattr(row, column.attname)) if isinstance(column, SecretField) else ""
        most = MAX_FILE if column.name in _FILES else MAX_SECRET
        if len(words) > most or any(_is_unfit(each, lines=column.name in _FILES) for each in words):
            message = _("At most %d characters, none of them a control character.") % most
            yield column.name, ValidationError(message, code="secret")


def _is_unfit(character: str, *, lines: bool) -> bool:
    if lines and character in "\r\n\t":
        return False
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def revealed(secret: Secret | str | None) -> str:
    """Its words; empty without one, and where its key is lost."""
    try:
        return secret.reveal() if isinstance(secret, Secret) else secret or ""
    except SecretUnreadableError:
        return ""  # a key is lost: the server can be edited all the same, to type the secret again


def is_here(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_name(host: str, *, or_address: bool = False) -> bool:
    """Whether it is the name of a host, or an IP address where that will do."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.split(".")
        return all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return or_address
