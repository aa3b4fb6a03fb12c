"""The quick start: command to first mail, POST to mail, memory, idle CPU, and what a kill leaves behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench import surroundings

_IDLE_SECONDS = 10.0
_POSTS = 200


def measure(var: Path, *, rounds: int) -> None:
    ports = {
        name: surroundings.free_port()
        for name in ("XMNOTIFY_PORT", "XMNOTIFY_SMTP_SIM_PORT", "XMNOTIFY_SMS_SIM_PORT", "XMNOTIFY_INBOX_PORT")
    }
    os.environ |= {name: str(port) for name, port in ports.items()}
    with _running(signal.SIGINT):
        pass  # the first start makes the database
    starts, leftovers = [], []
    for number in range(rounds):
        ending = signal.SIGKILL if number % 2 else signal.SIGINT
        with _running(ending) as (_, seconds):
            starts.append(seconds)
        leftovers.append(_seconds_until_gone(var))
    print(f"command to first mail, s: {surroundings.median_and_range(starts)}; to reach 2")
    print(f"gone after Ctrl-C or kill -9, s: {surroundings.median_and_range(leftovers)}; to reach 10")
    with _running(signal.SIGINT) as (supervisor, _):
        for words, apart in (("one after the other", 0.0), ("20 a second", 0.05)):
            times = _post_to_mail(var, port=ports["XMNOTIFY_PORT"], apart=apart)
            found = f"p50 {statistics.median(times):.1f}, worst {max(times):.1f}"
            print(f"POST to mail, {words}, ms: {found}; to reach p50 15")
        megabytes, percent = _appetite(supervisor)
        print(f"memory (PSS), MB: {megabytes:.0f}; to reach 250")
        print(f"idle CPU, %: {percent:.2f}; to reach 1")


@contextmanager
def _running(ending: signal.Signals) -> Iterator[tuple[psutil.Process, float]]:
    """The supervisor after its first mail, and the seconds that took; ended by that signal."""
    before = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "quickstart"], cwd=surroundings.ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        line = next((line for line in process.stdout if " delivered: the mail" in line or "No mail came" in line), "")
        seconds = time.monotonic() - before
        if " delivered" not in line:
            raise SystemExit("The quick start delivered no mail; run it by hand and see why.")
        yield psutil.Process(process.pid), seconds
    finally:
        process.send_signal(ending)
        process.wait()
        assert process.stdout
        process.stdout.close()


def _post_to_mail(var: Path, *, port: int, apart: float) -> list[float]:
    """Milliseconds from POST to the ledger's line, over one connection.

    The next event is posted when the mail of the one before is there, and no sooner than `apart` seconds after it.
    """
    ledger = var / "inbox.ledger"
    headers = {"Authorization": f"Bearer {(var / 'api_key').read_text().strip()}", "Content-Type": "application/json"}
    body = json.dumps({"type": "device.jailbroken", "device": {"serial": "DEMO000008"}, "channels": ["smtp"]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for _ in range(_POSTS):
        size, before = ledger.stat().st_size, time.perf_counter()
        connection.request("POST", "/api/v1/events", body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != http.HTTPStatus.ACCEPTED:
            raise SystemExit(text)
        while ledger.stat().st_size == size:
            time.sleep(0.0005)
        took = time.perf_counter() - before
        times.append(took * 1000)
        time.sleep(max(0.0, apart - took))
    connection.close()
    return times


def _appetite(supervisor: psutil.Process) -> tuple[float, float]:
    """Megabytes (shared memory counted once) and percent of one CPU while nothing is to be done."""
    family = [supervisor, *supervisor.children(recursive=True)]
    before = sum(_cpu_seconds(process) for process in family)
    time.sleep(_IDLE_SECONDS)
    used = sum(_cpu_seconds(process) for process in family) - before
    return sum(process.memory_full_info().pss for process in family) / 1e6, used / _IDLE_SECONDS * 100


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _seconds_until_gone(var: Path) -> float:
    before = time.monotonic()
    while any(_uses(process, var=var) for process in psutil.process_iter()):
        time.sleep(0.05)
        if time.monotonic() - before > 30:
            raise SystemExit("Processes were left behind.")
    return time.monotonic() - before


def _uses(process: psutil.Process, *, var: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("XMNOTIFY_VAR") == str(var)
    except psutil.Error:
        return False
