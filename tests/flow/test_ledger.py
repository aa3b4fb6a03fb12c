"""Faults in mid-flow, by the peer's own ledger: a short run of what `python -m bench.ledger` shows at length."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests import private_servers

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="each run starts servers of its own"),
]
on_postgresql = pytest.mark.skipif(private_servers.postgres_binaries() is None, reason="there is no PostgreSQL")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("restarts", ["--mails", "1200", "--faults", "2"], marks=on_postgresql),
        ("kills-held", ["--mails", "1200", "--faults", "2"]),
        ("locks", ["--mails", "600", "--faults", "1", "--lock", "22"]),
    ],
    ids=["PostgreSQL restarted", "workers killed", "SQLite locked"],
)
def test_nothing_is_lost_and_a_fault_doubles_one_message_a_connection_at_most(name, options):
    command = [sys.executable, "-m", "bench.ledger", name, *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout)
