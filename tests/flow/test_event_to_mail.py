"""POST over HTTP, a real broker, a real worker process, a real SMTP peer."""

import json

import pytest

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import Delivery
from dispatch.upkeep import sweep
from dispatch.wakeup import publisher
from tests import waiting
from tests.db import world
from tests.flow.brokers import broker

pytestmark = pytest.mark.flow

ANY_PORT = {"XMNOTIFY_SMTP_PORTS": "any"}


@pytest.fixture
def events_key(transactional_db):
    return keys.create("tests", scopes=[ApiScope.EVENTS])


@pytest.fixture
def folder_broker(tmp_path):
    """Celery's `filesystem://` in this process; answers what a worker needs to share it."""
    queue = tmp_path / "broker" / "queue"
    queue.mkdir(parents=True)
    options = {
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(tmp_path / "broker" / "control"),
    }
    with broker("filesystem://", options):
        yield {"XMNOTIFY_BROKER_URL": "filesystem://", "XMNOTIFY_VAR": str(tmp_path)}


def post(client, key, **body):
    return client.post(
        "/api/v1/events",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )


def prepare(smtp):
    world.smtp_server(port=smtp.port)
    world.template(subject="Hello ${user.displayname}")
    world.device(owner=world.person())


def assert_it_arrives(client, key, smtp):
    answer = post(client, key, type="device.jailbroken", device={"serial": "S1"})
    assert answer.status_code == 202, answer.content
    mail = smtp.inbox.wait_for(lambda mail: True, timeout=waiting.PATIENCE)
    assert mail.parsed()["Subject"] == "Hello User One"
    event = settled(client, key, answer.json()["status_url"])
    assert event["counts"]["sent"] == 1


def settled(client, key, url):
    """The event's state once the worker has written it back."""

    def state():
        return client.get(url, headers={"Authorization": f"Bearer {key}"}).json()

    waiting.until(lambda: state()["state"] == "finished", report=state)
    return state()


def test_a_posted_event_becomes_a_delivered_mail(client, start_worker, smtp, events_key):
    prepare(smtp)
    start_worker("drain", **ANY_PORT)
    assert_it_arrives(client, events_key, smtp)


def test_a_posted_event_becomes_a_mail_over_a_broker_made_of_folders(
    client, folder_broker, start_worker, smtp, events_key
):
    prepare(smtp)
    start_worker("drain", **ANY_PORT, **folder_broker)
    assert_it_arrives(client, events_key, smtp)


def test_an_event_posted_while_the_broker_is_dead_is_taken_and_sent_after_a_sweep(
    client, start_worker, smtp, events_key
):
    prepare(smtp)
    failures = publisher.failures
    with broker("redis://127.0.0.1:1"):
        answer = post(client, events_key, type="device.jailbroken", device={"serial": "S1"})
    assert answer.status_code == 202
    assert publisher.failures == failures + 1
    assert Delivery.objects.get().state == "due"

    start_worker("drain", **ANY_PORT)
    sweep.wake_where_due(now=Delivery.objects.get().due_at)
    smtp.inbox.wait_for(lambda mail: True, timeout=waiting.PATIENCE)
