"""What becomes of pushes in flight when their connection ends, falls silent or was dead before they began."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from simulators.apns import ApnsSimulator
from simulators.faults import Drop, Fault, GoAway, Hang, Ignore, PushStep, Refuse, Reply
from simulators.fcm import FcmSimulator
from tests.wire import push
from tests.wire.certificates import Authority
from transports.net import http2
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent, Unknown, Wire

LONG = timedelta(minutes=10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def apns(authority: Authority) -> Iterator[ApnsSimulator]:
    with push.apns(authority.server()) as simulator:
        yield simulator


@pytest.fixture
def fcm(authority: Authority) -> Iterator[FcmSimulator]:
    with push.fcm(authority.server()) as simulator:
        yield simulator


def kinds(outcomes: dict[str, Any]) -> Counter[str]:
    return Counter(type(outcome).__name__ for outcome in outcomes.values())


def arrived(simulator: ApnsSimulator | FcmSimulator) -> Counter[str]:
    return Counter(sent.token for sent in simulator.tray.pushes())


@pytest.mark.parametrize("service", ["apns", "fcm"])
def test_fifty_in_flight_at_a_goaway_are_sent_once_each(
    service: str, authority: Authority, apns: ApnsSimulator, fcm: FcmSimulator
) -> None:
    """Half of them above the last stream that the service says it has processed."""
    simulator = apns if service == "apns" else fcm
    channel = (
        push.apns_channel(apns.port, authority=authority)
        if service == "apns"
        else push.fcm_channel(fcm, authority=authority)
    )
    devices = [push.iphone(n) if service == "apns" else push.android(n) for n in range(51)]
    simulator.faults.order(Fault(PushStep.TAKE, GoAway(gather=50, processed=25, reason="Shutdown"), skip=1))
    outcomes = push.exchange(channel, devices)
    assert kinds(outcomes) == {"Sent": 51}
    assert arrived(simulator) == Counter(device.address for device in devices)
    assert simulator.connections == 2
    again = [
        outcome for outcome in outcomes.values() if isinstance(outcome, Sent) and "not processed" in outcome.detail
    ]
    assert len(again) == 25


def test_a_request_that_the_service_resets_unprocessed_goes_again(authority: Authority, apns: ApnsSimulator) -> None:
    apns.faults.order(Fault(PushStep.TAKE, Refuse(), skip=2, times=2))
    channel = push.apns_channel(apns.port, authority=authority)
    outcomes = push.exchange(channel, map(push.iphone, range(6)))
    assert kinds(outcomes) == {"Sent": 6}
    assert set(arrived(apns).values()) == {1}
    assert apns.connections == 1


def test_a_service_that_ends_each_connection_before_it_has_answered_is_down(
    authority: Authority, apns: ApnsSimulator
) -> None:
    apns.faults.order(Fault(PushStep.TAKE, GoAway(), times=None))
    channel = push.apns_channel(apns.port, authority=authority)
    connection = push.connect(channel)
    outcomes = push.send(connection, push.wires(channel, map(push.iphone, range(3))))
    (outcome,) = outcomes.values()
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.reason.scope) == (ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER)
    assert apns.connections <= 4
    assert push.send(connection, push.wires(channel, map(push.iphone, range(3)))) == {}


def test_a_lost_connection_leaves_what_was_in_flight_open_and_the_rest_untouched(
    authority: Authority, apns: ApnsSimulator
) -> None:
    apns.faults.order(Fault(PushStep.TAKE, Drop(), matching=push.iphone(5).address))
    channel = push.apns_channel(apns.port, authority=authority)
    connection = push.connect(channel)
    outcomes = push.send(connection, push.wires(channel, map(push.iphone, range(8))))
    assert isinstance(outcomes[push.iphone(5).address], Unknown)
    for address, outcome in outcomes.items():
        assert isinstance(outcome, Sent) <= (address in arrived(apns))
    assert push.send(connection, push.wires(channel, map(push.iphone, range(8)))) == {}


class Clock:
    """Stands in for `time`: goes on as usual, but for its leaps."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    leaping = Clock()
    monkeypatch.setattr(http2, "time", leaping)
    return leaping


def test_one_answer_that_never_comes_ends_its_own_request_alone(
    authority: Authority, apns: ApnsSimulator, clock: Clock
) -> None:
    apns.faults.order(Fault(PushStep.ANSWER, Ignore(), matching=push.iphone(2).address))
    connection = push.connect(push.apns_channel(apns.port, authority=authority, timeout=LONG))
    prepared = push.wires(push.apns_channel(1, authority=authority), map(push.iphone, range(6)))
    outcomes: dict[str, Any] = {}
    for wire, result in connection.send(prepared):
        outcomes[wire.to[0].address] = result.outcomes[0]
        if len(outcomes) == 5:
            clock.ahead += 2 * LONG.total_seconds()
    assert kinds(outcomes) == {"Sent": 5, "Unknown": 1}
    assert isinstance(outcomes[push.iphone(2).address], Unknown)
    assert kinds(push.send(connection, prepared[3:])) == {"Sent": 3}
    connection.close()
    assert apns.connections == 1


