"""Bodies in every framing that HTTP allows, and what is refused of them."""

import base64
import hmac
import json
import shutil
import subprocess

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from api.access import keys, webhooks
from api.kit.callers import ApiScope
from dispatch.models import Event
from servers.models import SmsGateway
from servers.values import RECEIPT_PATH
from tests.db import world
from tests.flow import raw

pytestmark = pytest.mark.flow
EVENT = b'{"type": "device.jailbroken", "device": {"serial": "S1"}}'
LARGE = 7 * 1024 * 1024


@pytest.fixture
def port(web):
    world.smtp_server()
    world.template()
    world.device(owner=world.person())
    return web


@pytest.fixture
def key(transactional_db):
    return keys.create("mine", scopes=[ApiScope.EVENTS])


def chunked(body, *, size=7):
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post(path, *lines, body=b"", framed=None):
    framing = "Transfer-Encoding: chunked" if framed is not None else f"Content-Length: {len(body)}"
    return raw.head("POST", path, *lines, framing) + (body if framed is None else framed)


def signed(secret, content):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.new(key, content, "sha256").digest()).decode()


def receipt_token():
    return SmsGateway.objects.get(pk=world.sms_gateway().pk).receipt_token.reveal()


def with_key(key):
    return f"Authorization: Bearer {key}"


def test_an_event_in_chunks_is_taken_as_any_other(port, key):
    status, _, body = raw.exchange(port, post("/api/v1/events", with_key(key), framed=chunked(EVENT)))
    assert status == 202, body
    assert Event.objects.get().type == "device.jailbroken"


def test_a_batch_that_is_larger_than_strangers_may_send_is_taken_with_a_key_in_either_framing(port, key):
    item = {**json.loads(EVENT), "data": {"text": "x" * 9_000}}
    batch = json.dumps({"events": [item] * 100}).encode()
    assert len(batch) > 800_000
    assert raw.exchange(port, post("/api/v1/events/batch", with_key(key), body=batch))[0] == 202
    framed = chunked(batch, size=60_000)
    assert raw.exchange(port, post("/api/v1/events/batch", with_key(key), framed=framed))[0] == 202
    assert Event.objects.count() == 200


def test_a_signed_event_in_chunks_is_taken(port):
    secret = webhooks.create("hook", scopes=[ApiScope.EVENTS])
    seconds = str(int(timezone.now().timestamp()))
    signature = signed(secret, f"m1.{seconds}.".encode() + EVENT)
    lines = ("webhook-id: m1", f"webhook-timestamp: {seconds}", f"webhook-signature: v1,{signature}")
    assert raw.exchange(port, post("/api/v1/events", *lines, framed=chunked(EVENT)))[0] == 202


def test_a_receipt_in_chunks_is_read(port):
    path = f"/{RECEIPT_PATH}{receipt_token()}/"
    line = "Content-Type: application/json"
    broken = post(path, line, framed=chunked(b"{not json"))
    assert raw.exchange(port, broken)[0] == 400  # it was read: nothing at all is answered with 204
    assert raw.exchange(port, post(path, line, framed=chunked(b'{"messageId": "1"}')))[0] in {204, 401}


def test_a_form_in_chunks_is_read(port):
    User.objects.create_superuser("chunky", password="a password for the test")
    page = Client().get("/admin/login/")
    token = page.cookies["csrftoken"].value
    form = f"csrfmiddlewaretoken={token}&username=chunky&password=a+password+for+the+test".encode()
    lines = ("Content-Type: application/x-www-form-urlencoded", f"Cookie: csrftoken={token}")
    assert raw.exchange(port, post("/admin/login/", *lines, framed=chunked(form)))[0] == 302


@pytest.mark.parametrize("trailing", [b"zz\r\nrubbish", b"5\r\nab"])
def test_a_body_in_chunks_that_breaks_off_is_not_taken_for_a_whole_one(port, key, trailing):
    with raw.connect(port) as client:
        client.sendall(post("/api/v1/events", with_key(key), framed=chunked(EVENT)[: -len(b"0\r\n\r\n")] + trailing))
        client.shutdown(1)
        assert raw.answer(client)[0] in {0, 400}
    assert raw.exchange(port, raw.head("GET", "/readyz"))[0] == 200
    assert not Event.objects.exists()


