"""A real worker process on the test's broker."""

import pytest

from tests import waiting
from xmnotify.celery import app

pytestmark = pytest.mark.flow


def test_a_worker_listens_to_its_queue_and_answers(start_worker):
    start_worker("drain")
    pongs = app.control.ping(destination=["drain0@test"], timeout=waiting.PATIENCE, limit=1)
    assert pongs == [{"drain0@test": {"ok": "pong"}}]
