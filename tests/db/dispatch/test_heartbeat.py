"""The thread that keeps leases while a drain waits for its server."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError

from dispatch.sending.heartbeat import beating
from tests import waiting

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = timedelta(milliseconds=1)


def assert_it_beats():
    beaten = threading.Semaphore(0)
    with beating(beaten.release, every=AT_ONCE):
        assert beaten.acquire(timeout=waiting.PATIENCE)
        assert beaten.acquire(timeout=waiting.PATIENCE)


def test_it_beats_until_the_block_ends():
    beaten = threading.Semaphore(0)
    with beating(beaten.release, every=AT_ONCE):
        assert beaten.acquire(timeout=waiting.PATIENCE)
    while beaten.acquire(blocking=False):
        pass
    assert_it_beats()
    assert not beaten.acquire(blocking=False)


def test_one_thread_beats_for_all_who_begin_and_end_at_any_time():
    slow = threading.Semaphore(0)
    with beating(slow.release, every=timedelta(hours=1)):
        with beating(slow.release, every=timedelta(hours=2)):
            assert_it_beats()
        assert_it_beats()
    assert not slow.acquire(blocking=False)
    assert [thread.name for thread in threading.enumerate()].count("heartbeat") == 1


def test_a_block_ends_only_after_the_beat_that_goes_on():
    began, may_end = threading.Event(), threading.Event()
    done = []

    def renew():
        began.set()
        assert may_end.wait(waiting.PATIENCE)
        done.append(True)

    with beating(renew, every=AT_ONCE):
        assert began.wait(waiting.PATIENCE)
        threading.Timer(0.05, may_end.set).start()
    assert done == [True]


@pytest.mark.parametrize(("error", "logged"), [(OperationalError, "failed"), (ZeroDivisionError, "fault")])
def test_a_beat_that_fails_is_tried_again_and_takes_no_other_with_it(caplog, error, logged):
    beaten = threading.Semaphore(0)

    def fail():
        beaten.release()
        raise error

    with beating(fail, every=AT_ONCE):
        assert beaten.acquire(timeout=waiting.PATIENCE)
        assert_it_beats()
        assert beaten.acquire(timeout=waiting.PATIENCE)
    assert f"heartbeat.{logged}" in caplog.text
