"""What a measurement stands in: a data folder of its own, a sink, and processes that end with it."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xmnotify import env
from xmnotify.quickstart import keys

ROOT = env.ROOT
_COUNTER = re.compile(rb"mesg=(\d+)\r")


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


def one_of(names: Sequence[str], name: str) -> str:
    """For `type` of an argument that may be left out or given several times, where argparse's choices take none."""
    if name not in names:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
    return name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass(slots=True)
class Sink:
    """A mail server's stand-in; what it took is counted in the file it writes."""

    port: int
    ledger: Path
    _seen: int = 0
    _read: int = 0

    def arrived(self) -> int:
        """How many mails it took since it was started."""
        with self.ledger.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        if counters := _COUNTER.findall(new):
            self._seen = int(counters[-1])
            self._read += new.rindex(b"mesg=")
        elif b"mesg=" not in new:
            self._seen += new.count(b"\n")
            self._read += len(new)
        return self._seen


@contextmanager
def simulator(ledger: Path, *options: str, module: str = "simulators.smtp") -> Iterator[Sink]:
    """A simulated server in a process of its own."""
    command = [sys.executable, "-m", module, "--port", "0", "--ledger", str(ledger), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Sink(int(process.stdout.readline().removeprefix("listening on ")), ledger)
        finally:
            process.terminate()


def postfix_sink() -> Path | None:
    """Postfix's smtp-sink, which takes a quarter of what the simulator costs, where it is installed."""
    found = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


@contextmanager
def light_sink(ledger: Path, *options: str) -> Iterator[Sink]:
    """smtp-sink, or the simulator where it is missing; `options` are those of the simulator."""
    binary = postfix_sink()
    if binary is None:
        with simulator(ledger, *options) as simulated:
            yield simulated
        return
    port = free_port()
    command = [str(binary), "-c", f"127.0.0.1:{port}", "1000"]
    if "--no-pipelining" in options:
        command.insert(1, "-p")
    if os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    with ledger.open("wb") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            wait_for_port(port)
            yield Sink(port, ledger)
        finally:
            process.terminate()


def wait_for_port(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def median_and_range(values: list[float]) -> str:
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return f"{_short(median)} ({_short(ordered[0])} to {_short(ordered[-1])})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
