"""Every broken set-up of a push service that Test Configuration names, as a peer on loopback.

`python -m tests.wire.broken_push_setups` tests each one and prints the table of docs/push-test-configuration.md.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from simulators.faults import Drop, Fault, Page, PushStep, Reply
from simulators.nexmo import NexmoSimulator
from tests.wire import push
from tests.wire.broken_setups import filtered, nothing
from tests.wire.certificates import Authority
from transports.net.guard import HTTP_POLICY
from transports.push import testing
from transports.push.config import ApnsConfig
from transports.stages import Stage
from transports.types import Recipient

PATIENCE, NEVER = timedelta(seconds=2), timedelta(seconds=120)
"""Until a time-out: of a set-up that leads to one, and of all others, which do not wait for it."""
IPHONE, ANDROID = push.iphone(1), push.android(1)
LEGACY_KEY = "AAAA1234567:APA91b" + "x" * 134


@dataclass(frozen=True)
class Setup:
    """`account` and `faults` are the service's, `tls` its certificate, `clock` its seconds ahead, `fields` ours."""

    service: str
    name: str
    stage: str
    code: str
    account: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    to: Recipient = IPHONE
    tls: dict[str, Any] = field(default_factory=dict)
    trusted: bool = True
    clock: float = 0.0
    client: dict[str, Any] | None = None
    peer: Any = None
    public_only: bool = False
    host: str = ""


@dataclass(frozen=True)
class Seen:
    stage: Stage
    seconds: float
    pushes: int


def see(setup: Setup, *, authority: Authority) -> Seen:
    run = _see_apns if setup.service == "APNs" else _see_fcm
    policy = HTTP_POLICY if setup.public_only else push.LOOPBACK
    with run(setup, authority) as (stages, pushes):
        began = time.perf_counter()
        *_, last = stages(message=push.message(), to=setup.to, policy=policy)
        return Seen(last, time.perf_counter() - began, pushes())


@contextmanager
def _see_apns(setup: Setup, authority: Authority) -> Iterator[tuple[Callable[..., Iterator[Stage]], Any]]:
    def stages(port: int) -> Callable[..., Iterator[Stage]]:
        config = push.apns_config(port, authority=authority, **_fields(setup, authority))
        return lambda **rest: testing.run_apns(_elsewhere(config, setup), **rest)

    if setup.peer:
        with setup.peer(authority) as (port, _):
            yield stages(port), lambda: 0
        return
    account = push.apns_account(**setup.account)
    with push.apns(_tls(setup, authority), account=account, clock=setup.clock) as simulator:
        simulator.faults.order(*setup.faults)
        yield stages(simulator.port), lambda: simulator.tray.count


@contextmanager
def _see_fcm(setup: Setup, authority: Authority) -> Iterator[tuple[Callable[..., Iterator[Stage]], Any]]:
    account = push.fcm_account(**setup.account)
    with push.fcm(authority.server(), account=account, clock=setup.clock) as simulator:
        simulator.faults.order(*setup.faults)
        config = push.fcm_config(simulator, authority=authority, **_fields(setup, authority))
        yield lambda **rest: testing.run_fcm(config, **rest), lambda: simulator.tray.count


def _fields(setup: Setup, authority: Authority) -> dict[str, Any]:
    found: dict[str, Any] = {"timeout": PATIENCE if setup.code.endswith("timeout") else NEVER}
    if not setup.trusted:
        found["ca_bundle"] = ""
    if setup.client is not None:
        found |= {"key": None, "certificate": authority.client("hub", **setup.client)}
    return found | setup.fields


def _elsewhere(config: ApnsConfig, setup: Setup) -> ApnsConfig:
    return replace(config, base_url=f"https://{setup.host}") if setup.host else config