def test_a_peer_that_falls_silent_costs_one_timeout_and_not_one_for_each(
    authority: Authority, apns: ApnsSimulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "PING_REPLY", timedelta(seconds=0.2))
    monkeypatch.setattr(http2, "MOST_AT_A_TIME", 4)
    apns.faults.order(Fault(PushStep.TAKE, Hang(), skip=1))
    channel = push.apns_channel(apns.port, authority=authority, timeout=LONG)
    prepared = push.wires(channel, map(push.iphone, range(40)))

    def handing_over(wire: Wire, _to: Any) -> None:
        if wire is prepared[4]:
            clock.ahead += 2 * LONG.total_seconds()

    connection = push.connect(channel)
    outcomes = {to: outcome for to, outcome, _ in push.told(connection.send(prepared, handing_over=handing_over))}
    assert kinds(outcomes) == {"Sent": 1, "Unknown": 4}


def test_a_connection_that_died_unnoticed_is_found_by_a_ping_before_anything_is_handed_over(
    authority: Authority, apns: ApnsSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "PING_REPLY", timedelta(seconds=0.2))
    channel = push.apns_channel(apns.port, authority=authority)
    connection = push.connect(channel)
    assert kinds(push.send(connection, push.wires(channel, [push.iphone(0)]))) == {"Sent": 1}
    apns.go_deaf()
    assert kinds(push.send(connection, push.wires(channel, map(push.iphone, range(1, 5))))) == {"Sent": 4}
    connection.close()
    assert apns.connections == 2
    assert set(arrived(apns).values()) == {1}


