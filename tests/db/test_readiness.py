"""What tells an operator's machinery whether this process serves."""

import pytest
from django.db import DatabaseError

pytestmark = pytest.mark.django_db


def test_a_process_with_its_database_is_ready(client):
    assert client.get("/readyz").status_code == 200


def test_a_process_without_its_database_is_not_ready(client, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr("xmnotify.urls.connection.cursor", fail)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
