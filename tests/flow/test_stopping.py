"""A worker that is told to stop while the database takes nothing: it ends, and what it knows is not lost."""

import signal
import sqlite3
from collections import Counter

import pytest
from django.db import connection
from django.utils import timezone

from dispatch.models import Delivery
from dispatch.upkeep import sweep
from tests import waiting
from tests.db import world

MANY = 300

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="it is SQLite's lock that is held"),
]


@pytest.fixture
def other():
    """Another program with the same database."""
    opened = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=60)
    yield opened
    opened.close()


def test_a_worker_ends_while_the_lock_is_held_and_the_next_one_knows_what_it_knew(start_worker, smtp, other, tmp_path):
    server = world.smtp_server(port=smtp.port, connections=2)
    world.many_deliveries(MANY, server=server)
    worker = start_worker("drain", XMNOTIFY_SMTP_PORTS="any", REMAP_SIGTERM="SIGQUIT")
    sweep.wake_where_due(now=timezone.now())
    waiting.until(lambda: smtp.inbox.count > MANY // 10)
    other.execute("BEGIN IMMEDIATE")
    worker.send_signal(signal.SIGTERM)
    worker.wait(waiting.PATIENCE)
    other.execute("ROLLBACK")
    start_worker("drain", XMNOTIFY_SMTP_PORTS="any")
    sweep.wake_where_due(now=timezone.now())
    waiting.until(lambda: states() == {"sent": MANY}, report=states)
    assert smtp.inbox.count == MANY


def states():
    return Counter(Delivery.objects.values_list("state", flat=True))
