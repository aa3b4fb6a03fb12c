"""Rings at a real broker, which comes and goes."""

import pytest
import redis

from dispatch import doorbell
from tests import private_servers, waiting
from tests.flow.brokers import broker

pytestmark = pytest.mark.flow
SERVER = 4_711
BINARY = private_servers.redis_binary()


@pytest.fixture
def url(monkeypatch):
    monkeypatch.setattr(doorbell, "_windows", doorbell.Windows())
    with private_servers.redis(BINARY) as url, broker(url):
        yield url


def rings(url, *, at_least):
    """How many tasks were heard, once there were so many."""
    with redis.Redis.from_url(url) as client:
        for _ in range(at_least):
            assert client.blpop("xmnotify:drain", timeout=waiting.PATIENCE)
        return at_least + client.llen("xmnotify:drain")


def test_of_rings_in_a_row_the_first_is_heard_now_and_one_in_a_moment(url, monkeypatch):
    monkeypatch.setattr(doorbell, "_SHORTEST", 3.0)
    for _ in range(3):
        doorbell.ring(SERVER)
    assert rings(url, at_least=2) == 2


def test_a_broker_that_was_started_anew_hears_the_next_ring(url):
    doorbell.call(SERVER, lanes=1)
    failures, port = doorbell.failures, int(url.split(":")[2].split("/")[0])
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)
    with private_servers.redis(BINARY, port=port):
        doorbell.call(SERVER, lanes=3)
        assert rings(url, at_least=3) == 3
    assert doorbell.failures == failures


def test_a_dead_broker_is_not_asked_again_for_a_while(url):
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)
    failures = doorbell.failures
    doorbell.call(SERVER, lanes=5)
    assert doorbell.failures == failures + 1
