from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from tests import waiting
from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.guard import HTTP_POLICY, SMTP_POLICY, ConnectionFailed, Policy
from transports.types import ReasonCode

AMPLE = timedelta(minutes=1)
NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
]
INSIDE = [
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12:3456::1",
    "::ffff:10.1.2.3",
    "64:ff9b::a01:203",
]
OUTSIDE = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NEVER)
def test_addresses_that_give_out_secrets_or_are_no_host_are_refused(address: str) -> None:
    assert guard.refusal(address, port=25, policy=SMTP_POLICY)
    assert guard.refusal(address, port=443, policy=HTTP_POLICY)


@pytest.mark.parametrize("address", INSIDE)
def test_inner_addresses_are_for_mail_only(address: str) -> None:
    assert guard.refusal(address, port=25, policy=SMTP_POLICY) == ""
    assert guard.refusal(address, port=443, policy=HTTP_POLICY)


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_for_all(address: str) -> None:
    assert guard.refusal(address, port=587, policy=SMTP_POLICY) == ""
    assert guard.refusal(address, port=443, policy=HTTP_POLICY) == ""


@pytest.mark.parametrize("port", [22, 80, 6379, 0, 443])
def test_mail_goes_to_mail_ports_only(port: int) -> None:
    assert guard.refusal("8.8.8.8", port=port, policy=SMTP_POLICY)


def test_an_operator_may_allow_and_deny_networks_and_deny_wins() -> None:
    metadata = ip_network("169.254.169.254/32")
    assert guard.refusal("169.254.169.254", port=25, policy=Policy(allowed=(metadata,))) == ""
    assert guard.refusal("169.254.169.254", port=25, policy=Policy(allowed=(metadata,), denied=(metadata,)))
    public = Policy(denied=(ip_network("8.8.0.0/16"),))
    assert guard.refusal("::ffff:8.8.8.8", port=25, policy=public)
    assert guard.refusal("8.9.8.8", port=25, policy=public) == ""


def answer(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 25)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)


def test_only_the_allowed_addresses_of_a_name_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "169.254.169.254", "10.0.0.1", "10.0.0.1", "10.0.0.2")
    found = guard.resolve("mail.example", port=25, policy=SMTP_POLICY, deadline=Deadline(AMPLE))
    assert found == ("10.0.0.1", "10.0.0.2")


def test_a_name_that_leads_to_refused_addresses_only_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "169.254.169.254")
    with pytest.raises(ConnectionFailed) as failure:
        guard.resolve("mail.example", port=25, policy=SMTP_POLICY, deadline=Deadline(AMPLE))
    assert failure.value.reason.code is ReasonCode.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1"])
def test_other_spellings_of_an_address_are_checked_as_what_they_lead_to(host: str) -> None:
    with pytest.raises(ConnectionFailed) as failure:
        guard.resolve(host, port=443, policy=HTTP_POLICY, deadline=Deadline(AMPLE))
    assert failure.value.reason.code in {ReasonCode.ADDRESS_NOT_ALLOWED, ReasonCode.NAME_NOT_RESOLVED}


def test_a_silent_name_server_does_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(*_: Any, **__: Any) -> list[Any]:
        released.wait(waiting.PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as failure:
        guard.resolve("mail.example", port=25, policy=SMTP_POLICY, deadline=Deadline(timedelta(seconds=0.1)))
    released.set()
    assert failure.value.reason.code is ReasonCode.NAME_NOT_RESOLVED
    assert time.monotonic() - began < waiting.PATIENCE


def test_a_literal_address_asks_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    for host in ("192.0.2.1", "[2001:db8::1]", "2001:db8::1"):
        found = guard.resolve(host, port=25, policy=SMTP_POLICY, deadline=Deadline(AMPLE))
        assert found == (host.strip("[]"),)


def test_a_used_up_deadline_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        Deadline(timedelta()).remaining()


def test_a_name_that_leads_elsewhere_the_second_time_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what was checked is what is connected to."""
    answers = iter(["203.0.113.5", "169.254.169.254"])
    reached = []

    def look_up(*_args: Any, **_named: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (next(answers), 25))]

    def connect_to(address: str, **_named: Any) -> socket.socket:
        reached.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(guard, "_connect_to", connect_to)
    found = guard.resolve("rebinding.example", port=25, policy=SMTP_POLICY, deadline=Deadline(AMPLE))
    guard.connect(found, port=25, deadline=Deadline(AMPLE)).close()
    assert reached == ["203.0.113.5"]
    with pytest.raises(ConnectionFailed) as failure:
        guard.resolve("rebinding.example", port=25, policy=SMTP_POLICY, deadline=Deadline(AMPLE))
    assert failure.value.reason.code is ReasonCode.ADDRESS_NOT_ALLOWED
