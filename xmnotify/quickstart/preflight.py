"""What must hold before anything starts; each breach is one sentence that says what to do."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path


class NotReadyError(Exception):
    """The sentence for the person at the terminal."""


def lock(var: Path) -> int:
    """Hold the data folder until this process ends: an open descriptor. Raises NotReadyError."""
    try:
        with tempfile.TemporaryFile(dir=var):
            descriptor = os.open(var / "quickstart.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotReadyError(
            f"The data folder {var} can't be written ({error.strerror}): fix that, or set XMNOTIFY_VAR to another."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise NotReadyError(
            f"Another `make run` uses the data folder {var}: stop that one, or set XMNOTIFY_VAR to another folder."
        ) from None
    return descriptor


def check_port(host: str, *, port: int, setting: str) -> None:
    """Raises NotReadyError when nobody could listen there; `setting` names the variable that moves it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise NotReadyError(
                f"Port {port} on {host} can't be used ({error.strerror}): "
                f"stop what uses it, or set {setting} to another port."
            ) from None
