"""The database connections of a worker's threads from task to task, and statements of our own on them."""

import socket
import threading

import pytest
from celery import current_app
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_prerun
from django.db import DatabaseError, DataError, OperationalError, ProgrammingError, connection, transaction
from psycopg.pq import TransactionStatus

from devices.models import Person
from foundation.sql import statements
from foundation.sql.statements import Statement

pytestmark = pytest.mark.django_db(transaction=True)
postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no connection")


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


@postgresql
def test_a_read_notices_that_the_kept_connection_died_and_asks_once_more_on_a_new_one():
    connection.ensure_connection()
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.errors_occurred = False
    connection.health_check_enabled, connection.health_check_done = True, False
    assert statements.read("SELECT %s::int", [7]) == [(7,)]


@postgresql
def test_a_database_that_can_not_be_reached_is_told_as_django_tells_it(monkeypatch):
    connection.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed = silent.getsockname()[1]
    monkeypatch.setitem(connection.settings_dict, "PORT", closed)
    with pytest.raises(OperationalError):
        statements.read("SELECT 1")


def test_a_statement_of_our_own_is_seen_where_queries_are_counted(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert statements.read("SELECT CAST(%s AS integer)", [7]) == [(7,)]


def reading(*values):
    """Asks for each value in turn and returns what came back."""
    found = []
    for value in values:
        rows = yield Statement("SELECT CAST(%s AS integer)", [value])
        found.append(rows[0][0])
    return found


def test_readings_made_together_each_get_their_own_rows():
    assert statements.results_of(reading(1, 2, 3), reading(), reading(4)) == [[1, 2, 3], [], [4]]
    assert statements.results_of() == []


def test_readings_made_together_see_what_their_transaction_wrote(django_user_model):
    def names():
        rows = yield Statement("SELECT username FROM auth_user ORDER BY id")
        return [row[0] for row in rows]

    with transaction.atomic():
        django_user_model.objects.create(username="new")
        assert statements.results_of(names(), reading(1), names()) == [["new"], [1], ["new"]]


@postgresql
def test_a_read_can_begin_a_transaction():
    with transaction.atomic():
        assert statements.results_of(reading(1), reading(2)) == [[1], [2]]
        assert connection.connection.info.transaction_status == TransactionStatus.INTRANS


@postgresql
def test_one_wrong_statement_of_several_is_told_and_the_connection_stays_of_use():
    def wrong():
        yield Statement("SELECT 1 / CAST(%s AS integer)", [0])

    with pytest.raises(DataError, match="division by zero"):
        statements.results_of(reading(1), wrong(), reading(2))
    assert statements.results_of(reading(1), reading(2)) == [[1], [2]]


@postgresql
def test_a_statement_that_the_server_does_not_understand_is_told_by_its_kind():
    for prepare in (True, False):
        with pytest.raises(ProgrammingError, match="no_such_table"):
            statements.read("SELECT 1 FROM no_such_table", prepare=prepare)
    assert statements.read("SELECT 1") == [(1,)]


@postgresql
def test_questions_and_answers_larger_than_the_buffers_between_us_and_the_server_come_through():
    def large():
        rows = yield Statement("SELECT CAST(%s AS text)", ["x" * 8_000_000], prepare=False)
        return len(rows[0][0])

    assert statements.results_of(*(large() for _ in range(4))) == [8_000_000] * 4


@postgresql
def test_readings_made_together_notice_that_the_kept_connection_died():
    connection.ensure_connection()
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.errors_occurred = False
    connection.health_check_enabled, connection.health_check_done = True, False
    assert statements.results_of(reading(1), reading(2)) == [[1], [2]]


@postgresql
def test_a_connection_that_dies_while_several_run_is_reported_as_lost():
    def deadly():
        yield Statement("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        statements.results_of(reading(1), deadly(), reading(2))
    connection.close_if_unusable_or_obsolete()
    assert statements.results_of(reading(1), reading(2)) == [[1], [2]]


@pytest.mark.parametrize("logged", [False, True], ids=["as usual", "where queries are logged"])
def test_of_statements_in_one_round_trip_all_change_something_or_none(settings, logged):
    settings.DEBUG = logged
    Person.objects.create(loginname="u1", displayname="Before")
    change = Statement("UPDATE devices_person SET displayname = %s", ["After"])
    with pytest.raises(DatabaseError):
        statements.in_one_round_trip([change, Statement("SELECT no_such_column FROM devices_person")])
    assert Person.objects.get().displayname == "Before"
    statements.in_one_round_trip([change, Statement("SELECT displayname FROM devices_person")])
    connection.close()
    assert Person.objects.get().displayname == "After"


@postgresql
def test_what_is_prepared_outlives_a_transaction_that_is_rolled_back_and_a_table_that_goes():
    assert statements.read("SELECT CAST(%s AS integer)", [7]) == [(7,)]
    with pytest.raises(DataError), transaction.atomic():
        statements.run("SELECT 1 / CAST(%s AS integer)", [0])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE passing (id integer)")
        cursor.execute("DROP TABLE passing")
    assert statements.read("SELECT CAST(%s AS integer)", [7]) == [(7,)]


@postgresql
def test_no_more_than_some_statements_are_kept_prepared():
    connection.ensure_connection()
    most = connection.connection.prepared_max
    for number in range(most + 10):
        assert statements.read(f"SELECT {number} + CAST(%s AS integer)", [1]) == [(number + 1,)]
    ((count,),) = statements.read("SELECT count(*) FROM pg_prepared_statements", prepare=False)
    assert count == most


@postgresql
def test_nothing_is_prepared_behind_a_pooler_that_mixes_connections():
    connection.close()
    connection.connect()
    connection.connection.prepare_threshold = None
    try:
        assert statements.results_of(reading(1), reading(2)) == [[1], [2]]
        assert statements.read("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    finally:
        connection.close()


@postgresql
def test_other_threads_run_while_statements_are_answered():
    def slow():
        yield Statement("SELECT CAST(pg_sleep(0.3) AS text)")

    for question in ((slow(),), (slow(), slow())):
        done = threading.Event()
        turns = 0
        thread = threading.Thread(target=_ask_and_close, args=(question, done))
        thread.start()
        while not done.wait(0.001):
            turns += 1
        thread.join()
        assert turns > 20


def _ask_and_close(question, done):
    try:
        statements.results_of(*question)
    finally:
        connection.close()
        done.set()
