"""Submissions over a real connection: what goes out, what comes back, and every way in which it goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from simulators.faults import Delay, Drop, Fault, Hang, Page, Reply, SmsStep, Trickle
from simulators.nexmo import NexmoSimulator
from simulators.nexmo_account import Account
from tests.wire.certificates import Authority
from tests.wire.nexmo import BOSTON, LONDON, LOOPBACK, SECRET, config, message, outcome, submit
from transports.net.guard import HTTP_POLICY
from transports.nexmo.channel import NexmoChannel
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent, Unknown, Wire


@pytest.fixture
def nexmo() -> Iterator[NexmoSimulator]:
    with NexmoSimulator() as simulator:
        yield simulator


def test_a_text_arrives_with_the_deliverys_id_and_what_it_cost_is_told(nexmo: NexmoSimulator) -> None:
    sent = outcome(nexmo.url)
    (text,) = nexmo.phone.texts()
    assert (text.to, text.sender, text.text, text.client_ref) == (
        "447700900123",
        "xmnotify",
        "It works.",
        str(message().key),
    )
    assert isinstance(sent, Sent)
    assert (sent.provider_id, sent.reply) == (text.ids[0], "0")
    assert sent.detail == "price 0.03330000, balance 9.96670000, network 23410"


def test_many_texts_go_over_one_connection(nexmo: NexmoSimulator) -> None:
    assert len(submit(nexmo.url, count=20)) == 20
    assert nexmo.connections == 1


def test_a_long_text_has_an_id_for_each_part(nexmo: NexmoSimulator) -> None:
    sent = outcome(nexmo.url, text="[" * 100)
    (text,) = nexmo.phone.texts()
    assert [len(part) for part in text.parts] == [76, 24]
    assert isinstance(sent, Sent)
    assert sent.provider_id.split() == list(text.ids)
    assert sent.detail.startswith("2 parts, price 2 x 0.03330000")


@pytest.mark.parametrize("words", ["Zażółć gęślą jaźń 🙂", "€ [ok] ^", "plain", "ção"])
def test_whatever_the_alphabet_the_phone_shows_what_was_written(nexmo: NexmoSimulator, words: str) -> None:
    assert isinstance(outcome(nexmo.url, text=words), Sent)
    assert nexmo.phone.texts()[0].text == words


def test_north_america_gets_the_virtual_number(nexmo: NexmoSimulator) -> None:
    assert isinstance(outcome(nexmo.url, to=BOSTON, virtual_number="12015550123"), Sent)
    refused = outcome(nexmo.url, to=BOSTON, virtual_number="12015550999")
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.SENDER_REFUSED, Scope.RECIPIENT)


@pytest.mark.parametrize("password", ["wrong"])
def test_a_wrong_secret_stops_the_gateway_and_is_repeated_nowhere(nexmo: NexmoSimulator, password: str) -> None:
    (result,) = submit(nexmo.url, secret=password, text="a private text")
    (refused,) = result.outcomes
    assert isinstance(refused, Deferred)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER)
    assert result.dialogue.startswith(f"POST {nexmo.url}/sms/json\n200 OK\n")
    assert password not in repr(result)
    assert "private" not in repr(result)


def test_a_secret_that_the_service_repeats_is_cut_out(nexmo: NexmoSimulator) -> None:
    nexmo.faults.order(Fault(SmsStep.TAKE, Page(f"<h1>{SECRET}</h1>")))
    assert SECRET not in repr(submit(nexmo.url))


def test_a_part_that_fails_behind_others_is_final_and_says_which_were_taken(nexmo: NexmoSimulator) -> None:
    nexmo.faults.order(Fault(SmsStep.PART, Reply(9), skip=1))
    refused = outcome(nexmo.url, text="x" * 400)
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope, refused.reason.reply) == (
        ReasonCode.PARTLY_SENT,
        Scope.MESSAGE,
        "9",
    )
    assert refused.reason.detail.startswith("2 of 3 parts were taken (")


def test_being_too_fast_rests_the_gateway_for_a_second(nexmo: NexmoSimulator) -> None:
    nexmo.account = Account(rate=3)
    results = submit(nexmo.url, count=8)
    throttled = results[-1].outcomes[0]
    assert isinstance(throttled, Deferred)
    assert (throttled.reason.code, throttled.reason.scope) == (ReasonCode.THROTTLED, Scope.SERVER)
    assert throttled.retry_after == timedelta(seconds=1)
    assert len(results) < 8


@pytest.mark.parametrize(
    ("action", "kind", "code"),
    [
        (Reply(429, "7"), Deferred, ReasonCode.THROTTLED),
        (Reply(500), Deferred, ReasonCode.SERVICE_UNAVAILABLE),
        (Reply(503, "7"), Deferred, ReasonCode.SERVICE_UNAVAILABLE),
        (Reply(504), Unknown, ReasonCode.NO_ANSWER),
        (Reply(302, "https://elsewhere.example/"), Deferred, ReasonCode.CONFIGURATION),
        (Reply(404), Deferred, ReasonCode.CONFIGURATION),
        (Reply(401), Deferred, ReasonCode.CREDENTIALS_REFUSED),
        (Page(), Deferred, ReasonCode.PROTOCOL_ERROR),
        (Drop(), Unknown, ReasonCode.DISCONNECTED),
        (Drop(reset=True), Unknown, ReasonCode.DISCONNECTED),
    ],
)
def test_a_fault_ends_the_connection_with_its_reason(
    nexmo: NexmoSimulator, action: Reply | Page | Drop, kind: type, code: ReasonCode
) -> None:
    nexmo.faults.order(Fault(SmsStep.TAKE, action))
    results = submit(nexmo.url, count=2)
    assert len(results) == 1
    found = results[0].outcomes[0]
    assert isinstance(found, kind)
    assert not isinstance(found, Sent)
    assert (found.reason.code, found.reason.scope) == (code, Scope.SERVER)
    if isinstance(found, Deferred) and isinstance(action, Reply) and action.text == "7":
        assert found.retry_after == timedelta(seconds=7)


def test_a_redirect_is_not_followed(nexmo: NexmoSimulator) -> None:
    with NexmoSimulator() as other:
        nexmo.faults.order(Fault(SmsStep.TAKE, Reply(307, f"{other.url}/sms/json")))
        submit(nexmo.url)
        assert other.connections == 0


def test_a_lost_answer_is_unknown_and_nothing_is_posted_again(nexmo: NexmoSimulator) -> None:
    nexmo.faults.order(Fault(SmsStep.ANSWER, Drop()))
    assert isinstance(outcome(nexmo.url), Unknown)
    assert len(nexmo.phone.texts()) == len(nexmo.requests) == 1


@pytest.mark.parametrize("action", [Hang(), Trickle(0.2), Delay(120.0)])
def test_no_peer_stretches_the_timeout(nexmo: NexmoSimulator, action: Hang | Trickle | Delay) -> None:
    nexmo.faults.order(Fault(SmsStep.TAKE, action))
    began = time.monotonic()
    lost = outcome(nexmo.url, timeout=timedelta(seconds=1))
    assert isinstance(lost, Unknown)
    assert lost.reason.code is ReasonCode.TIMEOUT
    assert time.monotonic() - began > 0.9


def test_a_connection_that_was_closed_while_idle_is_replaced(nexmo: NexmoSimulator) -> None:
    channel = NexmoChannel(config(nexmo.url), policy=LOOPBACK)
    wire = channel.prepare(message(), (LONDON,))
    connection = channel.connect()
    assert isinstance(wire, Wire)
    assert not isinstance(connection, Deferred)
    assert isinstance(next(connection.send([wire]))[1].outcomes[0], Sent)
    nexmo.disconnect()
    assert isinstance(next(connection.send([wire]))[1].outcomes[0], Sent)
    connection.close()
    assert nexmo.connections == 2
    assert len(nexmo.requests) == 2


def test_the_usual_policy_lets_nobody_reach_this_machine(nexmo: NexmoSimulator) -> None:
    refused = NexmoChannel(config(nexmo.url), policy=HTTP_POLICY).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.ADDRESS_NOT_ALLOWED
    assert nexmo.connections == 0


def test_proxies_of_the_environment_are_ignored(nexmo: NexmoSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert isinstance(outcome(nexmo.url), Sent)


def test_https_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with NexmoSimulator(tls=authority.server()) as simulator:
        assert len(submit(simulator.url, ca_bundle=authority.pem, count=3)) == 3
        assert simulator.connections == 1
        refused = NexmoChannel(config(simulator.url), policy=LOOPBACK).connect()
    assert isinstance(refused, Deferred)
    assert refused.reason.code is ReasonCode.CERTIFICATE_INVALID
