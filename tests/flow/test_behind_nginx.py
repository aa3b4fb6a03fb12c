"""What a client sees through nginx, as Debian has it."""

import os

import pytest

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import Event
from tests import private_servers
from tests.db import world
from tests.flow import raw

pytestmark = pytest.mark.flow
LARGE = 7 * 1024 * 1024
PROXY = "client_max_body_size 20m; location / {{ proxy_pass http://127.0.0.1:{port}; {more} }}"
WAYS = {
    "as it is": "",
    "HTTP/1.1": "proxy_http_version 1.1; proxy_set_header Connection '';",
    "unbuffered": "proxy_http_version 1.1; proxy_request_buffering off;",
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def front(request, web):
    binary = private_servers.nginx_binary()
    if binary is None:
        assert not os.environ.get("XMNOTIFY_REQUIRE_ALL"), "nginx is missing"
        pytest.skip("nginx is not installed")
    with private_servers.nginx(binary, server=PROXY.format(port=web, more=request.param)) as port:
        yield port


def post(front, *lines, size, path="/api/v1/events/batch"):
    head = raw.head("POST", path, "Content-Type: application/json", f"Content-Length: {size}", *lines)
    return raw.exchange(front, head + b"x" * size)


def test_the_refusal_of_a_large_body_reaches_the_client(front):
    right = f"Authorization: Bearer {keys.create('mine', scopes=[ApiScope.EVENTS])}"
    for _ in range(3):  # a race, where there is one
        assert post(front, "Authorization: Bearer xmn_aaaaaaaa_wrong", size=LARGE)[0] == 401
        assert post(front, "webhook-signature: v1,x", size=LARGE, path="/api/v1/events")[0] == 413
        assert post(front, right, size=LARGE + 2 * 1024 * 1024)[0] == 413
        assert post(front, right, size=LARGE)[0] == 400


def test_events_in_chunks_come_through(front):
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    key = keys.create("mine", scopes=[ApiScope.EVENTS])
    body = b'{"type": "device.jailbroken", "device": {"serial": "S1"}}'
    lines = (f"Authorization: Bearer {key}", "Transfer-Encoding: chunked")
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for number in range(1, 20):
        assert raw.exchange(front, raw.head("POST", "/api/v1/events", *lines) + framed)[0] == 202
        assert Event.objects.count() == number
