"""Behind a real pooler that gives each transaction whatever server process is free."""

import copy
import os

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections

from foundation.sql import postgresql
from foundation.sql.statements import Statement
from tests import private_servers

BINARY = private_servers.pgbouncer_binary()
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no pooler"),
    pytest.mark.skipif(
        BINARY is None and os.environ.get("XMNOTIFY_REQUIRE_ALL") != "1", reason="PgBouncer is not on this machine"
    ),
]


@pytest.fixture
def client():
    """Makes clients of a pooler that has one connection for all of them."""
    made = []
    database = connection.settings_dict
    with private_servers.pgbouncer(BINARY, host=database["HOST"], port=int(database["PORT"] or 5432)) as port:

        def make():
            settings = copy.deepcopy(database) | {"HOST": "127.0.0.1", "PORT": port}
            made.append(type(connections[DEFAULT_DB_ALIAS])(settings, alias=f"client {len(made)}"))
            made[-1].ensure_connection()
            return made[-1]

        yield make
        for one in made:
            one.close()


def test_no_client_runs_the_statement_of_another(client):
    clients = [client() for _ in range(3)]
    for turn in range(6):
        for number, one in enumerate(clients):
            statement = Statement(f"SELECT CAST(%s AS integer) * {10 ** (number + 1)}", [turn])
            assert postgresql.run(one.connection, [statement, statement]) == [[(turn * 10 ** (number + 1),)]] * 2


def test_nothing_is_sent_ahead_through_it(client):
    """It would end the connection now and then."""
    assert not postgresql.pipelines(client().connection)


def test_many_rows_are_read_in_chunks_without_a_transaction(client):
    one = client()
    with one.chunked_cursor() as cursor:
        cursor.execute("SELECT * FROM generate_series(1, 5000)")
        client().cursor().execute("SELECT 1")
        assert sum(len(rows) for rows in iter(lambda: cursor.fetchmany(100), [])) == 5_000


def test_without_a_pooler_statements_are_kept_prepared():
    connection.close()
    connection.connect()
    assert connection.connection.prepare_threshold is not None
    assert postgresql.pipelines(connection.connection)
    assert not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
