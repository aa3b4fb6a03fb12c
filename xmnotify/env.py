"""Reads every setting from the environment; a bad or missing value stops the start with its name and the remedy."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from transports.addresses.mail_address import FULL_NAME

ROOT = Path(__file__).resolve().parent.parent
_VARIABLES = FileAwareMapping(cache=False)
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){0,20}|\[[0-9A-Fa-f:.]{2,45}\]")
_PLACE = re.compile(rf"(?:{_HOST.pattern})(?::[0-9]{{1,5}})?")
_NOWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - refused, not listened on # nosec B104
_LEAST_KEY = 32
_SERVICE_LINK = re.compile(r"(?:tcp|udp|sctp)://")


def text(name: str, default: str = "") -> str:
    """The value of `name`, or of the file that `name`_FILE names, whose last line may have an end."""
    return _read(name) or default


def integer(name: str, default: int, *, least: int, most: int) -> int:
    raw = text(name)
    return number(raw, name=name, least=least, most=most) if raw else default


def number(raw: str, *, name: str, least: int, most: int) -> int:
    """Raises ImproperlyConfigured, whose sentence begins with `name`."""
    if not re.fullmatch(r"-?[0-9]{1,18}", raw.strip(), re.ASCII):
        raise ImproperlyConfigured(f"{name} is {raw!r}; write a number.")
    value = int(raw)
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} is {value}; it must be between {least} and {most}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    raw = text(name)
    return switch(raw, name=name) if raw else default


def switch(raw: str, *, name: str) -> bool:
    """Raises ImproperlyConfigured, whose sentence begins with `name`."""
    word = raw.strip().lower()
    if word in {"1", "true", "on", "yes"}:
        return True
    if word in {"0", "false", "off", "no"}:
        return False
    raise ImproperlyConfigured(f"{name} is {raw!r}; write on or off.")


def log_level(name: str, default: str) -> str:
    level = text(name, default).strip().upper()
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} is {level!r}; write DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    return level


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word for word in (part.strip() for part in text(name, default).split(",")) if word]


def ports(name: str, default: str) -> frozenset[int] | None:
    """Port numbers separated by commas; None for `any`."""
    given = words(name, default)
    if given == ["any"]:
        return None
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 65536 for word in given):
        raise ImproperlyConfigured(f"{name} is {','.join(given)!r}; write ports separated by commas, or any.")
    return frozenset(int(word) for word in given)


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks in CIDR form separated by commas."""
    try:
        return tuple(ip_network(word) for word in words(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; write networks such as 10.0.0.0/8,fd00::/8.") from None


def tls(name: str, *, proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether a proxy terminates TLS: without a trusted one nothing could report that a request came over HTTPS."""
    on = flag(name, default=False)
    if on and not proxies:
        raise ImproperlyConfigured(
            f"{name} is on without XMNOTIFY_TRUSTED_PROXIES; name the network of the proxy that terminates TLS there, "
            "such as 10.0.0.0/24."
        )
    return on


def hosts(name: str, default: str) -> list[str]:
    """Names and addresses as a request names its host, separated by commas; .example.com stands for all below it."""
    found = [f"[{word}]" if word.count(":") > 1 and word[0] != "[" else word for word in words(name, default)]
    wrong = [word for word in found if word != "*" and not _HOST.fullmatch(word.removeprefix("."))]
    if wrong or not found:
        raise ImproperlyConfigured(
            f"{name}: {(wrong or [''])[0]!r} is no host; write names or addresses without scheme, port and path, "
            "separated by commas, such as notify.example.com."
        )
    return found


def origins(name: str) -> list[str]:
    """Schemes with their hosts, separated by commas."""
    found = words(name)
    for word in found:
        scheme, _, place = word.partition("://")
        if scheme not in {"http", "https"} or not _PLACE.fullmatch(place.removeprefix("*.")):
            raise ImproperlyConfigured(
                f"{name}: {word!r} is no origin; write scheme and host, such as https://notify.example.com."
            )
    return found


def console_url(name: str, default: str) -> str:
    """Scheme and host with a / behind them; pages under a sub-path of another site would not find each other."""
    given = text(name, default)
    scheme, _, rest = given.partition("://")
    place, _, path = rest.partition("/")
    if scheme not in {"http", "https"} or not _PLACE.fullmatch(place) or set(path) & set("?#"):
        raise ImproperlyConfigured(f"{name} can't be read; write scheme and host, such as https://notify.example.com/.")
    if path:
        raise ImproperlyConfigured(
            f"{name} has a sub-path, /{path}, which is not supported; give it a host name of its own, "
            "such as https://notify.example.com/."
        )
    if place.startswith(_NOWHERE):
        raise ImproperlyConfigured(
            f"{name} names {place}, which nobody can open; write the host's own name or address."
        )
    return f"{scheme}://{place}/"


def full_name(name: str) -> str:
    """A host name with its domain."""
    given = text(name).strip()
    if given and not FULL_NAME.fullmatch(given):
        raise ImproperlyConfigured(f"{name} is {given!r}; write a host name with its domain, such as mx.example.com.")
    return given


def var_dir() -> Path:
    """Where the embedded database, broker and keys live: XMNOTIFY_VAR, else var/ beside manage.py."""
    return Path(text("XMNOTIFY_VAR") or ROOT / "var").absolute()


def secret_key() -> str:
    return _kept_secret("XMNOTIFY_SECRET_KEY", "secret_key", least=_LEAST_KEY)


def secret_key_fallbacks(name: str) -> list[str]:
    """Signing keys that were in use before, separated by commas: what they signed is taken, nothing new is."""
    keys = words(name)
    if any(len(key) < _LEAST_KEY for key in keys):
        raise ImproperlyConfigured(f"{name} holds a key that is too short ({_LEAST_KEY} characters at least).")
    return keys


def fernet_keys() -> list[str]:
    """Keys for stored secrets: the first encrypts, all of them decrypt."""
    keys = [key.strip() for key in _kept_secret("XMNOTIFY_FERNET_KEYS", "fernet_keys", least=44).split(",")]
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"XMNOTIFY_FERNET_KEYS: key {number} is no Fernet key; make one with "
                "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'."
            ) from None
    return keys


def _kept_secret(name: str, file_name: str, *, least: int) -> str:
    kept = var_dir() / file_name
    value = text(name) or (kept.read_text().strip() if kept.is_file() else "")
    if len(value) < least:
        raise ImproperlyConfigured(
            f"{name} is not set or too short ({least} characters at least); set it, or {name}_FILE, or run "
            "`make run`, which makes one for a trial."
        )
    return value


def _read(name: str) -> str:
    """To the letter, but for the end of a last line: django-environ would follow a value that begins with $ to another
    variable.
    """
    try:
        value = str(_VARIABLES.get(name, "")).rstrip("\r\n")
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: it is no text in UTF-8.") from None
    if _SERVICE_LINK.match(value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}, which Kubernetes sets for a service whose name makes this variable's; "
            "rename the service, or switch enableServiceLinks off for the pod."
        )
    return value