def _tls(setup: Setup, authority: Authority) -> ssl.SSLContext:
    context = authority.server(**setup.tls)
    if setup.client is not None:
        context.load_verify_locations(cadata=authority.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def _http1(authority: Authority) -> Iterator[tuple[int, None]]:
    with NexmoSimulator(tls=authority.server()) as server:
        yield server.port, None


@contextmanager
def _plain_text(authority: Authority) -> Iterator[tuple[int, None]]:
    with NexmoSimulator() as server:
        yield server.port, None


def _take(action: Any) -> tuple[Fault, ...]:
    return (Fault(PushStep.TAKE, action),)


def _endpoint(action: Any) -> tuple[Fault, ...]:
    return (Fault(PushStep.TOKEN, action),)


def _apns(name: str, stage: str, code: str, **more: Any) -> Setup:
    return Setup("APNs", name, stage, code, **more)


def _fcm(name: str, stage: str, code: str, **more: Any) -> Setup:
    return Setup("FCM", name, stage, code, **{"to": ANDROID} | more)


SETUPS = (
    _apns("name does not resolve", "resolve", "name_not_resolved", peer=nothing, host="push.nowhere.invalid"),
    _apns("address not allowed", "resolve", "address_not_allowed", public_only=True),
    _apns("port closed", "connect", "connection_refused", peer=nothing),
    _apns("port filtered", "connect", "connect_timeout", peer=filtered),
    _apns("authority missing here", "tls", "certificate_invalid", trusted=False),
    _apns("a proxy with its own certificate", "tls", "certificate_invalid", tls={"self_signed": True}, trusted=False),
    _apns("a proxy with another name", "tls", "certificate_invalid", tls={"name": "proxy.example"}),
    _apns("a proxy without TLS", "tls", "tls_failed", peer=_plain_text),
    _apns("HTTP/1.1 only", "http2", "protocol_error", peer=_http1),
    _apns("certificate of ours expired", "http2", "credentials_refused", client={"days": -1}),
    _apns("certificate of ours unknown", "key", "credentials_refused", client={}),
    _apns("not the key file", "key", "configuration", fields={"key": push.signing_key(pem="a key")}),
    _apns("key ID wrong or key revoked", "key", "credentials_refused", fields={"key": push.signing_key(key_id="X")}),
    _apns("team ID wrong", "key", "credentials_refused", fields={"key": push.signing_key(team_id="X")}),
    _apns("key of the other environment", "key", "configuration", account={"key": {"environment": "sandbox"}}),
    _apns("clock wrong", "key", "configuration", clock=7200),
    _apns("a log-in page answers", "key", "protocol_error", faults=_take(Page())),
    _apns("service down", "key", "service_unavailable", faults=_take(Reply(503, "ServiceUnavailable"))),
    _apns("connection dropped", "key", "disconnected", faults=_take(Drop())),
    _apns("key for other topics", "topic", "configuration", account={"key": {"topics": ("com.example.other",)}}),
    _apns("wrong topic", "topic", "token_refused", account={"others": frozenset({IPHONE.address})}),
    _apns("device of the other environment", "topic", "token_refused", account={"strangers": {IPHONE.address}}),
    _apns("device gone", "topic", "token_dead", account={"dead": {IPHONE.address: 1_760_000_000_000}}),
    _apns("a reason that nobody knows", "topic", "permanent", faults=_take(Reply(400, "MoonInWrongPhase"))),
    _fcm("server key pasted", "key_file", "configuration", fields={"key_file": LEGACY_KEY}),
    _fcm("not the key file", "key_file", "configuration", fields={"key_file": '{"project_info": {}}'}),
    _fcm("clock wrong", "token", "credentials_refused", clock=7200),
    _fcm("key deleted", "token", "credentials_refused", account={"client_email": "gone@demo-project.example"}),
    _fcm("a log-in page gives out tokens", "token", "auth_temporary", faults=_endpoint(Page())),
    _fcm("token endpoint down", "token", "auth_temporary", faults=_endpoint(Reply(503, "down"))),
    _fcm("interface switched off", "validate_only", "configuration", account={"enabled": False}),
    _fcm("account of another project", "validate_only", "token_refused", account={"others": {ANDROID.address}}),
    _fcm("account may not send", "validate_only", "configuration", faults=_take(Reply(403, "PERMISSION_DENIED"))),
    _fcm("no such project", "validate_only", "configuration", faults=_take(Reply(404, "NOT_FOUND"))),
    _fcm("a proxy answers", "validate_only", "protocol_error", faults=_take(Page())),
    _fcm("quota used up", "validate_only", "throttled", faults=_take(Reply(429, "QUOTA_EXCEEDED"))),
    _fcm("device gone", "validate_only", "token_dead", account={"dead": {ANDROID.address}}),
)


def main() -> None:
    print("| service | set-up | stage | cause | hint | time |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        for setup in SETUPS:
            seen = see(setup, authority=authority)
            print(f"{row(setup, seen.stage)} {seen.seconds:.3f} s |", flush=True)


def row(setup: Setup, stage: Stage) -> str:
    return f"| {setup.service} | {setup.name} | {stage.name} | {stage.cause} | {stage.hint} |"


if __name__ == "__main__":
    main()
