"""A request as granian has it (RSGI), in the words of WSGI (PEP 3333)."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from granian.rsgi import Scope

_SAME = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
_ABOUT_THE_BODY = {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}


def of(scope: Scope, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """All but the body and its length, which is what is read, not what a header says."""
    environ = dict(_SAME)
    for name, value in headers:
        key = _name(name)
        if not key or key in _ABOUT_THE_BODY:
            continue
        before = environ.get(key)
        environ[key] = value if before is None else f"{before}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    if scope.authority and "HTTP_HOST" not in environ:  # HTTP/2 has no Host
        environ["HTTP_HOST"] = scope.authority
    server, _, port = scope.server.rpartition(":")
    environ |= {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "REMOTE_ADDR": address(scope.client),
        "wsgi.url_scheme": scope.scheme,
    }
    return environ


def address(client: str) -> str:
    """Without the port."""
    return client.rpartition(":")[0].strip("[]")


@lru_cache(maxsize=512)
def _name(header: str) -> str:
    """The name in the environment; none with an underscore, which would pass for another header with a hyphen."""
    if "_" in header:
        return ""
    name = header.upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"


def length(scope: Scope) -> int | None:
    """How long the body is by its headers; None for a body whose length is not said."""
    headers = scope.headers
    if "transfer-encoding" in headers:
        return None
    given = headers.get("content-length")
    if given is None:
        return None if scope.http_version == "2" else 0
    return int(given)
