"""Wakes through a real broker, which comes and goes."""

import socket
import time

import pytest
import redis

from dispatch.wakeup import publisher
from dispatch.wakeup import wake_ups as wakeup
from tests import private_servers, waiting
from tests.flow.brokers import broker

pytestmark = pytest.mark.flow
SERVER = 4_711
BINARY = private_servers.redis_binary()


@pytest.fixture
def url(monkeypatch):
    monkeypatch.setattr(wakeup, "_waker", wakeup._Waker())
    with private_servers.redis(BINARY) as url, broker(url):
        yield url


def wake_ups(url, *, at_least):
    """How many tasks are in the queue, once there were so many."""
    with redis.Redis.from_url(url) as client:
        for _ in range(at_least):
            assert client.blpop("xmnotify:drain", timeout=waiting.PATIENCE)
        return at_least + client.llen("xmnotify:drain")


def test_of_wake_ups_in_a_row_the_first_goes_out_now_and_one_in_a_moment(url, monkeypatch):
    monkeypatch.setattr(wakeup, "_SHORTEST", 3.0)
    for _ in range(3):
        wakeup.wake(SERVER)
    assert wake_ups(url, at_least=2) == 2


def test_a_broker_that_was_started_anew_gets_the_next_wake_up(url):
    wakeup.wake_more(SERVER, lanes=1)
    failures, port = publisher.failures, int(url.split(":")[2].split("/")[0])
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)
    with private_servers.redis(BINARY, port=port):
        wakeup.wake_more(SERVER, lanes=3)
        assert wake_ups(url, at_least=3) == 3
    assert publisher.failures == failures


def test_a_dead_broker_is_not_asked_again_for_a_while(url):
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)
    failures = publisher.failures
    wakeup.wake_more(SERVER, lanes=5)
    assert publisher.failures == failures + 1


def test_a_broker_that_takes_connections_and_does_not_answer_is_given_up_soon():
    with socket.create_server(("127.0.0.1", 0)) as silent, broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"):
        began = time.monotonic()
        assert not publisher.publish(wakeup.DRAIN_TASK, queue=wakeup.DRAIN_QUEUE, server_id=SERVER)
        assert time.monotonic() - began < 10
