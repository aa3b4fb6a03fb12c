"""Who a client is, how it came and to which host, reported by a real nginx that terminates TLS."""

import http.client
import os
import re
import ssl
from urllib.parse import urlencode

import pytest

from foundation.models import AuditEntry
from tests import ports, private_servers

pytestmark = pytest.mark.flow
HOST = "notify.example.com"
CLIENT = "127.0.0.9"
LOG_IN = "/admin/login/"
FORGED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "203.0.113.7",
    "Forwarded": "for=203.0.113.7;proto=https;host=evil.example",
}
PROXY = """
listen 127.0.0.1:{tls} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate};
location / {{
    proxy_pass http://127.0.0.1:{web}; {host}
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
}}
"""
HOSTS = {
    "Host": "proxy_set_header Host $host;",
    "X-Forwarded-Host": "proxy_set_header X-Forwarded-Host $host;",
}


@pytest.fixture
def web(start_web):
    """The web server's port, to which its proxy alone should have a way."""
    return start_web(
        XMNOTIFY_TLS="on", XMNOTIFY_TRUSTED_PROXIES="127.0.0.1/32", XMNOTIFY_ALLOWED_HOSTS=f"{HOST},127.0.0.1"
    )


@pytest.fixture(params=HOSTS.values(), ids=HOSTS)
def proxy(request, web, certificate):
    """Its ports for HTTP and for TLS; the host reaches the web as nginx has it, or by a header of its own."""
    binary = private_servers.nginx_binary()
    if binary is None:
        assert not os.environ.get("XMNOTIFY_REQUIRE_ALL"), "nginx is missing"
        pytest.skip("nginx is not installed")
    tls = ports.free()
    server = PROXY.format(tls=tls, web=web, certificate=certificate, host=request.param)
    with private_servers.nginx(binary, server=server) as port:
        yield port, tls


@pytest.fixture
def through_tls(proxy, certificate):
    context = ssl.create_default_context(cafile=certificate)
    return lambda: http.client.HTTPSConnection("127.0.0.1", proxy[1], context=context, source_address=(CLIENT, 0))


def plain(port):
    return http.client.HTTPConnection("127.0.0.1", port, source_address=(CLIENT, 0))


def ask(client, method="GET", path=LOG_IN, body=None, **headers):
    """Status, headers and body."""
    client.request(
        method, path, body, {"Host": HOST, **{name.replace("_", "-"): words for name, words in headers.items()}}
    )
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, answer.headers, text


def fail_to_log_in(connect, **headers):
    status, answered, page = ask(connect(), **headers)
    assert status == 200
    cookie = answered["Set-Cookie"].partition(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    typed = urlencode({"username": "ada", "password": "wrong", "csrfmiddlewaretoken": token})
    sent = {"Cookie": cookie, "Origin": f"https://{HOST}", "Content-Type": "application/x-www-form-urlencoded"}
    assert ask(connect(), "POST", LOG_IN, typed, **sent, **headers)[0] == 200
    return list(AuditEntry.objects.filter(action="log-in failed").values_list("actor", "address"))


def test_a_client_is_who_the_proxy_says_and_not_who_it_says_itself(through_tls):
    assert fail_to_log_in(through_tls) == [("ada", CLIENT)]
    assert fail_to_log_in(through_tls, **FORGED) == [("ada", CLIENT)] * 2


def test_over_tls_cookies_are_for_tls_alone_and_nothing_is_redirected(through_tls):
    status, headers, _ = ask(through_tls())
    assert status == 200
    assert "; Secure" in headers["Set-Cookie"]
    assert "max-age=31536000" in headers["Strict-Transport-Security"]


def test_over_http_the_proxys_client_is_sent_to_https_whatever_it_claims(proxy):
    for headers in ({}, FORGED):
        status, answered, _ = ask(plain(proxy[0]), **headers)
        assert (status, answered["Location"]) == (301, f"https://{HOST}{LOG_IN}")


def test_a_host_that_is_not_ours_is_refused_and_led_nowhere(proxy, through_tls):
    for client in (plain(proxy[0]), through_tls()):
        status, answered, text = ask(client, Host="evil.example")
        assert (status, answered["Location"]) == (400, None)
        assert "XMNOTIFY_ALLOWED_HOSTS" in text


def test_past_the_proxy_no_header_is_believed(web):
    status, answered, text = ask(plain(web), **FORGED, X_Forwarded_Host=HOST)
    assert (status, answered["Location"]) == (400, None)
    assert "XMNOTIFY_TRUSTED_PROXIES" in text
    assert "203.0.113.7" not in text
