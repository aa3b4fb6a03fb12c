"""The web server of the quick start; imported with its pages before it is forked, so that they are shared."""

from __future__ import annotations

import resource
from importlib import import_module

from django.conf import settings
from django.utils.module_loading import import_string
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import Server

_CONNECTIONS, _OTHER_FILES = 8192, 512
_HEADER_MILLISECONDS = 5_000
"""For the head of a request, and how long a connection without another one is kept."""
_HEADER_BYTES = 64 * 1024


def preload() -> None:
    """Import the pages and their middleware."""
    for middleware in settings.MIDDLEWARE:
        import_string(middleware)
    import_module(settings.ROOT_URLCONF)


def serve(*, host: str, port: int) -> None:
    """Serve until the process is told to stop."""
    Server(
        "xmnotify.rsgi:application",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=1,
        loop=Loops.asyncio,
        websockets=False,
        backlog=_CONNECTIONS,
        backpressure=min(_CONNECTIONS, _open_files() - _OTHER_FILES),
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS, max_buffer_size=_HEADER_BYTES),
        http2_settings=HTTP2Settings(max_headers_size=_HEADER_BYTES),
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()


def _open_files() -> int:
    """How many files and connections the process may have open: as many as it is let."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
