"""Every broken set-up of an SMS gateway that Test Configuration names, as a peer on loopback.

`python -m tests.wire.broken_sms_setups` tests each one and prints the table of docs/sms-test-configuration.md.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from simulators.faults import Delay, Drop, Fault, Hang, Page, Reply, SmsStep
from simulators.nexmo import NexmoSimulator
from simulators.nexmo_account import Account
from tests.wire.broken_setups import filtered, nothing
from tests.wire.certificates import Authority
from tests.wire.nexmo import BOSTON, LONDON, LOOPBACK, config, message
from transports.net.guard import HTTP_POLICY
from transports.nexmo import testing
from transports.nexmo.config import Signer
from transports.stages import Stage
from transports.types import Recipient

PATIENCE, NEVER = timedelta(seconds=2), timedelta(seconds=120)
"""Until a time-out: of a set-up that leads to one, and of all others, which do not wait for it."""
SIGNER = Signer("a signature secret")
SIGNED = {"signature_secret": "a signature secret"}
OWNED = {"virtual_number": "12015550123"}


@dataclass(frozen=True)
class Setup:
    """`account` and `faults` are the service's, `tls` its certificate, `fields` the gateway's settings."""

    name: str
    stage: str
    code: str
    account: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    to: Recipient = LONDON
    tls: dict[str, Any] | None = None
    trusted: bool = True
    peer: Any = None
    public_only: bool = False
    scheme: str = "http"
    host: str = ""


@dataclass(frozen=True)
class Seen:
    stage: Stage
    seconds: float
    submissions: int


def see(setup: Setup, *, authority: Authority) -> Seen:
    with _service(setup, authority) as (url, nexmo):
        bundle = authority.pem if setup.tls is not None and setup.trusted else ""
        patience = PATIENCE if setup.code.endswith("timeout") else NEVER
        settings = config(url, timeout=patience, ca_bundle=bundle, **setup.fields)
        policy = HTTP_POLICY if setup.public_only else LOOPBACK
        began = time.perf_counter()
        *_, last = testing.run(settings, message=message(), to=setup.to, policy=policy)
        submissions = nexmo.requests.count("/sms/json") if nexmo else 0
        return Seen(last, time.perf_counter() - began, submissions)


@contextmanager
def _service(setup: Setup, authority: Authority) -> Iterator[tuple[str, NexmoSimulator | None]]:
    if setup.peer:
        with setup.peer(authority) as (port, _):
            yield f"{setup.scheme}://{setup.host or f'127.0.0.1:{port}'}", None
        return
    tls = authority.server(**setup.tls) if setup.tls is not None else None
    with NexmoSimulator(account=Account(**setup.account), tls=tls) as nexmo:
        nexmo.faults.order(*setup.faults)
        yield nexmo.url, nexmo


def _take(action: Any) -> tuple[Fault, ...]:
    return (Fault(SmsStep.TAKE, action),)


def _account_page(action: Any) -> tuple[Fault, ...]:
    return (Fault(SmsStep.ACCOUNT, action),)


@contextmanager
def _plain_text(authority: Authority) -> Iterator[tuple[int, None]]:
    """HTTPS to a port that speaks HTTP."""
    with NexmoSimulator() as nexmo:
        yield nexmo.port, None


SETUPS = (
    Setup("name does not resolve", "resolve", "name_not_resolved", peer=nothing, host="rest.nowhere.invalid"),
    Setup("address not allowed", "resolve", "address_not_allowed", public_only=True),
    Setup("port closed", "connect", "connection_refused", peer=nothing),
    Setup("port filtered", "connect", "connect_timeout", peer=filtered),
    Setup("certificate expired", "tls", "certificate_invalid", tls={"days": -1}),
    Setup("certificate for another name", "tls", "certificate_invalid", tls={"name": "other.example"}),
    Setup("certificate of an unknown authority", "tls", "certificate_invalid", tls={}, trusted=False),
    Setup("HTTPS to a plain port", "tls", "tls_failed", peer=_plain_text, scheme="https"),
    Setup("wrong key", "credentials", "credentials_refused", {"key": "another"}),
    Setup("wrong secret", "credentials", "credentials_refused", {"secret": "another"}),
    Setup("redirected", "credentials", "configuration", faults=_account_page(Reply(301, "https://elsewhere.example/"))),
    Setup("a log-in page answers", "credentials", "protocol_error", faults=_account_page(Page())),
    Setup("a firewall refuses", "credentials", "policy", faults=_account_page(Reply(403))),
    Setup("service down", "credentials", "service_unavailable", faults=_account_page(Reply(503))),
    Setup("no answer", "credentials", "timeout", faults=_account_page(Hang())),
    Setup("number not owned", "number", "virtual_number_not_owned", {"numbers": ("12015550999",)}, fields=OWNED),
    Setup("number without SMS", "number", "virtual_number_not_owned", {"features": ("VOICE",)}, fields=OWNED),
    Setup("+1 without a virtual number", "number", "virtual_number_missing", to=BOSTON),
    Setup(
        "another web server answers",
        "accepted",
        "configuration",
        faults=(*_account_page(Reply(404)), *_take(Reply(404))),
    ),
    Setup("trial account", "accepted", "demo_account", {"test_numbers": frozenset()}),
    Setup("no credit", "accepted", "out_of_credit", {"balance": 0.0}),
    Setup("account suspended", "accepted", "account_suspended", {"suspended": True}),
    Setup("not enabled for the interface", "accepted", "configuration", {"http_enabled": False}),
    Setup("recipient barred", "accepted", "number_barred", {"barred": frozenset({"447700900123"})}),
    Setup("wrong signature secret", "accepted", "signature_refused", SIGNED, fields={"signer": Signer("another")}),
    Setup(
        "clock wrong, so the signature is",
        "accepted",
        "signature_refused",
        SIGNED | {"clock": 900},
        fields={"signer": SIGNER},
    ),
    Setup("sender not allowed", "accepted", "sender_refused", faults=_take(Reply(15))),
    Setup("throttled", "accepted", "throttled", faults=_take(Reply(1))),
    Setup("connection dropped", "accepted", "disconnected", faults=_take(Drop())),
    Setup("no answer to the message", "accepted", "timeout", faults=_take(Delay(4.0))),
)


def main() -> None:
    print("| set-up | stage | cause | hint | time |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        for setup in SETUPS:
            seen = see(setup, authority=authority)
            took = f"{seen.seconds:.3f} s"
            print(f"| {setup.name} | {seen.stage.name} | {seen.stage.cause} | {seen.stage.hint} | {took} |", flush=True)


if __name__ == "__main__":
    main()
