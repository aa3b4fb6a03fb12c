"""DATABASE_URL and XMNOTIFY_BROKER_URL: what they mean, and which of them stop the start."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from kombu.utils.url import url_to_parts

from xmnotify import connections, env

NASTY = ["issue#12", "feature%2Fx", "a b", "what?", "c++", "a;b,c", "ö"]


def broker(monkeypatch, value, tmp_path):
    monkeypatch.setenv("XMNOTIFY_BROKER_URL", value)
    return connections.broker_url(tmp_path)


def database(monkeypatch, value, tmp_path):
    monkeypatch.setenv("DATABASE_URL", value)
    return connections.database(tmp_path)


def refusal(read, monkeypatch, value, tmp_path):
    with pytest.raises(ImproperlyConfigured) as caught:
        read(monkeypatch, value, tmp_path)
    return str(caught.value)


@pytest.mark.parametrize("folder", NASTY)
def test_the_embedded_database_is_inside_the_data_folder_however_that_is_named(monkeypatch, tmp_path, folder):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    config = connections.database(tmp_path / folder)
    assert config["NAME"] == str(tmp_path / folder / "xmnotify.sqlite3")
    assert config["ENGINE"] == "django.db.backends.sqlite3"


@pytest.mark.parametrize("folder", NASTY)
def test_the_embedded_broker_is_inside_the_data_folder_however_that_is_named(monkeypatch, folder):
    monkeypatch.delenv("XMNOTIFY_BROKER_URL", raising=False)
    var = env.ROOT.parent / folder  # short enough for a socket, unlike a test's own folder
    url = connections.broker_url(var)
    assert ";" not in url  # Celery would read two URLs
    assert "/" + url_to_parts(url).path == str(connections.broker_socket(var))


@pytest.mark.parametrize(
    "value",
    [
        "redis://elsewhere",
        "redis://:secret@elsewhere:6380/1",
        "rediss://user:p%23%2Fss@elsewhere/0",
        "redis+socket:///run/redis/redis.sock",
        "amqp://user:secret@elsewhere:5672//",
        "amqp://user:secret@elsewhere/a%2Fb",
        "amqps://user:secret@[fd00::1]/",
        "amqp://a;amqp://b",
        "filesystem://",
    ],
)
def test_a_broker_url_that_says_one_thing_is_taken_as_it_stands(monkeypatch, tmp_path, value):
    assert broker(monkeypatch, value, tmp_path) == value


@pytest.mark.parametrize(
    "value",
    [
        "redis://:pa#ss@elsewhere:6379/0",
        "redis://:pa/ss@elsewhere:6379/0",
        "redis://:pa?ss@elsewhere:6379/0",
        "redis://:pa%ss@elsewhere:6379/0",
        "redis://:pa@ss@elsewhere:6379/0",
        "redis://:pa ss@elsewhere:6379/0",
        "redis://:pa;ss@elsewhere:6379/0",
        "redis://:pa[ss@elsewhere:6379/0",
        "redis://:päss@elsewhere:6379/0",
        "amqp://user:pa#ss@elsewhere//",
    ],
)
def test_a_password_that_is_not_escaped_stops_the_start_and_is_not_shown(monkeypatch, tmp_path, value):
    said = refusal(broker, monkeypatch, value, tmp_path)
    assert said.startswith("XMNOTIFY_BROKER_URL")
    assert "percent" in said
    assert "ss@" not in said
    assert said.count("\n") == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"redis://:secret@elsewhere"', "quotes"),
        ("'redis://:secret@elsewhere'", "quotes"),
        ("reddis://:secret@elsewhere", "reddis"),
        ("elsewhere:6379", "redis://"),
        ("redis://elsewhere:port", "port"),
        ("redis://elsewhere:99999", "port"),
        ("redis://:secret@elsewhere/zero", "number of a database"),
        ("redis+socket://", "path"),
        ("rediss://elsewhere#x", "percent"),
    ],
)
def test_another_bad_broker_url_stops_the_start_with_its_reason(monkeypatch, tmp_path, value, said):
    refused = refusal(broker, monkeypatch, value, tmp_path)
    assert refused.startswith("XMNOTIFY_BROKER_URL")
    assert said in refused
    assert "secret" not in refused


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (
            "postgresql://user:p%23s%2Bs+@host:5433/name",
            {"USER": "user", "PASSWORD": "p#s+s+", "HOST": "host", "PORT": "5433", "NAME": "name"},
        ),
        ("postgresql://%2Fvar%2Frun%2FPostgresql/db", {"HOST": "/var/run/Postgresql", "NAME": "db"}),
        ("postgresql://me@%2Ftmp:5433/db", {"HOST": "/tmp", "PORT": "5433", "USER": "me", "NAME": "db"}),
        ("postgresql:///db?host=/var/run/postgresql", {"HOST": "/var/run/postgresql", "NAME": "db"}),
        ("postgres://host/a%2Bb+c", {"NAME": "a+b+c"}),
        ("postgresql://[fd00::1]:5432/db", {"HOST": "fd00::1", "PORT": "5432"}),
        ("postgresql://one:5432,two:5433/db", {"HOST": "one,two", "PORT": "5432,5433"}),
        ("postgresql://host/db?disable_server_side_cursors=false", {"DISABLE_SERVER_SIDE_CURSORS": False}),
        ("postgresql://host/db?disable_server_side_cursors=true", {"DISABLE_SERVER_SIDE_CURSORS": True}),
        ("postgresql://host/db?conn_max_age=0", {"CONN_MAX_AGE": 0}),
        ("postgresql://host/db?conn_max_age=60", {"CONN_MAX_AGE": 60}),
        ("postgresql://host/db?conn_health_checks=off", {"CONN_HEALTH_CHECKS": False}),
        (
            "postgresql://host/db?sslmode=require&application_name=a%20b",
            {"OPTIONS": {"sslmode": "require", "application_name": "a b"}},
        ),
        ("sqlite:////srv/issue#12/100%25/db", {"NAME": "/srv/issue#12/100%25/db"}),
    ],
)
def test_a_database_url_means_what_it_says(monkeypatch, tmp_path, value, meant):
    config = database(monkeypatch, value, tmp_path)
    assert {name: config[name] for name in meant} == meant


def test_connections_are_kept_unless_the_url_says_otherwise(monkeypatch, tmp_path):
    config = database(monkeypatch, "postgresql://host/db", tmp_path)
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (None, True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nowhere", "postgresql://"),
        ("mysql://host/db", "postgresql://"),
        ("postgresql://user@host", "name"),
        ("postgresql://user:pa#ss@host/db", "percent"),
        ("postgresql://user:pa/ss@host/db", "percent"),
        ("postgresql://user:pa?ss@host/db", "percent"),
        ("postgresql://user:pa@ss@host/db", "percent"),
        ('"postgresql://user:pass@host/db"', "quotes"),
        ("postgresql://host:port/db", "port"),
        ("postgresql://host/db?disable_server_side_cursors=perhaps", "disable_server_side_cursors"),
        ("postgresql://host/db?conn_max_age=long", "conn_max_age"),
        ("postgresql://host/db?atomic_requests=true", "atomic_requests"),
        ("postgresql://host/db?sslmod=require", "sslmod"),
        ("sqlite://", "path"),
        ("sqlite://:memory:", "path"),
        ("sqlite:///", "path"),
        ("sqlite:////srv/db?timeout=5", "options"),
        ("sqlite://srv/db", "path"),
    ],
)
def test_a_bad_database_url_stops_the_start_with_its_reason(monkeypatch, tmp_path, value, said):
    refused = refusal(database, monkeypatch, value, tmp_path)
    assert refused.startswith("DATABASE_URL")
    assert said in refused
    assert "ss@" not in refused
