"""Events taken over HTTP, alone and in batches, against a view that does nothing and against ninja with the ORM."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import BinaryIO

from bench import surroundings
from bench.surroundings import free_port, median_and_range
from tests import private_servers

_CONNECTIONS = 8
_BATCH = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how fast events are taken in.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement")
    options = parser.parse_args()
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as var:
        surroundings.enter(Path(var))
        if redis is None:
            sys.exit("A redis-server or valkey-server is needed.")
        with private_servers.redis(redis) as broker:
            os.environ["XMNOTIFY_BROKER_URL"] = broker
            _measure("SQLite", rounds=options.rounds, seconds=options.seconds)
            if binaries is None:
                print("PostgreSQL: left out, there is no initdb on this machine")
                return
            with private_servers.postgres(binaries) as url:
                os.environ["DATABASE_URL"] = url
                _measure("PostgreSQL", rounds=options.rounds, seconds=options.seconds)


def _measure(database: str, *, rounds: int, seconds: float) -> None:
    prepared = subprocess.run(
        [sys.executable, "-m", "bench.ingest_world"],
        cwd=surroundings.ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    key, *serials = prepared.stdout.split()
    events = [
        {"type": "device.jailbroken", "source": "bench", "device": {"serial": serial}, "data": {"app": "Words"}}
        for serial in islice(cycle(serials), _BATCH)
    ]
    with _server() as port:
        requests = {
            "nothing": _request("/api/v1/nothing", events[0], key=key, port=port),
            "ninja": _request("/api/v1/ninja/events", events[0], key=key, port=port),
            "events": _request("/api/v1/events", events[0], key=key, port=port),
            "batch": _request("/api/v1/events/batch", {"events": events}, key=key, port=port),
        }
        for request in requests.values():
            _rate(request, port=port, seconds=0.3)
        found = []
        for number in range(rounds):
            found.append({name: _rate(request, port=port, seconds=seconds) for name, request in requests.items()})
            rates = ", ".join(f"{name} {rate:,.1f}" for name, rate in found[-1].items())
            print(f"{database}, round {number + 1} of {rounds}, requests/s: {rates}", file=sys.stderr, flush=True)
    rows = (
        ("a view that does nothing, requests/s", [each["nothing"] for each in found], ""),
        ("POST /events, requests/s", [each["events"] for each in found], ""),
        ("... against a view that does nothing", [each["events"] / each["nothing"] for each in found], "0.15"),
        ("... against ninja and the ORM alone", [each["events"] / each["ninja"] for each in found], "2"),
        ("batch of 1,000, events/s", [each["batch"] * _BATCH for each in found], ""),
        ("... against do-nothing requests/s", [each["batch"] * _BATCH / each["nothing"] for each in found], "6"),
    )
    for name, values, wanted in rows:
        print(f"{database:<11} {name:<37} {median_and_range(values):<32} {wanted and f'at least {wanted}'}", flush=True)


@contextmanager
def _server() -> Iterator[int]:
    """The web server as the quick start runs it."""
    port = free_port()
    serve = f"from xmnotify.quickstart import web; web.serve(host='127.0.0.1', port={port})"
    command = [sys.executable, "-c", serve]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "bench.ingest_settings", "XMNOTIFY_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(command, cwd=surroundings.ROOT, env=environment) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("granian does not listen")


def _request(path: str, body: object, *, key: str, port: int) -> bytes:
    raw = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def _rate(request: bytes, *, port: int, seconds: float) -> float:
    """Answers a second over several connections kept open; raises RuntimeError for an answer that is no success."""
    counts = [0] * _CONNECTIONS
    begun = time.monotonic()
    failures: list[bytes] = []

    def ask(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as answers:
            while time.monotonic() - begun < seconds:
                line.sendall(request)
                status = _read(answers)
                if not status.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
                    failures.append(status)
                    return
                counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0].decode())
    return sum(counts) / (time.monotonic() - begun)


def _read(answers: BinaryIO) -> bytes:
    """The status line of one answer, read to its end."""
    status, length = answers.readline(), 0
    while (line := answers.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line[15:])
    answers.read(length)
    return status


if __name__ == "__main__":
    main()
