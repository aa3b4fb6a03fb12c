"""`make test`: all tests on SQLite and the embedded broker, and those with a database on PostgreSQL and Redis as well.

Five processes share the work, of which three wait most of the time. What the first prints is shown as it comes, what
the others print after it. TEST_DATABASE_URL and TEST_BROKER_URL name servers to use, one after the other; without them
private ones are started where their binaries are found. What is left out is said at the end; with
XMNOTIFY_REQUIRE_ALL=1 it is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests import private_servers

_ROWS, _PROCESSES = "tests/db", "tests/flow"
_WITH_BROWSER = "tests/browser"
_AT_ONCE = 5
_EMBEDDED_ONLY = ("tests/flow/test_quickstart.py", "tests/flow/test_ledger.py")
_WIRE = "tests/wire"
_NOT_INHERITED = ("DJANGO_SETTINGS_MODULE", "TEST_DATABASE_URL", "TEST_BROKER_URL")
_NO_TEST_RAN = 5
_named_servers = threading.Lock()


@dataclass(frozen=True, slots=True)
class Part:
    """One run of pytest."""

    name: str
    arguments: list[str]
    on_servers: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A part's exit status, None where it was left out, and its seconds."""

    status: int | None
    seconds: float = 0.0


def main() -> int:
    given = sys.argv[1:]
    first, *others = parts(given)
    with tempfile.TemporaryDirectory(prefix="xmnotify-lines-") as folder, ThreadPoolExecutor(_AT_ONCE - 1) as beside:
        kept = [Path(folder) / str(number) for number in range(len(others))]
        runs = [beside.submit(_run_into, lines, part) for part, lines in zip(others, kept, strict=True)]
        try:
            results = {first.name: _run(first)}
            for part, run, lines in zip(others, runs, kept, strict=True):
                results[part.name] = run.result()
                print(f"\n{part.name}\n{lines.read_text(errors='replace')}", flush=True)
        finally:
            beside.shutdown(cancel_futures=True)
    return report(results, narrowed=bool(_options(given)))


def parts(given: list[str]) -> list[Part]:
    """What the paths among pytest's arguments lead to; the options go to each part."""
    options = _options(given)
    paths = [argument for argument in given if argument not in options] or ["tests"]
    if "tests" in paths:
        return [
            Part("SQLite, browser", [_WITH_BROWSER, *options]),
            _on_servers("PostgreSQL, rows", [_ROWS], options),
            Part("SQLite, flow", [_PROCESSES, *_without(_EMBEDDED_ONLY), *options]),
            _on_servers("PostgreSQL, Redis, flow", [_PROCESSES], options),
            Part("SQLite, wire and quick start", [_WIRE, *_EMBEDDED_ONLY, *options]),
            Part("SQLite, all else", ["tests", *_without((_WITH_BROWSER, _PROCESSES, _WIRE)), *options]),
        ]
    stored = [path for path in paths if path.startswith((_ROWS, _PROCESSES)) and not path.startswith(_EMBEDDED_ONLY)]
    embedded = Part("SQLite", [*paths, *options])
    return [embedded, _on_servers("PostgreSQL, Redis", stored, options)] if stored else [embedded]


def _on_servers(name: str, paths: list[str], options: list[str]) -> Part:
    return Part(name, [*paths, *_without(_EMBEDDED_ONLY), *options], on_servers=True)


def _without(paths: Iterable[str]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def _options(given: list[str]) -> list[str]:
    return [argument for argument in given if argument.partition("/")[0] != "tests"]


def _run_into(lines: Path, part: Part) -> Result:
    with lines.open("wb") as output:
        return _run(part, output=output)


def _run(part: Part, *, output: IO[bytes] | None = None) -> Result:
    before = time.monotonic()
    with _servers() if part.on_servers else nullcontext({}) as urls:
        if urls is None:
            return Result(None)
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | urls
        command = [sys.executable, "-m", "pytest", *part.arguments]
        run = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
    return Result(run.returncode, time.monotonic() - before)


@contextmanager
def _servers() -> Iterator[dict[str, str] | None]:
    """Addresses of both servers; None where there is no PostgreSQL."""
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    database_url, broker_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_BROKER_URL")
    if not (database_url or binaries) or not (broker_url or redis):
        yield None
        return
    alone = _named_servers if database_url or broker_url else nullcontext()
    database = nullcontext(database_url) if database_url or not binaries else private_servers.postgres(binaries)
    broker = nullcontext(broker_url) if broker_url or not redis else private_servers.redis(redis)
    with alone, database as first, broker as second:
        yield {"TEST_DATABASE_URL": str(first), "TEST_BROKER_URL": str(second)}


def report(results: dict[str, Result], *, narrowed: bool) -> int:
    """Print how each part ended, and return the exit status of all.

    A part without a test is a failure, unless options narrowed the choice and another part had one.
    """
    ran = any(result.status == 0 for result in results.values())
    failed = False
    print()
    for name, result in results.items():
        print(f"{name}: {_outcome(result)}")
        nothing = result.status == _NO_TEST_RAN and narrowed and ran
        failed |= bool(result.status) and not nothing
    left_out = any(result.status is None for result in results.values())
    if left_out and os.environ.get("XMNOTIFY_REQUIRE_ALL") == "1":
        print("Nothing may be left out here.")
        failed = True
    return int(failed)


def _outcome(result: Result) -> str:
    if result.status is None:
        return "LEFT OUT: each server needs its TEST_..._URL, or its programs on this machine"
    words = {0: "passed", _NO_TEST_RAN: "no test ran"}.get(result.status, f"failed (status {result.status})")
    return f"{words} in {result.seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
