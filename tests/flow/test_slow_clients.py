"""Callers that send slowly, or nothing, are in nobody's way."""

import time
from http import HTTPStatus

import pytest

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import Event
from tests.db import world
from tests.flow import raw

pytestmark = pytest.mark.flow
SIGNED = raw.head(
    "POST", "/api/v1/events", "webhook-signature: v1,x", "Content-Type: application/json", "Content-Length: 1000"
)
LOG_IN = raw.head("POST", "/admin/login/", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 1000")
CHUNKED = raw.head("POST", "/api/v1/events", "webhook-signature: v1,x", "Transfer-Encoding: chunked")


@pytest.mark.parametrize("count", [100, 2_000])
@pytest.mark.parametrize("slow", [SIGNED + b"{", LOG_IN + b"a", CHUNKED + b"1\r\n{\r\n"])
def test_slow_bodies_hold_up_neither_probes_nor_console_nor_api(web, count, slow):
    key = keys.create("mine", scopes=[ApiScope.READ])
    with raw.many(web, count, slow) as clients:
        assert raw.is_healthy(web)
        ping = raw.head("GET", "/api/v1/ping", f"Authorization: Bearer {key}")
        assert [raw.exchange(web, each)[0] for each in (raw.head("GET", "/readyz"), ping)] == [200, 200]
        assert raw.exchange(web, raw.head("GET", "/admin/login/"))[0] == 200
        assert raw.is_healthy(web)
        assert all(raw.is_unanswered(client) for client in (clients[0], clients[-1]))


@pytest.mark.parametrize("first", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"POST / HTTP/1.1\r\nHost: "])
def test_connections_that_say_nothing_hold_up_nobody_and_are_ended(web, first):
    with raw.many(web, 1_150, first) as clients:
        assert raw.is_healthy(web)
        assert raw.is_unanswered(clients[-1])
        assert raw.answer(clients[0])[0] == raw.answer(clients[-1])[0] == 0


def test_a_connection_that_was_served_may_be_silent_for_as_long_as_granian_lets_it(web):
    with raw.connect(web) as kept:
        for _ in range(2):
            kept.sendall(raw.head("GET", "/healthz"))
            assert raw.answer(kept)[0] == 200
            time.sleep(2)


def test_an_address_has_64_unfinished_requests_and_others_have_theirs(web):
    with raw.many(web, 70, SIGNED + b"{", each_address=70) as clients:
        statuses = [raw.answer(client)[:2] for client in clients]
        assert [status for status, _ in statuses].count(429) == 6
        refused = next(headers for status, headers in statuses if status == 429)
        assert refused["retry-after"]
        assert refused["connection"] == "close"
        assert {status for status, _ in statuses} == {429, 408}
    rest = SIGNED + b"x" * 1000
    assert raw.exchange(web, rest, source="127.0.2.1")[0] == 401


def test_a_probe_needs_no_host(web):
    for path in (b"/healthz", b"/readyz"):
        assert raw.exchange(web, b"GET %s HTTP/1.0\r\n\r\n" % path)[0] == 200
        foreign = b"GET %s HTTP/1.1\r\nHost: 10.42.8.201:8000\r\n\r\n" % path
        assert raw.exchange(web, foreign)[0] == 200
    status, _, body = raw.exchange(web, b"GET / HTTP/1.1\r\nHost: 10.42.8.201:8000\r\n\r\n")
    assert (status, b"XMNOTIFY_ALLOWED_HOSTS" in body) == (400, True)


def test_proxies_that_are_trusted_have_as_many_as_they_need(start_web):
    port = start_web(XMNOTIFY_TRUSTED_PROXIES="127.0.1.0/24")
    with raw.many(port, 70, SIGNED + b"{", each_address=70) as clients:
        assert {raw.answer(client)[0] for client in clients} == {408}


def test_many_callers_of_one_address_that_begin_at_the_same_moment_are_all_answered(web):
    with raw.many(web, 200, SIGNED + b"x" * 1000, each_address=200) as clients:
        assert {raw.answer(client)[0] for client in clients} == {401}


def test_a_body_that_comes_slowly_but_comes_is_taken(web):
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    key = keys.create("mine", scopes=[ApiScope.EVENTS])
    body = b'{"type": "device.jailbroken", "device": {"serial": "S1"}}'
    with raw.connect(web) as client:
        client.sendall(
            raw.head("POST", "/api/v1/events", f"Authorization: Bearer {key}", f"Content-Length: {len(body)}")
        )
        for start in range(0, len(body), 20):
            time.sleep(0.7)
            client.sendall(body[start : start + 20])
        assert raw.answer(client)[0] == HTTPStatus.ACCEPTED
    assert Event.objects.count() == 1


def test_a_file_that_is_larger_than_a_batch_is_taken_where_files_are_imported(web):
    key = keys.create("mine", scopes=[ApiScope.DEVICES])
    table = b"serial,model\n" + b"\n" * 9_000_000 + b"S1,iPhone\n"
    about = (f"Authorization: Bearer {key}", f"Content-Length: {len(table)}")
    taken = raw.head("POST", "/api/v1/imports/devices", "Content-Type: text/csv", *about)
    refused = raw.head("POST", "/api/v1/devices/batch", "Content-Type: application/json", *about)
    assert [raw.exchange(web, head + table)[0] for head in (taken, refused)] == [200, 413]
