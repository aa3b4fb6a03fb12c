"""Mails a second through the whole drain under Celery, against a plain smtplib loop with bytes made beforehand."""

from __future__ import annotations

import argparse
import os
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import surroundings
from tests import private_servers

_WORKERS = 2
_PATIENCE_SECONDS = 300.0
_LATENCY_SECONDS = 0.02
_TEXT = (
    "Hello ${user.displayname},\n\nyour ${device.model} was reported as jailbroken by ${event.source}. "
    "Give it to the help desk\nor reset it within two days; after that it loses access to mail.\n\n"
    "Your administrators\n"
)
PAYLOAD = (
    b"From: xmnotify demo <xmnotify@example.com>\r\nTo: a@example.com\r\nSubject: A device is jailbroken\r\n"
    b"Message-ID: <loop@example.com>\r\nMIME-Version: 1.0\r\n\r\n" + _TEXT.replace("\n", "\r\n").encode()
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mails", type=int, default=3000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-bench-")))
        surroundings.enter(var)
        if redis is None:
            raise SystemExit("There is no Redis or Valkey on this machine.")
        os.environ["XMNOTIFY_BROKER_URL"] = stack.enter_context(private_servers.redis(redis))
        if binaries:
            os.environ["DATABASE_URL"] = stack.enter_context(private_servers.postgres(binaries))
        for scenario in SCENARIOS:
            ledger = var / f"ledger-{scenario.name}"
            port = stack.enter_context(surroundings.sink(ledger, *scenario.sink))
            measure(scenario, ledger, port=port, rounds=options.rounds, mails=options.mails)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of relay; `yardstick` is what the drain is held against, `to_reach` the share of it."""

    name: str
    sink: tuple[str, ...]
    connections: int
    yardstick: Callable[[int, int, int], float]
    against: str
    to_reach: float


def measure(scenario: Scenario, ledger: Path, *, port: int, rounds: int, mails: int) -> None:
    """Yardstick and drain in turn; prints both and the ratios."""
    from bench import load  # noqa: PLC0415 - loads Django, whose settings are named by now

    load.prepare(smtp_port=port, connections=scenario.connections, text=_TEXT)
    yardsticks, drains = [], []
    for number in range(rounds):
        yardsticks.append(scenario.yardstick(port, mails, scenario.connections))
        load.post(mails)
        drains.append(drained(ledger, mails=mails))
        print(f"  {scenario.name}, round {number + 1} of {rounds}", flush=True)
    ratios = [drain / yardstick for drain, yardstick in zip(drains, yardsticks, strict=True)]
    print(f"{scenario.name}: {scenario.against}, mails/s: {surroundings.median_and_range(yardsticks)}")
    print(f"  drain with {scenario.connections} connections: {surroundings.median_and_range(drains)}")
    print(f"  ratio: {surroundings.median_and_range(ratios)}; to reach {scenario.to_reach}", flush=True)


def _plain_loop(port: int, mails: int, _connections: int) -> float:
    """One smtplib connection, the bytes made beforehand."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench") as connection:
        before = time.perf_counter()
        for _ in range(mails):
            connection.sendmail("xmnotify@example.com", ["a@example.com"], PAYLOAD)
        return mails / (time.perf_counter() - before)


def _pipelined_clients(port: int, mails: int, connections: int) -> float:
    """As little as can be done over that many pipelined connections, shared out over two processes."""
    command = [sys.executable, "-m", "bench.pipelined", str(port), str(mails // _WORKERS), str(connections // _WORKERS)]
    before = time.perf_counter()
    clients = [subprocess.Popen(command, cwd=surroundings.ROOT) for _ in range(_WORKERS)]
    if any(client.wait() for client in clients):
        raise SystemExit("The pipelined yardstick failed.")
    return mails / (time.perf_counter() - before)


def _possible(_port: int, _mails: int, connections: int) -> float:
    """What that many connections can carry at one mail a round trip."""
    return connections / _LATENCY_SECONDS


SCENARIOS = (
    Scenario("plain relay", (), 4, _plain_loop, "one smtplib loop", 4),
    Scenario("same connections", (), 4, _pipelined_clients, "raw pipelined clients with as many connections", 0.6),
    Scenario("no PIPELINING", ("--no-pipelining",), 1, _plain_loop, "one smtplib loop", 0.8),
    Scenario("20 ms relay", ("--latency", str(_LATENCY_SECONDS)), 32, _possible, "connections by round trips", 0.8),
)


def drained(ledger: Path, *, mails: int) -> float:
    """Mails a second from the first to the last one in the ledger; the start of the workers does not count."""
    start = ledger.stat().st_size
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "xmnotify",
        "worker",
        "-P",
        "threads",
        "-Q",
        "drain",
        "-l",
        "WARNING",
    ]
    with (ledger.parent / "worker.log").open("ab") as log:
        workers = [
            subprocess.Popen(
                [*command, "-n", f"bench{number}@local", "--without-gossip", "--without-mingle"],
                cwd=surroundings.ROOT,
                stdout=log,
                stderr=log,
            )
            for number in range(_WORKERS)
        ]
    try:
        first, last = _first_and_last(ledger, start=start, mails=mails)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    return mails / (last - first)


def _first_and_last(ledger: Path, *, start: int, mails: int) -> tuple[float, float]:
    first, lines, until = 0.0, 0, time.perf_counter() + _PATIENCE_SECONDS
    with ledger.open("rb") as file:
        file.seek(start)
        while lines < mails:
            lines += file.read().count(b"\n")
            now = time.perf_counter()
            first = first or (now if lines else 0.0)
            if now > until:
                raise SystemExit(f"Only {lines} of {mails} mails came in {_PATIENCE_SECONDS:g} s.")
            time.sleep(0.001)
    return first, now


if __name__ == "__main__":
    main()
