"""What comes of a database that is away, read-only, locked or too slow: 503 on every way in, never 500."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client

from api.access import keys, webhooks
from api.kit.callers import ApiScope
from dispatch.intake import turn
from dispatch.models import Attempt
from foundation.sql import trouble
from servers.models import SmsGateway
from servers.values import RECEIPT_PATH
from tests.db import world
from tests.db.api.test_webhooks import sign
from tests.db.world import NOW

pytestmark = pytest.mark.django_db(transaction=True)
RECEIPT = {
    "msisdn": "447700900123",
    "messageId": "M1",
    "status": "delivered",
    "err-code": "0",
    "message-timestamp": "2026-11-22 12:00:03",
}
JAILBROKEN = b'{"type": "device.jailbroken", "device": {"serial": "S1"}}'
postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such thing")
READ_ONLY = "SET default_transaction_read_only = on" if connection.vendor == "postgresql" else "PRAGMA query_only = on"
sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no such thing")


@pytest.fixture
def ways(wakes_nobody):
    """One request on every way by which something is written."""
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    gateway = SmsGateway.objects.get(pk=world.sms_gateway().pk)
    token = gateway.receipt_token.reveal()
    (delivery,) = world.many_deliveries(1, server=gateway)
    Attempt.objects.create(
        delivery_id=delivery, server_id=gateway.pk, number=1, started_at=NOW, outcome="sent", duration_ms=1
    )
    key = keys.create("mine", scopes=list(ApiScope))
    secret = webhooks.create("hook", scopes=[ApiScope.EVENTS])
    User.objects.create_superuser("ada", password="a password for the test")
    own = Client(raise_request_exception=False)
    own.force_login(User.objects.get(username="ada"))
    anyone = Client(raise_request_exception=False)
    with_key = {"authorization": f"Bearer {key}"}
    json = {"content_type": "application/json"}
    return {
        "event": lambda: anyone.post("/api/v1/events", JAILBROKEN, headers=with_key, **json),
        "batch": lambda: anyone.post(
            "/api/v1/events/batch", b'{"events": [%s]}' % JAILBROKEN, headers=with_key, **json
        ),
        "device": lambda: anyone.put("/api/v1/devices/S2", b'{"model": "x"}', headers=with_key, **json),
        "user": lambda: anyone.put("/api/v1/users/u2", b'{"mail": "a@example.com"}', headers=with_key, **json),
        "webhook": lambda: anyone.post("/api/v1/events", JAILBROKEN, headers=sign(secret, JAILBROKEN), **json),
        "receipt": lambda: anyone.post(
            f"/{RECEIPT_PATH}{token}/",
            urlencode({**RECEIPT, "client-ref": str(delivery)}),
            content_type="application/x-www-form-urlencoded",
        ),
        "log-in": lambda: anyone.post("/admin/login/", {"username": "ada", "password": "a password for the test"}),
        "log-in that fails": lambda: anyone.post("/admin/login/", {"username": "ada", "password": "wrong"}),
        "form": lambda: own.post("/settings/api-keys/add/", {"name": "n", "scopes": ["events"], "lifetime": "30"}),
    }


@pytest.fixture
def wakes_nobody(monkeypatch):
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", lambda _: None)


def status_and_wait(answer):
    return answer.status_code, answer.headers.get("Retry-After")


@contextmanager
def read_only():
    """The connection that is kept; another one would not be."""
    with connection.cursor() as cursor:
        cursor.execute(READ_ONLY)
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize(
    "way",
    ["event", "batch", "device", "user", "webhook", "receipt", "log-in", "log-in that fails", "form"],
)
def test_every_write_on_a_read_only_database_is_503_and_the_connection_is_given_up(ways, way):
    with read_only():
        before = connection.connection
        assert status_and_wait(ways[way]()) == (503, "5")
        assert connection.connection is not before
        assert ways[way]().status_code < 500


def test_a_page_is_read_on_a_read_only_database_however_long_ago_the_last_one_was(admin_client):
    assert admin_client.get("/settings/about/").status_code == 200
    session = admin_client.session
    session["console.seen"] -= 600
    session.save()
    with read_only():
        assert admin_client.get("/settings/about/").status_code == 200


def test_a_read_only_database_is_not_ready_and_says_so(client):
    with read_only():
        answer = client.get("/readyz")
        assert (answer.status_code, "read-only" in answer.text) == (503, True)
        assert client.get("/readyz").status_code == 200  # over another connection


def test_a_database_that_is_away_is_not_ready_and_says_so(client, monkeypatch):
    def away(*_, **__):
        raise OperationalError("password of the database")

    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.ensure_connection", away)
    connection.close()
    answer = client.get("/readyz")
    assert (answer.status_code, "reached" in answer.text, "password" in answer.text) == (503, True, False)
    assert client.get("/healthz").status_code == 200


def test_other_threads_give_up_their_connections_too():
    """A failover leaves each thread with a connection of its own to the server that is not to be written to."""
    connection.ensure_connection()
    with ThreadPoolExecutor(1) as other:
        other.submit(trouble.give_up, trouble.Trouble.READ_ONLY).result()
    trouble.close_given_up()
    assert connection.connection is None


@postgresql
@pytest.mark.parametrize(
    ("setting", "words"), [("lock_timeout = '50ms'", "locked"), ("statement_timeout = '100ms'", "longer")]
)
def test_a_lock_that_outlasts_the_time_out_is_503(ways, setting, words):
    with other_connection() as other, connection.cursor() as cursor:
        other.execute("BEGIN")
        other.execute("LOCK TABLE dispatch_event IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"SET {setting}")
        answer = ways["event"]()
        other.execute("ROLLBACK")
        cursor.execute("RESET lock_timeout")
        cursor.execute("RESET statement_timeout")
    assert status_and_wait(answer) == (503, "5")
    assert words in answer.json()["detail"]


@contextmanager
def other_connection():
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


@sqlite
def test_a_lock_of_sqlite_is_waited_for_no_longer_than_the_web_waits(ways, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.1)
    connection.close()
    with other_connection() as other:
        other.execute("BEGIN IMMEDIATE")
        answers = [ways[way]() for way in ("event", "device", "webhook", "form", "log-in")]
        assert "locked" in Client().get("/readyz").text
        other.execute("ROLLBACK")
    connection.close()
    assert {status_and_wait(answer) for answer in answers} == {(503, "5")}


def test_whoever_waits_too_long_for_the_turn_is_told_to_come_again(ways, monkeypatch):
    monkeypatch.setattr(turn, "PATIENCE", 0.05)
    taken, done = threading.Event(), threading.Event()

    def hold():
        assert turn.taking_in.take()
        taken.set()
        done.wait()
        turn.taking_in.end()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    try:
        assert status_and_wait(ways["batch"]()) == (503, "5")
    finally:
        done.set()
        holder.join()
    assert ways["batch"]().status_code == 202
