"""`make bench`: what was measured, beside what is to be reached. Only ratios of one run mean anything."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import quickstart, surroundings


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the quick start, the drain and the intake of events.")
    parser.add_argument(
        "what", nargs="*", default=["quickstart", "drain", "ingest"], choices=["quickstart", "drain", "ingest"]
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mails", type=int, default=3000, help="mails of one round")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends with us
    if "quickstart" in options.what:
        with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as var:
            surroundings.enter(Path(var))
            quickstart.measure(Path(var), rounds=options.rounds)
    if "drain" in options.what:
        command = [sys.executable, "-m", "bench.drain", "--rounds", str(options.rounds), "--mails", str(options.mails)]
        subprocess.run(command, cwd=surroundings.ROOT, check=True)
    if "ingest" in options.what:
        command = [sys.executable, "-m", "bench.ingest", "--rounds", str(options.rounds)]
        subprocess.run(command, cwd=surroundings.ROOT, check=True)


if __name__ == "__main__":
    main()
