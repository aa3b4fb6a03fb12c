"""The database connections of a worker's threads, from task to task."""

import pytest
from celery import current_app
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_prerun
from django.db import OperationalError, connection

from devices import statements

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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no connection that dies")
def test_a_read_notices_that_the_kept_connection_died_and_asks_once_more_on_a_new_one():
    connection.ensure_connection()
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.errors_occurred = False
    connection.health_check_enabled, connection.health_check_done = True, False
    assert statements.read("SELECT %s::int", [7]) == [(7,)]


def test_a_statement_of_our_own_is_seen_where_queries_are_counted(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert statements.read("SELECT CAST(%s AS integer)", [7]) == [(7,)]
