"""What Django sees of headers of proxies."""

from ipaddress import ip_network

import pytest

from xmnotify.web import proxies

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_doubted():
    proxies._doubted.forget()
    yield
    proxies._doubted.forget()


def test_a_stranger_can_not_claim_https_a_host_or_an_address(client, settings, admin_client):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    claim = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1"}
    assert client.get("/admin/login/", headers=claim).status_code == 400
    settings.SECURE_SSL_REDIRECT = False
    page = admin_client.get("/settings/health/").content.decode()
    assert "127.0.0.1 sends X-Forwarded headers, which do not count" in page
    settings.SECURE_SSL_REDIRECT = True
    settings.XMNOTIFY_TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)
    settings.ALLOWED_HOSTS = ["testserver", "notify.example.com"]
    believed = client.get("/admin/login/", headers={**claim, "X-Forwarded-Host": "notify.example.com"})
    assert believed.status_code == 200
    assert believed.wsgi_request.META["REMOTE_ADDR"] == "192.0.2.1"
    assert believed.wsgi_request.get_host() == "notify.example.com"


def test_health_says_nothing_where_nobody_says_anything(admin_client):
    assert "X-Forwarded" not in admin_client.get("/settings/health/").content.decode()
