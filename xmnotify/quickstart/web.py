"""The web server of the quick start; imported with its pages before it is forked, so that they are shared."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.utils.module_loading import import_string
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server


def preload() -> None:
    """Import the pages and their middleware."""
    for middleware in settings.MIDDLEWARE:
        import_string(middleware)
    import_module(settings.ROOT_URLCONF)


def serve(*, host: str, port: int) -> None:
    Server(
        "xmnotify.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=8,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()
