"""`make bench`: what was measured, beside what is to be reached. Only ratios of one run mean anything."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench import quickstart, surroundings

PARTS = ("quickstart", "drain", "sms", "push", "claim", "ingest", "broadcast", "pages")
_BOTH = (("--database", "postgresql"), ("--database", "sqlite"))
_DATABASES: dict[str, tuple[tuple[str, ...], ...]] = {"drain": _BOTH, "claim": _BOTH, "broadcast": _BOTH}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measures the quick start, drains of mails and SMS, pushes, claims, intake, broadcasts and pages."
    )
    parser.add_argument("what", nargs="*", default=PARTS, type=partial(surroundings.one_of, PARTS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mails", type=int, default=12_000, help="mails of one round of the drain")
    parser.add_argument("--targets", type=int, default=100_000, help="whom the broadcast goes to")
    parser.add_argument("--many", type=int, default=1_000_000, help="deliveries of the large tables")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends with us
    rounds = ["--rounds", str(options.rounds)]
    if "quickstart" in options.what:
        with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as var:
            surroundings.enter(Path(var))
            quickstart.measure(Path(var), rounds=options.rounds)
    runs = {
        "drain": (*rounds, "--mails", str(options.mails)),
        "sms": tuple(rounds),
        "push": tuple(rounds),
        "claim": (*rounds, "--many", str(options.many)),
        "ingest": tuple(rounds),
        "broadcast": (*rounds, "--targets", str(options.targets)),
        "pages": ("--many", str(options.many)),
    }
    for part, arguments in runs.items():
        if part in options.what:
            for database in _DATABASES.get(part, ((),)):
                _run(f"bench.{part}", *arguments, *database)


def _run(module: str, *arguments: str) -> None:
    """In a process of its own: each loads Django for its own database."""
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=surroundings.ROOT, check=True)


if __name__ == "__main__":
    main()
