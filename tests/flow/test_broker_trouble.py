"""Whether it is known that the broker is away or takes no password of ours, without anything to send."""

import time

import pytest
import redis

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import SweepRecord
from dispatch.wakeup import broker_watch, publisher
from dispatch.wakeup.broker_watch import BrokerTrouble
from tests import private_servers, waiting
from tests.db import world
from tests.flow import amqp
from tests.flow.brokers import broker
from xmnotify.operations import readiness

pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]
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


@pytest.mark.parametrize("refusal", [amqp.LOG_IN, amqp.VIRTUAL_HOST], ids=["log-in", "virtual host"])
def test_one_that_speaks_amqp_refuses_too_and_every_event_is_taken_all_the_same(client, monkeypatch, refusal):
    key = keys.create("mine", scopes=[ApiScope.EVENTS])
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    event = {"type": "device.jailbroken", "device": {"serial": "S1"}}
    with amqp.refusing(refusal) as url, broker(url, options={}):
        assert broker_watch.look() is BrokerTrouble.REFUSED
        monkeypatch.setattr(broker_watch, "_watch", broker_watch.Watch())
        assert broker_watch.trouble(wait=waiting.PATIENCE) is BrokerTrouble.REFUSED
        (found,) = banners()
        assert "a-word" not in found
        assert b"degraded: The broker refuses" in client.get("/readyz").content
        assert client.get("/readyz?all=1").status_code == 503
        answer = client.post(
            "/api/v1/events", event, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 202
        assert not publisher.publish("dispatch.canary", queue="drain", about="drain")


@pytest.mark.parametrize("refusal", [amqp.LOG_IN, amqp.VIRTUAL_HOST], ids=["log-in", "virtual host"])
def test_a_control_worker_that_is_refused_goes_on_sweeping(start_worker, refusal):
    with amqp.refusing(refusal) as url:
        worker = start_worker("control", pool="solo", until="Trying again", XMNOTIFY_BROKER_URL=url)
        waiting.until(lambda: worker.poll() is not None or (SweepRecord.objects.first() or SweepRecord()).count > 2)
        assert worker.poll() is None
