"""What is answered before anything else: probes by any host, hosts that are not ours, encodings."""

import pytest

from xmnotify.web import front

pytestmark = pytest.mark.django_db
FOREIGN = {"host": "10.42.8.201:8000"}


@pytest.mark.parametrize("path", front.PROBES)
@pytest.mark.parametrize("headers", [FOREIGN, {"host": "a b"}, {"host": ""}, {"content-encoding": "gzip"}])
def test_a_probe_is_answered_whatever_the_host(client, settings, path, headers):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/v1/ping", "/api/docs", "/receipts/nexmo/x/", "/none"])
def test_a_foreign_host_is_told_which_variable_lacks_it(client, path):
    answer = client.get(path, headers=FOREIGN)
    assert answer.status_code == 400
    assert "XMNOTIFY_ALLOWED_HOSTS" in answer.text
    assert "10.42.8.201:8000" in answer.text


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "a\x01b", "é.example", "x" * 5_000])
def test_a_host_is_repeated_in_a_form_that_does_no_harm(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/plain")
    assert len(answer.content) < 700


def test_the_identity_is_no_encoding(client):
    assert client.get("/admin/login/", headers={"content-encoding": "identity"}).status_code == 200
