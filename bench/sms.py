"""SMS a second through the whole drain under Celery, against a bare `requests` session in a loop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from bench import drain, surroundings
from tests import private_servers

_TEXT = "Your ${device.model} was reported as jailbroken by ${event.source}. Give it to the help desk within two days."
_LATENCY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Scenario:
    """`latency` is the service's, in seconds; `rate` the gateway's limit a second, 0 for none."""

    name: str
    lanes: int
    latency: float = 0.0
    rate: int = 0
    share: float = 1.0
    to_reach: float = 0.8

    def possible(self, url: str, texts: int) -> tuple[str, float]:
        """What the drain is held against, and its texts a second."""
        if self.rate:
            return "the gateway's rate", float(self.rate)
        if self.latency:
            return "lanes by round trips", self.lanes / self.latency
        return "one bare requests session", _bare_loop(url, texts)


SCENARIOS = (
    Scenario("one lane", 1),
    Scenario("50 ms service, 1 lane", 1, latency=_LATENCY_SECONDS, share=0.1),
    Scenario("50 ms service, 4 lanes", 4, latency=_LATENCY_SECONDS, share=0.4),
    Scenario("50 ms service, 8 lanes", 8, latency=_LATENCY_SECONDS, share=0.8),
    Scenario("30 a second, 8 lanes", 8, latency=_LATENCY_SECONDS, rate=30, share=0.2),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=1500)
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
            latency = ("--latency", str(scenario.latency))
            with surroundings.simulator(ledger, *latency, module="simulators.nexmo") as sink:
                measure(scenario, sink, rounds=options.rounds, texts=int(options.texts * scenario.share))


def measure(scenario: Scenario, sink: surroundings.Sink, *, rounds: int, texts: int) -> None:
    from bench import load  # noqa: PLC0415 - loads Django, whose settings are named by now

    url = f"http://127.0.0.1:{sink.port}"
    load.prepare_sms(url=url, connections=scenario.lanes, rate=scenario.rate, text=_TEXT)
    yardsticks, drains, against = [], [], ""
    for _ in range(rounds):
        against, yardstick = scenario.possible(url, texts)
        yardsticks.append(yardstick)
        load.post(texts, sms=True)
        drains.append(drain.drained(sink, mails=texts)[0])
    ratios = [found / yardstick for found, yardstick in zip(drains, yardsticks, strict=True)]
    print(f"{scenario.name}: {against}, texts/s: {surroundings.median_and_range(yardsticks)}")
    print(f"  drain: {surroundings.median_and_range(drains)}")
    print(f"  ratio: {surroundings.median_and_range(ratios)}; to reach {scenario.to_reach}", flush=True)


def _bare_loop(url: str, texts: int) -> float:
    """The form made anew each time and the answer read, as anybody would write it."""
    with requests.Session() as session:
        before = time.perf_counter()
        for number in range(texts):
            form = {
                "api_key": "demo",
                "api_secret": "demo-secret",
                "to": "447700900123",
                "from": "xmnotify",
                "text": _TEXT,
                "type": "text",
                "client-ref": f"loop {number}",
            }
            assert session.post(f"{url}/sms/json", data=form, timeout=30).json()["messages"][0]["status"] == "0"
        return texts / (time.perf_counter() - before)


if __name__ == "__main__":
    main()
