"""The thread that keeps leases while a drain waits for its server."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError

from dispatch.heartbeat import beating

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = timedelta(milliseconds=1)


def test_it_beats_until_the_block_ends():
    beaten = threading.Semaphore(0)
    with beating(beaten.release, every=AT_ONCE):
        assert beaten.acquire(timeout=10)
        assert beaten.acquire(timeout=10)
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_beat_that_the_database_refuses_is_tried_again():
    beaten = threading.Semaphore(0)

    def fail():
        beaten.release()
        raise OperationalError

    with beating(fail, every=AT_ONCE):
        assert beaten.acquire(timeout=10)
        assert beaten.acquire(timeout=10)
