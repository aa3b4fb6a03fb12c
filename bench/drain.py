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
from contextlib import ExitStack
from pathlib import Path

from bench import surroundings
from tests import private_servers

_WORKERS = 2
_PATIENCE_SECONDS = 300.0
_TEXT = (
    "Hello ${user.displayname},\n\nyour ${device.model} was reported as jailbroken by ${event.source}. "
    "Give it to the help desk\nor reset it within two days; after that it loses access to mail.\n\n"
    "Your administrators\n"
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
        ledger = var / "ledger"
        port = stack.enter_context(surroundings.sink(ledger))
        measure(
            ledger,
            port=port,
            rounds=options.rounds,
            mails=options.mails,
            database="PostgreSQL" if binaries else "SQLite",
        )


def measure(ledger: Path, *, port: int, rounds: int, mails: int, database: str) -> None:
    from bench import load  # noqa: PLC0415 - loads Django, whose settings are named by now

    load.prepare(smtp_port=port, text=_TEXT)
    loops, drains = [], []
    for _ in range(rounds):
        loops.append(_plain_loop(port, mails=mails))
        load.post(mails)
        drains.append(_drain(ledger, mails=mails))
    ratios = [drain / loop for drain, loop in zip(drains, loops, strict=True)]
    print(f"plain smtplib loop, mails/s: {surroundings.median_and_range(loops)}")
    print(f"drain on {database}, {_WORKERS} workers, mails/s: {surroundings.median_and_range(drains)}")
    print(f"drain against loop: {surroundings.median_and_range(ratios)}; to reach 4")


def _plain_loop(port: int, *, mails: int) -> float:
    payload = (
        b"From: xmnotify demo <xmnotify@example.com>\r\nTo: a@example.com\r\nSubject: A device is jailbroken\r\n"
        b"Message-ID: <loop@example.com>\r\nMIME-Version: 1.0\r\n\r\n" + _TEXT.replace("\n", "\r\n").encode()
    )
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench") as connection:
        before = time.perf_counter()
        for _ in range(mails):
            connection.sendmail("xmnotify@example.com", ["a@example.com"], payload)
        return mails / (time.perf_counter() - before)


def _drain(ledger: Path, *, mails: int) -> float:
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
