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
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

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
    parser.add_argument("--mails", type=int, default=12_000)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-bench-")))
        surroundings.enter(var)
        if redis is None:
            raise SystemExit("There is no Redis or Valkey on this machine.")
        os.environ["XMNOTIFY_BROKER_URL"] = stack.enter_context(private_servers.redis(redis))
        if options.database == "postgresql":
            if binaries is None:
                raise SystemExit("There is no PostgreSQL on this machine.")
            os.environ["DATABASE_URL"] = stack.enter_context(private_servers.postgres(binaries))
        print(f"Drain on {options.database}; the mail server is {surroundings.postfix_sink() or 'the simulator'}.")
        for scenario in SCENARIOS:
            with scenario.sink(var / f"ledger-{scenario.name}", *scenario.options) as sink:
                measure(scenario, sink, rounds=options.rounds, mails=options.mails)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of relay; `yardstick` is what the drain is held against, `to_reach` the share of it."""

    name: str
    sink: Callable[..., AbstractContextManager[surroundings.Sink]]
    options: tuple[str, ...]
    connections: int
    yardstick: Callable[[int, int, int], float]
    against: str
    to_reach: float


def measure(scenario: Scenario, sink: surroundings.Sink, *, rounds: int, mails: int) -> None:
    """Yardstick and drain in turn; prints both, the ratios, and the CPU time of everything that a mail went through."""
    from bench import load  # noqa: PLC0415 - loads Django, whose settings are named by now

    load.prepare(smtp_port=sink.port, connections=scenario.connections, text=_TEXT)
    yardsticks, drains, costs = [], [], []
    for number in range(rounds):
        yardsticks.append(scenario.yardstick(sink.port, mails, scenario.connections))
        load.post(mails)
        speed, cost = drained(sink, mails=mails)
        drains.append(speed)
        costs.append(cost)
        print(f"  {scenario.name}, round {number + 1} of {rounds}", flush=True)
    ratios = [drain / yardstick for drain, yardstick in zip(drains, yardsticks, strict=True)]
    print(f"{scenario.name}: {scenario.against}, mails/s: {surroundings.median_and_range(yardsticks)}")
    print(f"  drain with {scenario.connections} connections: {surroundings.median_and_range(drains)}")
    print(f"  CPU s for 1,000 mails, all processes: {surroundings.median_and_range(costs)}")
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


_LIGHT, _SIMULATOR = surroundings.light_sink, surroundings.simulator
_FAR = ("--latency", str(_LATENCY_SECONDS))
SCENARIOS = (
    Scenario("plain relay", _LIGHT, (), 4, _plain_loop, "one smtplib loop", 4),
    Scenario("same connections", _LIGHT, (), 4, _pipelined_clients, "raw pipelined clients with as many", 0.6),
    Scenario("no PIPELINING", _LIGHT, ("--no-pipelining",), 1, _plain_loop, "one smtplib loop", 0.8),
    Scenario("20 ms relay", _SIMULATOR, _FAR, 32, _possible, "connections by round trips", 0.8),
)


def drained(sink: surroundings.Sink, *, mails: int) -> tuple[float, float]:
    """Mails a second and CPU seconds for 1,000, from the first to the last mail: the workers' start does not count."""
    start = sink.arrived()
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
    with (sink.ledger.parent / "worker.log").open("ab") as log:
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
        return _first_to_last(sink, start=start, mails=mails)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def _first_to_last(sink: surroundings.Sink, *, start: int, mails: int) -> tuple[float, float]:
    until = time.perf_counter() + _PATIENCE_SECONDS
    began = _wait_for(sink, start + 1, until=until)
    before = _spent()
    ended = _wait_for(sink, start + mails, until=until)
    return mails / (ended - began), (_spent() - before) / mails * 1000


def _wait_for(sink: surroundings.Sink, mails: int, *, until: float) -> float:
    while (arrived := sink.arrived()) < mails:
        if time.perf_counter() > until:
            raise SystemExit(f"{mails - arrived} mails did not come in {_PATIENCE_SECONDS:g} s.")
        time.sleep(0.005)
    return time.perf_counter()


def _spent() -> float:
    """CPU seconds of the workers, the database, the broker and the sink so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


if __name__ == "__main__":
    main()
