"""`make test`: all tests on SQLite and the embedded broker, then those with a database on PostgreSQL and Redis.

TEST_DATABASE_URL and TEST_BROKER_URL name servers to use; without them private ones are started where their binaries
are found. What is left out is said at the end; with XMNOTIFY_REQUIRE_ALL=1 it is a failure.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests import private_servers

_WITH_DATABASE = ("tests/db", "tests/flow")
_EMBEDDED_ONLY = "tests/flow/test_quickstart.py"


def main() -> int:
    chosen = sys.argv[1:] or ["tests"]
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="xmnotify-test-") as var:
        base = _environment(Path(var))
        results = {"SQLite, embedded broker": _pytest(chosen, environment=base)}
        for_servers = _with_database(chosen)
        if for_servers:
            with _servers() as urls:
                if urls:
                    results["PostgreSQL, Redis"] = _pytest(for_servers, environment=base | urls)
                else:
                    left_out.append(
                        "PostgreSQL and Redis: each needs its TEST_..._URL, or its programs on this machine"
                    )
    return _report(results, left_out=left_out)


def _environment(var: Path) -> dict[str, str]:
    """Ours alone: nothing of an installation on this machine reaches the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XMNOTIFY_")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("XMNOTIFY_REQUIRE_")}
    kept.pop("DATABASE_URL", None)
    return kept | {
        "XMNOTIFY_VAR": str(var),
        "XMNOTIFY_SECRET_KEY": base64.urlsafe_b64encode(os.urandom(48)).decode(),
        "XMNOTIFY_FERNET_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }


def _with_database(chosen: list[str]) -> list[str]:
    found = [path for path in chosen if path.startswith(_WITH_DATABASE) and not path.startswith(_EMBEDDED_ONLY)]
    paths = list(_WITH_DATABASE) if "tests" in chosen else found
    return [*paths, f"--ignore={_EMBEDDED_ONLY}"] if paths else []


@contextmanager
def _servers() -> Iterator[dict[str, str] | None]:
    """Addresses of both servers; None where there is no PostgreSQL."""
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    database_url, broker_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_BROKER_URL")
    if not (database_url or binaries) or not (broker_url or redis):
        yield None
        return
    database = nullcontext(database_url) if database_url or not binaries else private_servers.postgres(binaries)
    broker = nullcontext(broker_url) if broker_url or not redis else private_servers.redis(redis)
    with database as first, broker as second:
        yield {"DATABASE_URL": str(first), "XMNOTIFY_BROKER_URL": str(second)}


def _pytest(arguments: list[str], *, environment: dict[str, str]) -> tuple[int, float]:
    """Exit status (5: no test ran) and seconds."""
    before = time.monotonic()
    status = subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment, check=False).returncode
    return status, time.monotonic() - before


def _report(results: dict[str, tuple[int, float]], *, left_out: list[str]) -> int:
    print()
    for name, (status, seconds) in results.items():
        outcome = {0: "passed", 5: "failed: no test ran"}.get(status, f"failed (status {status})")
        print(f"{name}: {outcome} in {seconds:.0f} s")
    for line in left_out:
        print(f"LEFT OUT  {line}")
    refused = bool(left_out) and os.environ.get("XMNOTIFY_REQUIRE_ALL") == "1"
    if refused:
        print("Nothing may be left out here.")
    return int(refused or any(status for status, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
