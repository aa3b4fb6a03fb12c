"""A database that something else has locked keeps callers waiting for a bounded time."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import Event
from tests.db import world
from tests.flow import raw

pytestmark = pytest.mark.flow
CALLERS = 30
LONGEST = 20
"""Seconds: for a thread, for the turn and for the lock five each, on a machine that is busy."""


@contextmanager
def locked():
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE dispatch_event IN ACCESS EXCLUSIVE MODE")
            yield


def test_callers_of_a_locked_database_are_told_to_come_again_and_do_not_queue(web):
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    key = keys.create("mine", scopes=[ApiScope.EVENTS])
    body = json.dumps({"type": "device.jailbroken", "device": {"serial": "S1"}}).encode()
    lines = (f"Authorization: Bearer {key}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    event = raw.head("POST", "/api/v1/events", *lines) + body

    def call(_):
        before = time.monotonic()
        status, headers, _ = raw.exchange(web, event)
        return status, "retry-after" in headers, time.monotonic() - before

    with ThreadPoolExecutor(CALLERS) as callers, locked():
        calls = callers.map(call, range(CALLERS))
        status, _, words = raw.exchange(web, raw.head("GET", "/readyz"))
        assert (status, b"locked" in words) == (503, True)
        assert raw.is_healthy(web)
        answers = list(calls)
    assert {answer[:2] for answer in answers} == {(503, True)}
    assert max(answer[2] for answer in answers) < LONGEST
    assert not Event.objects.exists()
    assert raw.exchange(web, event)[0] == 202
    assert raw.exchange(web, raw.head("GET", "/readyz"))[0] == 200
