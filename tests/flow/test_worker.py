"""A real worker process on the test's broker."""

import pytest

from xmnotify.celery import app

pytestmark = pytest.mark.flow


def test_a_worker_listens_to_its_queue_and_answers(start_worker):
    start_worker("drain")
    assert app.control.ping(destination=["drain0@test"], timeout=10, limit=1) == [{"drain0@test": {"ok": "pong"}}]
