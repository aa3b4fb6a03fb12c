"""Posts signed by Standard Webhooks."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from api.access import edits, webhooks
from api.kit.callers import ApiScope
from api.kit.problems import ProblemError
from api.models import Webhook
from dispatch.models import Event
from foundation.audit import Actor
from tests.db.api.conftest import Api

pytestmark = pytest.mark.django_db
BODY = {"type": "device.jailbroken", "timestamp": "2026-11-22T14:00:00Z", "device": {"serial": "S1"}, "data": {"a": 1}}

# The example of the Standard Webhooks specification.
VECTOR = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def sign(secret, body, *, message_id="msg_1", at=None):
    at = str(int((at or timezone.now()).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.fixture
def secret(small_world):
    return webhooks.create("mdm", scopes=["events"])


@pytest.fixture
def post():
    def send(body, headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Api("").post("/events", raw, headers=headers)

    return send


def test_the_vector_of_the_specification_is_accepted(db):
    Webhook.objects.create(name="x", secret=VECTOR["secret"], scopes=["events"])
    headers = {
        "webhook-id": VECTOR["id"],
        "webhook-timestamp": str(VECTOR["timestamp"]),
        "webhook-signature": VECTOR["signature"],
    }
    now = datetime.fromtimestamp(VECTOR["timestamp"], UTC)
    assert webhooks.check(headers, VECTOR["body"], now=now).name == "x"
    with pytest.raises(ProblemError):
        webhooks.check(headers, VECTOR["body"] + b" ", now=now)


def test_a_signed_event_is_taken(secret, post):
    raw = json.dumps(BODY).encode()
    answer = post(raw, sign(secret, raw))
    assert answer.status_code == 202
    event = Event.objects.get()
    assert event.origin.startswith("hook:")
    assert event.occurred_at.isoformat() == "2026-11-22T14:00:00+00:00"
    assert event.payload["data"] == {"a": 1}


def test_a_repeated_post_gets_the_first_answer(secret, post):
    raw = json.dumps(BODY).encode()
    first = post(raw, sign(secret, raw)).json()
    assert post(raw, sign(secret, raw)).json() == {**first, "replayed": True}
    assert Event.objects.count() == 1
    assert not post(raw, sign(secret, raw, message_id="msg_2")).json()["replayed"]


def test_both_secrets_live_after_a_rotation_and_older_ones_do_not(secret, post):
    raw = json.dumps(BODY).encode()
    second = webhooks.rotate(Webhook.objects.get())
    assert [post(raw, sign(each, raw)).status_code for each in (secret, second)] == [202, 202]
    third = webhooks.rotate(Webhook.objects.get())
    assert [post(raw, sign(each, raw)).status_code for each in (secret, second, third)] == [401, 202, 202]


def test_one_good_signature_among_several_is_enough(secret, post):
    raw = json.dumps(BODY).encode()
    headers = sign(secret, raw)
    headers["webhook-signature"] = f"v1a,xx v1,AAAA v1,!! {headers['webhook-signature']}"
    assert post(raw, headers).status_code == 202


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "9" * 40},
    ],
)
def test_a_wrong_signature_is_401(secret, post, problem, change):
    raw = json.dumps(BODY).encode()
    problem(post(raw, {**sign(secret, raw), **change}), 401)
    assert not Event.objects.exists()


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_early_signature_is_401(secret, post, problem, seconds):
    raw = json.dumps(BODY).encode()
    problem(post(raw, sign(secret, raw, at=timezone.now() + timezone.timedelta(seconds=seconds))), 401)


def test_another_version_of_the_same_signature_is_401(secret, post, problem):
    raw = json.dumps(BODY).encode()
    headers = sign(secret, raw)
    problem(post(raw, {**headers, "webhook-signature": headers["webhook-signature"].replace("v1,", "v1a,")}), 401)


def test_a_webhook_switched_off_is_401(secret, post, problem):
    Webhook.objects.update(active=False)
    raw = json.dumps(BODY).encode()
    problem(post(raw, sign(secret, raw)), 401)


def test_a_signature_is_no_key_elsewhere(secret, problem):
    raw = b'{"events": []}'
    problem(Api("").post("/events/batch", raw, headers=sign(secret, raw)), 401)
    problem(Api("").get("/events", headers=sign(secret, b"")), 401)


CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/mdm",
    "type": "device.jailbroken",
    "data": {"device": {"serial": "S1"}},
}


@pytest.mark.parametrize("name", ["ce-specversion", "Ce-Type", "CE-whatever"])
def test_an_attribute_that_the_signature_does_not_cover_is_refused(secret, post, problem, name):
    raw = json.dumps(BODY).encode()
    answer = post(raw, {**sign(secret, raw), name: "1.0"})
    problem(answer, 400)
    assert "send it structured" in answer.json()["detail"]
    assert not Event.objects.exists()


@pytest.mark.parametrize("body", [BODY, CLOUD_EVENT, [CLOUD_EVENT]], ids=["event", "structured", "batch"])
def test_a_key_that_the_signature_does_not_cover_is_refused(secret, post, problem, body):
    raw = json.dumps(body).encode()
    problem(post(raw, {**sign(secret, raw), "Idempotency-Key": "mine"}), 422, "Idempotency-Key", "twice")
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json"]
)
@pytest.mark.parametrize(("body", "keys"), [(BODY, ["m"]), (CLOUD_EVENT, ["m"]), ([CLOUD_EVENT] * 2, ["m/0", "m/1"])])
def test_a_signed_body_says_itself_what_it_is_and_the_webhook_id_is_its_key(secret, post, content_type, body, keys):
    raw = json.dumps(body).encode()
    headers = {**sign(secret, raw, message_id="m"), "Content-Type": content_type}
    first, second = post(raw, headers).json(), post(raw, headers).json()
    assert sorted(Event.objects.values_list("idempotency_key", flat=True)) == keys
    replayed = [each["replayed"] for each in second.get("results", [second])]
    assert replayed == [True] * len(keys)
    assert not any(each["replayed"] for each in first.get("results", [first]))


def test_a_bad_body_with_a_good_signature_is_a_problem(secret, post, problem):
    raw = b'{"type": "device.nonsense"}'
    problem(post(raw, sign(secret, raw)), 422, "type")


def test_the_command_prints_the_secret_once(db, capsys):
    call_command("create_webhook", "mdm", "--devices")
    made = Webhook.objects.get()
    printed = capsys.readouterr().out.strip()
    assert made.secret.reveal() == printed
    assert printed.startswith("whsec_")
    assert made.scopes == ["devices", "events"]
    with pytest.raises(CommandError, match="already"):
        call_command("create_webhook", "mdm")
    call_command("create_webhook", "mdm", "--rotate")
    made.refresh_from_db()
    assert made.previous_secret.reveal() == printed
    assert made.secret.reveal() == capsys.readouterr().out.strip()
    with pytest.raises(CommandError, match="no webhook"):
        call_command("create_webhook", "other", "--rotate")


def test_the_secret_of_a_rotation_that_another_follows_immediately_stays_live():
    webhooks.create("mdm", scopes=[ApiScope.EVENTS])
    both = [Webhook.objects.get(), Webhook.objects.get()]
    first, second = (edits.rotate_webhook(webhook, actor=Actor("somebody")) for webhook in both)
    stored = Webhook.objects.get()
    assert (stored.previous_secret.reveal(), stored.secret.reveal()) == (first, second)