def curl(port, *arguments, body=b""):
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    command = [program, "-s", "--max-time", "20", "-o", "/dev/stderr", "-w", "%{http_code}", *arguments]
    ran = subprocess.run(command, input=body, capture_output=True, check=False)
    return int(ran.stdout), ran.stderr


def test_http_2_without_a_length_is_taken_as_any_other(port, key):
    url = f"http://127.0.0.1:{port}/api/v1/events"
    h2 = ("--http2-prior-knowledge", "-X", "POST", "-T", "-", "-H", with_key(key), url)
    status, body = curl(port, *h2, body=EVENT)
    assert status == 202, body
    assert curl(port, *h2[:-1], f"{url}/batch", body=b"x" * 300_000)[0] == 400  # known by its key, and no JSON
    assert Event.objects.count() == 1


def test_a_stream_of_http_2_that_is_reset_costs_nothing(port, key):
    """Granian hands out empty chunks without end for it."""
    url = f"http://127.0.0.1:{port}/api/v1/events"
    program = shutil.which("curl")
    command = [program, "-s", "--http2-prior-knowledge", "-X", "POST", "-T", "-", "-H", with_key(key), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sending:
        sending.stdin.write(EVENT)
        sending.stdin.flush()
        assert raw.is_healthy(port)
        sending.kill()
    assert raw.exchange(port, raw.head("GET", "/readyz"))[0] == 200
    assert raw.is_healthy(port)
    assert not Event.objects.exists()


@pytest.mark.parametrize("path", ["/api/v1/events", "/admin/login/", f"/{RECEIPT_PATH}token/"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
def test_an_encoded_body_is_415_that_names_the_encoding(port, path, encoding):
    status, _, body = raw.exchange(port, post(path, f"Content-Encoding: {encoding}", body=b"\x1f\x8b"))
    assert status == 415
    assert encoding in body.decode()


LIMITS = [
    ("/api/v1/events", ("webhook-signature: v1,x",), 256 * 1024, {401}),
    ("/api/v1/events", (), 256 * 1024, {401}),
    (
        "/admin/login/",
        ("Content-Type: application/x-www-form-urlencoded", f"Cookie: csrftoken={'t' * 32}"),
        64 * 1024,
        {403},
    ),
    (f"/{RECEIPT_PATH}TOKEN/", ("Content-Type: application/x-www-form-urlencoded",), 16 * 1024, {204, 401}),
]


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize(("path", "lines", "most", "read"), LIMITS)
def test_who_is_not_known_may_send_so_much_and_no_more(port, path, lines, most, read, in_chunks):
    if "TOKEN" in path:
        path = path.replace("TOKEN", receipt_token())

    def status(size):
        body = b"a" * size
        framed = chunked(body, size=16_000) if in_chunks else None
        return raw.exchange(port, post(path, *lines, body=body, framed=framed))

    assert status(most)[0] in read
    refused, headers, _ = status(most + 1)
    assert refused == (401 if path.endswith("events") and not lines else 413)
    assert headers["connection"] == "close"


def test_who_is_logged_in_may_send_larger_forms(port):
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="a password for the test"))
    client.get("/settings/api-keys/add/")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    form = f"csrfmiddlewaretoken={client.cookies['csrftoken'].value}&name={'x' * 200_000}".encode()
    lines = ("Content-Type: application/x-www-form-urlencoded", f"Cookie: {cookies}")
    assert raw.exchange(port, post("/settings/api-keys/add/", *lines, body=form))[0] == 422
    stranger = f"Cookie: csrftoken={client.cookies['csrftoken'].value}"
    assert raw.exchange(port, post("/settings/api-keys/add/", lines[0], stranger, body=form))[0] == 413
