"""How long the statements of a worker wait for the locks of others."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from foundation.sql import locks

pytestmark = pytest.mark.django_db


@pytest.fixture
def bounded():
    locks.wait_at_most(timedelta(seconds=3))
    yield
    connection_created.disconnect(dispatch_uid="foundation.locks.wait_at_most")


def test_every_connection_from_then_on_waits_no_longer(bounded):
    with ThreadPoolExecutor(1) as another:
        waits = another.submit(_wait_of_a_new_connection).result()
    assert waits in (3000, "3s")


def _wait_of_a_new_connection():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout" if connection.vendor == "sqlite" else "SHOW lock_timeout")
        (waits,) = cursor.fetchone()
    connection.close()
    return waits
