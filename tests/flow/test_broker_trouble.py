"""Whether it is known that the broker is away or takes no password of ours, without anything to send."""

import time

import pytest
import redis

from dispatch.wakeup import broker_watch
from dispatch.wakeup.broker_watch import BrokerTrouble
from tests import private_servers
from tests.flow.brokers import broker
from xmnotify.operations import readiness

pytestmark = [pytest.mark.flow, pytest.mark.django_db]
BINARY = private_servers.redis_binary()


@pytest.fixture
def url():
    with private_servers.redis(BINARY) as url:
        yield url


@pytest.fixture
def password(url):
    with redis.Redis.from_url(url) as client:
        client.config_set("requirepass", "right")
    return lambda word: url.replace("redis://", f"redis://:{word}@")


def look(url):
    with broker(url):
        return broker_watch.look()


def test_a_broker_that_takes_what_we_say_is_no_trouble(url):
    assert look(url) is None


def test_a_password_is_refused_or_missing(url, password):
    assert look(password("wrong")) is BrokerTrouble.REFUSED
    assert look(url) is BrokerTrouble.REFUSED
    assert look(password("right")) is None


def test_one_that_is_away_is_away(url):
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)
    assert look(url) is BrokerTrouble.AWAY


def banners():
    return [
        str(found.words) for found in readiness.findings() if found.banner and "XMNOTIFY_BROKER_URL" in str(found.words)
    ]


def test_the_banner_says_so_in_time_and_without_the_password(password, monkeypatch):
    monkeypatch.setattr(broker_watch, "_watch", broker_watch.Watch())
    until = time.monotonic() + 15
    with broker(password("wrong")):
        while not (found := banners()):
            assert time.monotonic() < until
            time.sleep(0.05)
    assert "wrong" not in found[0]


def test_the_probe_says_so_in_time_and_fails_only_where_all_is_asked_for(client, password, monkeypatch):
    monkeypatch.setattr(broker_watch, "_watch", broker_watch.Watch())
    until = time.monotonic() + 15
    with broker(password("wrong")):
        while b"degraded: " not in (answer := client.get("/readyz")).content:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert (answer.status_code, b"XMNOTIFY_BROKER_URL" in answer.content) == (200, True)
        assert client.get("/readyz?all=1").status_code == 503


def test_what_was_found_is_found_anew_after_a_while(url, monkeypatch):
    watch = broker_watch.Watch()
    clock = [0.0]
    looked = []
    monkeypatch.setattr(broker_watch, "look", lambda: looked.append(clock[0]))
    monkeypatch.setattr(broker_watch, "_monotonic", lambda: clock[0])
    for moment in (0.0, 1.0, 4.9, 5.1, 6.0):
        clock[0] = moment
        watch.trouble(wait=10)
    assert looked == [0.0, 5.1]
