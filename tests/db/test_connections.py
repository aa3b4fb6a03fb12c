"""The database connections of a worker's threads, from task to task."""

import pytest
from celery import current_app
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_prerun
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def next_task():
    """What happens in a worker's thread between two tasks."""
    fixup = DjangoWorkerFixup(current_app)

    def run():
        fixup.close_database()
        task_prerun.send(sender=None)

    return run


def test_a_connection_is_kept_from_task_to_task(next_task):
    connection.ensure_connection()
    before = connection.connection
    next_task()
    assert connection.connection is before


def test_a_broken_connection_is_replaced_before_the_next_task(next_task, monkeypatch):
    connection.ensure_connection()
    connection.errors_occurred = True
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    next_task()
    assert connection.connection is None
