"""`make bench`: what was measured, beside what is to be reached. Only ratios of one run mean anything."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import quickstart, surroundings

PARTS = ("quickstart", "drain", "sms", "claim", "ingest", "broadcast", "pages")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measures the quick start, drains of mails and SMS, claims, intake, broadcasts and pages."
    )
    parser.add_argument("what", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mails", type=int, default=3000, help="mails of one round of the drain")
    parser.add_argument("--targets", type=int, default=100_000, help="whom the broadcast goes to")
    parser.add_argument("--many", type=int, default=1_000_000, help="deliveries of the large tables")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends with us
    rounds = ["--rounds", str(options.rounds)]
    if "quickstart" in options.what:
        with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as var:
            surroundings.enter(Path(var))
            quickstart.measure(Path(var), rounds=options.rounds)
    if "drain" in options.what:
        _run("bench.drain", *rounds, "--mails", str(options.mails))
    if "sms" in options.what:
        _run("bench.sms", *rounds)
    if "claim" in options.what:
        for database in ("postgresql", "sqlite"):
            _run("bench.claim", *rounds, "--many", str(options.many), "--database", database)
    if "ingest" in options.what:
        _run("bench.ingest", *rounds)
    if "broadcast" in options.what:
        for database in ("postgresql", "sqlite"):
            _run("bench.broadcast", *rounds, "--targets", str(options.targets), "--database", database)
    if "pages" in options.what:
        _run("bench.pages", "--many", str(options.many))


def _run(module: str, *arguments: str) -> None:
    """In a process of its own: each loads Django for its own database."""
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=surroundings.ROOT, check=True)


if __name__ == "__main__":
    main()