def test_silence_while_an_answer_is_awaited_is_asked_about(
    authority: Authority, apns: ApnsSimulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "PING_REPLY", timedelta(seconds=0.2))
    apns.faults.order(Fault(PushStep.TAKE, Hang(), skip=1))
    channel = push.apns_channel(apns.port, authority=authority, timeout=LONG)
    prepared = push.wires(channel, map(push.iphone, range(2)))

    def handing_over(wire: Wire, _to: Any) -> None:
        if wire is prepared[1]:
            clock.ahead += http2.IDLE.total_seconds()

    connection = push.connect(channel)
    outcomes = {to: outcome for to, outcome, _ in push.told(connection.send(prepared, handing_over=handing_over))}
    lost = outcomes[push.iphone(1).address]
    assert isinstance(lost, Unknown)
    assert lost.reason.detail == "no reply to a PING"


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_the_name_is_looked_up_again_for_each_connection(
    authority: Authority, apns: ApnsSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service has moved to another address in between."""
    answers = ["127.0.0.1", "127.0.0.2"]
    asked: list[str] = []

    def resolver(host: str, port: int, **_more: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[min(len(asked), 2) - 1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    apns.faults.order(Fault(PushStep.TAKE, GoAway(gather=1, processed=1)))
    channel = push.apns_channel(apns.port, authority=authority)
    with push.apns(authority.server(), host="127.0.0.2", port=apns.port) as moved:
        outcomes = push.exchange(channel, map(push.iphone, range(4)))
        assert kinds(outcomes) == {"Sent": 4}
        assert (len(arrived(apns)), len(arrived(moved))) == (1, 3)
    assert asked == ["localhost", "localhost"]


def test_a_body_larger_than_the_peers_window_is_written_as_it_opens(authority: Authority, fcm: FcmSimulator) -> None:
    channel = push.fcm_channel(fcm, authority=authority)
    connection = push.connect(channel)
    made = [channel.prepare(push.message("x" * 3900, number=n + 1), (push.android(n),)) for n in range(60)]
    outcomes = push.send(connection, [wire for wire in made if not isinstance(wire, Rejected)])
    connection.close()
    assert kinds(outcomes) == {"Sent": 60}


def test_a_token_that_is_too_old_is_made_anew_once_over_a_fresh_connection(
    authority: Authority, apns: ApnsSimulator
) -> None:
    apns.faults.order(Fault(PushStep.TAKE, Reply(403, "ExpiredProviderToken"), skip=1, times=2))
    channel = push.apns_channel(apns.port, authority=authority)
    outcomes = push.exchange(channel, map(push.iphone, range(6)))
    assert kinds(outcomes) == {"Sent": 6}
    assert apns.connections == 2
    assert set(arrived(apns).values()) == {1}


def test_a_new_token_that_is_too_old_stops_the_server_and_names_the_clock(authority: Authority) -> None:
    with push.apns(authority.server(), clock=7200) as apns:
        channel = push.apns_channel(apns.port, authority=authority)
        outcomes = push.exchange(channel, map(push.iphone, range(3)))
        (outcome,) = outcomes.values()
        assert isinstance(outcome, Deferred)
        assert (outcome.reason.code, outcome.reason.scope) == (ReasonCode.CONFIGURATION, Scope.SERVER)
        assert outcome.reason.detail.startswith("ExpiredProviderToken (this machine's clock is 7")
        assert outcome.reason.detail.endswith("s behind)")
        assert apns.connections == 2


def test_a_revoked_access_token_is_fetched_anew(authority: Authority, fcm: FcmSimulator) -> None:
    channel = push.fcm_channel(fcm, authority=authority)
    connection = push.connect(channel)
    assert kinds(push.send(connection, push.wires(channel, [push.android(0)]))) == {"Sent": 1}
    fcm.revoke()
    assert kinds(push.send(connection, push.wires(channel, map(push.android, range(1, 5))))) == {"Sent": 4}
    connection.close()
    assert fcm.tokens == 2


def test_tokens_refused_for_one_device_after_the_other_are_the_servers_trouble_and_fail_nothing(
    authority: Authority, apns: ApnsSimulator
) -> None:
    apns.faults.order(Fault(PushStep.TAKE, Reply(400, "BadDeviceToken"), times=None))
    channel = push.apns_channel(apns.port, authority=authority)
    outcomes = push.exchange(channel, map(push.iphone, range(20)))
    assert kinds(outcomes) == {"Deferred": len(outcomes)}
    charged = [outcome for outcome in outcomes.values() if isinstance(outcome, Deferred) and outcome.charged]
    (reason,) = [outcome.reason for outcome in charged]
    assert (reason.code, reason.scope) == (ReasonCode.CONFIGURATION, Scope.SERVER)
    assert "BadDeviceToken" in reason.detail


def test_a_token_refused_among_accepted_ones_is_that_devices_own(authority: Authority) -> None:
    account = push.apns_account(strangers=frozenset({push.iphone(7).address, push.iphone(9).address}))
    with push.apns(authority.server(), account=account) as apns:
        channel = push.apns_channel(apns.port, authority=authority)
        outcomes = push.exchange(channel, map(push.iphone, range(30)))
    assert kinds(outcomes) == {"Sent": 28, "Rejected": 2}
    refused = outcomes[push.iphone(7).address]
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT)


def test_a_dead_token_is_named_with_since_when(authority: Authority) -> None:
    account = push.apns_account(dead={push.iphone(1).address: 1_760_000_000_000})
    with push.apns(authority.server(), account=account) as apns:
        channel = push.apns_channel(apns.port, authority=authority)
        outcomes = push.exchange(channel, map(push.iphone, range(3)))
    dead = outcomes[push.iphone(1).address]
    assert isinstance(dead, Rejected)
    assert dead.reason.code is ReasonCode.TOKEN_DEAD
    assert dead.gone_at is not None
    assert dead.gone_at.timestamp() == 1_760_000_000


@pytest.mark.parametrize("at", [0, 5])
def test_where_the_service_asks_for_a_pause_all_of_it_counts(at: int, authority: Authority, fcm: FcmSimulator) -> None:
    fcm.faults.order(Fault(PushStep.TAKE, Reply(503, "UNAVAILABLE; retry-after=5400"), times=None, skip=at))
    channel = push.fcm_channel(fcm, authority=authority)
    outcomes = push.exchange(channel, map(push.android, range(20)))
    paused = [outcome for outcome in outcomes.values() if isinstance(outcome, Deferred)]
    assert [outcome.charged for outcome in paused] == [True] + [False] * (len(paused) - 1)
    assert paused[0].retry_after == timedelta(seconds=5400)
    assert (paused[0].reason.code, paused[0].reason.scope) == (ReasonCode.THROTTLED, Scope.SERVER)


def test_lanes_share_one_provider_token(authority: Authority, apns: ApnsSimulator) -> None:
    channel = push.apns_channel(apns.port, authority=authority)

    def run(start: int) -> None:
        connection = push.connect(channel)
        push.send(connection, push.wires(channel, map(push.iphone, range(start, start + 25))))
        connection.close()

    threads = [threading.Thread(target=run, args=(start,)) for start in range(0, 100, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrived(apns)) == 100
    assert len(apns.provider_tokens) == 1
    assert apns.connections == 4


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_signs_in_where_there_is_no_key(known: bool, authority: Authority) -> None:
    tls = authority.server()
    tls.load_verify_locations(cadata=authority.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    account = push.apns_account(certificates={"hub": push.TOPIC} if known else {})
    with push.apns(tls, account=account) as apns:
        channel = push.apns_channel(apns.port, authority=authority, key=None, certificate=authority.client("hub"))
        outcomes = push.exchange(channel, [push.iphone(0)])
    (outcome,) = outcomes.values()
    if known:
        assert isinstance(outcome, Sent)
    else:
        assert isinstance(outcome, Deferred)
        assert outcome.reason.code is ReasonCode.CREDENTIALS_REFUSED


def test_a_certificate_that_is_over_is_refused_for_the_whole_server(authority: Authority) -> None:
    """With TLS 1.3 the handshake is through by then."""
    tls = authority.server()
    tls.load_verify_locations(cadata=authority.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    with push.apns(tls) as apns:
        over = authority.client("hub", days=-1)
        channel = push.apns_channel(apns.port, authority=authority, key=None, certificate=over)
        refused = channel.connect()
    assert isinstance(refused, Deferred)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER)
    assert "expired" in refused.reason.detail
