"""What tells an operator's machinery whether this process serves."""

import pytest

pytestmark = pytest.mark.django_db


def test_a_process_with_its_database_is_ready(client):
    assert client.get("/readyz").status_code == 200
