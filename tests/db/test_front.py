"""What is answered before anything else: probes by any host, hosts that are not ours, encodings."""

from ipaddress import ip_network

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


@pytest.fixture
def _terminated(settings):
    """As XMNOTIFY_TLS=on has it, behind a proxy on 127.0.0.0/8."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.XMNOTIFY_TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/v1/ping", "/receipts/nexmo/x/"])
@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.1", {}),
        ("192.0.2.1", {"x-forwarded-proto": "https"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"x-forwarded-proto": "http", "sec-fetch-site": "none"}),
    ],
    ids=["no proxy", "a proxy that is not trusted", "a proxy that says nothing", "a proxy that does not know"],
)
@pytest.mark.usefixtures("_terminated")
def test_where_a_redirect_would_lead_back_here_the_answer_says_what_is_missing(client, caplog, path, peer, headers):
    answer = client.get(path, REMOTE_ADDR=peer, headers=headers)
    assert answer.status_code == 400
    assert "XMNOTIFY_TRUSTED_PROXIES" in answer.text
    assert "X-Forwarded-Proto" in answer.text
    assert peer not in answer.text
    assert f"peer={peer}" in caplog.text


@pytest.mark.usefixtures("_terminated")
def test_a_client_that_a_trusted_proxy_took_over_http_is_sent_to_https(client):
    answer = client.get("/admin/login/?next=/", headers={"x-forwarded-proto": "http"})
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/admin/login/?next=/")
    assert client.get("/admin/login/", headers={"x-forwarded-proto": "https"}).status_code == 200
