"""What a measurement stands in: a data folder of its own, a sink, and processes that end with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xmnotify import env
from xmnotify.quickstart import keys

ROOT = env.ROOT


def enter(var: Path) -> None:
    """Let this process and those it starts use that data folder and nothing of an installation on this machine."""
    for name in list(os.environ):
        if name.startswith("XMNOTIFY_") or name == "DATABASE_URL":
            del os.environ[name]
    keys.make_missing(var)
    os.environ |= {
        "XMNOTIFY_VAR": str(var),
        "DJANGO_SETTINGS_MODULE": "xmnotify.settings",
        "XMNOTIFY_SMTP_PORTS": "any",
        "XMNOTIFY_HTTP_PORTS": "any",
        "XMNOTIFY_ALLOWED_NETWORKS": "127.0.0.1/32",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@contextmanager
def sink(ledger: Path, *options: str, module: str = "simulators.smtp") -> Iterator[int]:
    """A simulated server in a process of its own; its port."""
    command = [sys.executable, "-m", module, "--port", "0", "--ledger", str(ledger), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline().removeprefix("listening on "))
        finally:
            process.terminate()


def median_and_range(values: list[float]) -> str:
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return f"{_short(median)} ({_short(ordered[0])} to {_short(ordered[-1])})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
