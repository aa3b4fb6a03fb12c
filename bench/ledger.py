"""What a peer's own ledger says after faults: lost, doubled, the longest stillness. `python -m bench.ledger`

Workers, database and peer are real processes. While the mails go out PostgreSQL is restarted (fast and immediate) or
dies and its standby takes over, workers are killed, or another program holds SQLite's write lock, at random moments
that the seed decides; a broadcast is paused too, while its server's limits change. Nothing may be lost, and a fault may
double one message a connection; with *hold for a person* it may hold as many, and double none. The figures are right on
a busy machine too, but for the stillness. Waits between tries are cut short at the end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench import failover, surroundings
from simulators.mailbox import read_ledger
from tests import private_servers

if TYPE_CHECKING:
    from bench.ledger_rows import Rows

_TEXT = "Dear ${user.displayname}, your ${device.model} is jailbroken.\n"
_CONNECTIONS = 4
_WORKERS = 2
_LATENCY = "0.004"  # seconds before each of the peer's answers, so that mails are on their way when a fault comes
_PATIENCE = 240.0  # seconds without a mail after which the run has failed
_LONG_LOCK, _SHORT_LOCKS = 70.0, (22.0, 30.0)  # seconds: longer than a statement waits


@dataclass(slots=True)
class Run:
    """One way of failing. `fault` does it once; it gets the number of the fault."""

    name: str
    faults: int
    mails: int
    seed: int
    fault: Callable[[World, int], None]
    hold: bool = False
    broadcast: bool = False


@dataclass(slots=True)
class World:
    """The processes of a run."""

    chance: random.Random
    var: Path
    sink: surroundings.Sink
    postgres: private_servers.Postgres | failover.Pair | None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, queue: str, *options: str) -> None:
        name = f"{queue}{len(self.workers)}-{time.monotonic_ns()}@ledger"
        command = [sys.executable, "-m", "celery", "-A", "xmnotify", "worker", "-Q", queue, "-n", name, *options]
        command += ["-l", "WARNING", "--without-gossip", "--without-mingle"]
        with (self.var / "workers.log").open("ab") as log:
            self.workers.append(subprocess.Popen(command, cwd=surroundings.ROOT, stdout=log, stderr=log))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", type=partial(surroundings.one_of, tuple(_RUNS)), help=", ".join(_RUNS))
    parser.add_argument("--mails", type=int, default=10_000, help="of a broadcast ten times as many")
    parser.add_argument("--faults", type=int, help="instead of ten restarts or kills, five failovers or locks")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--lock", type=float, help="seconds of each lock")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = options.what or [*_RUNS]
    if len(names) == 1:
        return _run(names[0], options)
    each = ["--mails", str(options.mails), "--seed", str(options.seed)]
    return max(subprocess.call([sys.executable, "-m", "bench.ledger", name, *each]) for name in names)


def _run(name: str, options: argparse.Namespace) -> int:
    """In a process of its own: each loads Django for its own database."""
    on_postgresql, faults, fault, hold = _RUNS[name]
    broadcast = name == "broadcast"
    mails = options.mails * (10 if broadcast else 1)
    run = Run(name, options.faults or faults, mails, options.seed, fault(options), hold=hold, broadcast=broadcast)
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-ledger-")))
        surroundings.enter(var)
        binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
        if redis is None or (on_postgresql and binaries is None):
            raise SystemExit("There is no Redis, Valkey or PostgreSQL on this machine.")
        os.environ["XMNOTIFY_BROKER_URL"] = stack.enter_context(private_servers.redis(redis))
        postgres: private_servers.Postgres | failover.Pair | None = None
        if on_postgresql and binaries is not None:
            if name == "failovers":
                postgres = stack.enter_context(failover.pair(binaries))
            else:
                postgres = stack.enter_context(private_servers.restartable_postgres(binaries))
            os.environ["DATABASE_URL"] = postgres.url
        sink = stack.enter_context(surroundings.simulator(var / "ledger", "--latency", _LATENCY))
        return _measure(run, World(random.Random(options.seed), var, sink, postgres))


def _measure(run: Run, world: World) -> int:
    from bench import load  # noqa: PLC0415 - loads Django, whose settings are named by now
    from bench.ledger_rows import Rows  # noqa: PLC0415

    if run.broadcast:
        load.prepare_broadcast(run.mails, smtp_port=world.sink.port, connections=_CONNECTIONS)
    else:
        load.prepare(smtp_port=world.sink.port, connections=_CONNECTIONS, text=_TEXT)
        if run.hold:
            Rows.hold_unknown()
        load.post(run.mails)
    rows = Rows()
    with _workers(world), _watched(world.sink) as stillness, _weighed(world) as memory:
        for number, moment in enumerate(_moments(run, world.chance)):
            _wait(world, partial(_has_arrived, world.sink, moment))
            run.fault(world, number)
        _wait(world, rows.all_final)
    if run.broadcast:
        print(f"the page: {load.broadcast_page()}; memory, MB: {memory()}", flush=True)
    return _report(run, Counter(_ids(world)), rows, max(stillness))


def _has_arrived(sink: surroundings.Sink, mails: int) -> bool:
    return sink.arrived() >= mails


def _moments(run: Run, chance: random.Random) -> list[int]:
    """After how many mails each fault comes: one in each stretch of the way, none in its last part."""
    stretch = run.mails // (run.faults + 1)
    return [number * stretch + chance.randrange(stretch // 10, stretch) for number in range(run.faults)]


@contextmanager
def _workers(world: World) -> Iterator[None]:
    for _ in range(_WORKERS):
        world.start("drain", "-P", "threads")
    world.start("control", "-P", "solo")
    try:
        yield
    finally:
        for worker in world.workers:
            worker.terminate()
        for worker in world.workers:
            worker.wait()


@contextmanager
def _watched(sink: surroundings.Sink) -> Iterator[list[float]]:
    """The seconds between mails that came after each other, up to the last but for those of later tries."""
    gaps, ended = [0.0], threading.Event()
    ledger = sink.ledger

    def watch() -> None:
        size, since = 0, time.monotonic()
        while not ended.wait(0.01):
            now_size = ledger.stat().st_size
            if now_size != size:
                if size:
                    gaps.append(time.monotonic() - since)
                size, since = now_size, time.monotonic()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield gaps
    finally:
        ended.set()
        watcher.join()


@contextmanager
def _weighed(world: World) -> Iterator[Callable[[], str]]:
    """What the processes that send and the one that sweeps held at a tenth of the way, and the most after it."""
    seen: list[tuple[int, float, float]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            held = [_megabytes(worker) for worker in world.workers]
            seen.append((world.sink.arrived(), max(held[:_WORKERS]), held[_WORKERS]))

    def summary() -> str:
        later = [each for each in seen if each[0] > seen[-1][0] / 10]
        rows = (("sending", [each[1] for each in later]), ("control", [each[2] for each in later]))
        return ", ".join(f"{name} {held[0]:.0f}, at most {max(held):.0f}" for name, held in rows)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield summary
    finally:
        ended.set()
        watcher.join()


def _megabytes(worker: subprocess.Popen[bytes]) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(worker.pid).memory_info().rss) / 1e6
    return 0.0


def _wait(world: World, holds: Callable[[], bool]) -> None:
    arrived, until = -1, 0.0
    while not holds():
        if world.sink.arrived() != arrived:
            arrived, until = world.sink.arrived(), time.monotonic() + _PATIENCE
        if time.monotonic() > until:
            print((world.var / "workers.log").read_text(errors="replace")[-5000:])
            raise SystemExit(f"Nothing came for {_PATIENCE:g} s; {arrived} are there.")
        time.sleep(0.05)


def _ids(world: World) -> Iterator[str]:
    for message_id, _ in read_ledger(world.sink.ledger):
        yield message_id.strip("<").partition("@")[0]


def _report(run: Run, arrived: Counter[str], rows: Rows, stillness: float) -> int:
    accepted, held = rows.accepted(), rows.held()
    lost = accepted - set(arrived) - held
    doubled = sum(times - 1 for times in arrived.values())
    most = run.faults * _CONNECTIONS
    print(
        f"{run.name}: seed {run.seed}, {run.faults} faults while {len(accepted):,} mails went out over {_CONNECTIONS} "
        f"connections: lost {len(lost)}, doubled {doubled} (at most {0 if run.hold else most})"
        + (f", held {len(held)} (at most {most}), {len(held & set(arrived))} of them arrived" if run.hold else "")
        + f", longest stillness {stillness:.1f} s",
        flush=True,
    )
    bad = lost or set(arrived) - accepted or doubled > (0 if run.hold else most) or len(held) > most
    return int(bool(bad))


def _restart(_options: argparse.Namespace) -> Callable[[World, int], None]:
    def fault(world: World, number: int) -> None:
        assert isinstance(world.postgres, private_servers.Postgres)
        world.postgres.restart(immediate=number % 2 == 1)

    return fault


def _fail_over(_options: argparse.Namespace) -> Callable[[World, int], None]:
    def fault(world: World, _number: int) -> None:
        assert isinstance(world.postgres, failover.Pair)
        world.postgres.fail_over()

    return fault


def _kill(_options: argparse.Namespace) -> Callable[[World, int], None]:
    def fault(world: World, _number: int) -> None:
        place = world.chance.randrange(_WORKERS)
        world.workers[place].kill()
        world.workers[place].wait()
        world.start("drain", "-P", "threads")
        world.workers[place] = world.workers.pop()

    return fault


def _kill_and_pause(options: argparse.Namespace) -> Callable[[World, int], None]:
    kill = _kill(options)

    def fault(world: World, number: int) -> None:
        from bench import load  # noqa: PLC0415 - loads Django

        kill(world, number)
        if number % 4 == 3:
            load.pause_broadcast(connections=_CONNECTIONS - number % 3)

    return fault


def _lock(options: argparse.Namespace) -> Callable[[World, int], None]:
    def fault(world: World, number: int) -> None:
        seconds = options.lock or (_LONG_LOCK if not number else world.chance.uniform(*_SHORT_LOCKS))
        other = sqlite3.connect(world.var / "xmnotify.sqlite3", timeout=60, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
        other.close()

    return fault


_RUNS: dict[str, tuple[bool, int, Callable[[argparse.Namespace], Callable[[World, int], None]], bool]] = {
    "restarts": (True, 10, _restart, False),
    "failovers": (True, 5, _fail_over, False),
    "kills": (True, 10, _kill, False),
    "broadcast": (True, 20, _kill_and_pause, False),
    "kills-held": (False, 10, _kill, True),
    "locks": (False, 5, _lock, False),
}
"""By name: whether on PostgreSQL, how many faults, which, and whether what is unknown waits for a person."""


if __name__ == "__main__":
    sys.exit(main())
