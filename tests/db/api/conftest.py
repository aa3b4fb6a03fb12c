"""What tests of the HTTP interface share: a caller with a key, and a small world."""

import json
import threading

import pytest
from django.test import Client

from api.access import keys
from api.kit.callers import ApiScope
from tests.db import world


class Api:
    """A client with a key, speaking JSON."""

    def __init__(self, key):
        self.key = key
        self.client = Client(raise_request_exception=False)

    def headers(self, more):
        own = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {**own, **(more or {})}

    def get(self, path, headers=None):
        return self.client.get(f"/api/v1{path}", headers=self.headers(headers))

    def send(self, method, path, body=None, *, headers=None, content_type="application/json"):
        raw = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.generic(
            method, f"/api/v1{path}", raw, content_type=content_type, headers=self.headers(headers)
        )

    def post(self, path, body=None, **options):
        return self.send("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.send("PUT", path, body, **options)

    def delete(self, path):
        return self.client.delete(f"/api/v1{path}", headers=self.headers(None))


@pytest.fixture(autouse=True)
def _a_folder_for_static_files(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def api(db):
    """Makes a caller with these scopes."""
    made = []

    def make(*scopes, **fields):
        made.append(scopes)
        return Api(keys.create(f"key {len(made)}", scopes=scopes or list(ApiScope), **fields))

    return make


@pytest.fixture
def wake_ups(monkeypatch):
    heard = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", heard.append)
    return heard


@pytest.fixture
def small_world(db, wake_ups):
    """A server, an own template, and a person with a device."""
    world.smtp_server()
    world.template()
    world.device(owner=world.person())


@pytest.fixture
def problem():
    """Checks that an answer is a problem of this status about this field, and gives its first error."""

    def check(answer, status, field=None, code=None):
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        returned = answer.json()
        assert returned["status"] == status
        assert returned["detail"]
        assert "Traceback" not in answer.content.decode()
        first = returned["errors"][0] if returned["errors"] else None
        if field is not None:
            assert first["field"] == field, returned
        if code is not None:
            assert first["code"] == code, returned
        return returned

    return check


@pytest.fixture
def idle_tests(monkeypatch):
    """Tests of servers are begun, and their threads do nothing."""
    monkeypatch.setattr("servers.testing.runs._slots", threading.Semaphore(1_000))
    monkeypatch.setattr("servers.testing.runs._work", lambda run, to: None)
