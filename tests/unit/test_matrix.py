import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import matrix
from tests.matrix import Part, Result

ROOT = Path(__file__).resolve().parents[2]
ALONE = ["tests/flow/test_quickstart.py", "tests/flow/test_ledger.py"]
OURS = [f"--ignore={path}" for path in ALONE]
SERVERS = "PostgreSQL, Redis"


@pytest.mark.parametrize("given", [[], ["tests"]])
def test_everything_runs_in_six_parts_of_which_one_has_what_no_other_has(given):
    assert matrix.parts(given) == [
        Part("SQLite, browser", ["tests/browser"]),
        Part("PostgreSQL, rows", ["tests/db", *OURS], on_servers=True),
        Part("SQLite, flow", ["tests/flow", *OURS]),
        Part("PostgreSQL, Redis, flow", ["tests/flow", *OURS], on_servers=True),
        Part("SQLite, wire and quick start", ["tests/wire", *ALONE]),
        Part("SQLite, all else", ["tests", *[f"--ignore=tests/{folder}" for folder in ("browser", "flow", "wire")]]),
    ]


def test_servers_that_were_named_have_one_part_at_a_time(monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://a/b")
    monkeypatch.setenv("TEST_BROKER_URL", "redis://a")
    with matrix._servers() as urls:
        assert urls == {"TEST_DATABASE_URL": "postgresql://a/b", "TEST_BROKER_URL": "redis://a"}
        assert matrix._named_servers.locked()
    assert not matrix._named_servers.locked()


def test_what_is_chosen_runs_on_both_databases_with_its_options():
    assert matrix.parts(["tests/db/x.py::y", "tests/unit", "-k", "word"]) == [
        Part("SQLite", ["tests/db/x.py::y", "tests/unit", "-k", "word"]),
        Part(SERVERS, ["tests/db/x.py::y", *OURS, "-k", "word"], on_servers=True),
    ]


@pytest.mark.parametrize("path", ["tests/unit", "tests/browser/test_log.py", *ALONE])
def test_what_needs_no_server_runs_once(path):
    assert matrix.parts([path]) == [Part("SQLite", [path])]


@pytest.mark.parametrize(
    ("statuses", "narrowed", "required", "status"),
    [
        ([0, 0], False, "1", 0),
        ([0, 1], False, "", 1),
        ([0, 5], False, "", 1),
        ([0, 5], True, "", 0),
        ([5, 5], True, "", 1),
        ([0, None], False, "", 0),
        ([0, None], False, "1", 1),
    ],
)
def test_a_part_that_fails_or_has_no_test_or_may_not_be_left_out_is_a_failure(
    monkeypatch, statuses, narrowed, required, status
):
    monkeypatch.setenv("XMNOTIFY_REQUIRE_ALL", required)
    results = {str(number): Result(each) for number, each in enumerate(statuses)}
    assert matrix.report(results, narrowed=narrowed) == status


def test_a_plain_pytest_has_surroundings_of_its_own(tmp_path):
    """Whatever stands in the environment of this machine, and nothing stays behind."""
    kept = tmp_path / "kept"
    kept.mkdir()
    run = subprocess.run(
        [Path(sys.executable).with_name("pytest"), "-q", "-p", "no:cacheprovider", "tests/db/test_readiness.py"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(kept), "DATABASE_URL": "nowhere", "XMNOTIFY_LOG_LEVEL": "loud"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert not list(kept.glob("xmnotify-*"))
