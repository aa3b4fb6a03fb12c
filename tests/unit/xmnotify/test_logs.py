"""What strangers' requests can put into the log: short lines, and few of them."""

import io
import logging

import pytest
from django.test import Client

from xmnotify import logs


@pytest.fixture
def log():
    """What a handler with our formatter and filter writes, and the filter's clock."""
    stream, clock = io.StringIO(), [0.0]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Formatter("%(levelname)s %(name)s %(message)s"))
    handler.addFilter(logs.FewRefusals(clock=lambda: clock[0]))
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream, clock
    root.removeHandler(handler)


def test_a_foreign_host_again_and_again_is_a_few_lines_and_a_number(log, caplog):
    stream, clock = log
    client = Client()
    lines_of_all = 500
    for _ in range(lines_of_all):
        assert client.get("/", headers={"host": "x" * 3_000}).status_code == 400
    lines = [line for line in stream.getvalue().splitlines() if "Invalid HTTP_HOST" in line]  # others may count too
    assert len(lines) == logs.MOST_REFUSALS
    assert all(len(line) < logs.LONGEST + 100 for line in lines)
    clock[0] = 61
    client.get("/", headers={"host": "elsewhere"})
    left_out, last = stream.getvalue().splitlines()[-2:]
    assert left_out == f"WARNING xmnotify.logs refusals.left_out count={lines_of_all - logs.MOST_REFUSALS}"
    assert "Invalid HTTP_HOST header: 'elsewhere'" in last


def test_a_long_path_is_cut(log):
    stream, _ = log
    Client().get("/" + "x" * 60_000, headers={"host": "localhost"})
    (line,) = stream.getvalue().splitlines()
    assert len(line) < logs.LONGEST + 100
    assert "60,0" in line


def test_our_own_faults_are_never_left_out(log):
    stream, _ = log
    for number in range(2 * logs.MOST_REFUSALS):
        logging.getLogger("django.request").error("Internal Server Error: %s", number)
        logging.getLogger("dispatch.sending.drain").warning("drain.failed number=%s", number)
    assert len(stream.getvalue().splitlines()) == 4 * logs.MOST_REFUSALS


def test_a_traceback_is_whole(log):
    stream, _ = log
    try:
        {}["y" * 5_000]
    except KeyError:
        logging.getLogger("dispatch").exception("drain.fault %s", "x" * 5_000)
    assert "y" * 5_000 in stream.getvalue()
    assert "x" * 5_000 not in stream.getvalue()
