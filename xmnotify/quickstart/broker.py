"""The embedded broker of the quick start, and the folders of the one that is made of files."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings


def make_queue_folders() -> None:
    """Make the folders in which the broker of files keeps its queues, where that is the broker."""
    for name, value in settings.CELERY_BROKER_TRANSPORT_OPTIONS.items():
        if name.startswith("data_folder") or name == "control_folder":
            Path(str(value)).mkdir(parents=True, exist_ok=True)


def serve(binary: Path, *, socket: Path, var: Path) -> None:
    """Become the embedded Valkey: on a unix socket only, nothing saved to disk. Does not return."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(var),
        "databases": "1",
        "hz": "1",
        "set-proc-title": "no",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    os.execv(binary, [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))])  # noqa: S606
