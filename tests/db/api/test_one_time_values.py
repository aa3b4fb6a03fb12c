"""One-time values that an event supplies over HTTP stand nowhere in clear, and no stored hash gives them away."""

from hashlib import sha256
from itertools import product

import pytest

from api.kit import strict_json
from dispatch.models import Event
from dispatch.rules import secret_values
from foundation import fingerprints
from foundation.models import StoredKey
from tests.db import world
from tests.db.dispatch.test_secrets import everything

pytestmark = pytest.mark.django_db
BODY = {
    "type": "enrollment.pin",
    "user": {"loginname": "anna"},
    "data": {"pin": "7391", "url": "https://mdm.example/e/tok9"},
}


@pytest.fixture
def caller(api):
    world.person(loginname="anna", mail="anna@example.com")
    world.smtp_server()
    return api("events", "read", "messages")


def post(caller, body, *, key="k1"):
    return caller.post("/events", body, headers={"Idempotency-Key": key})


def test_what_is_stored_and_shown_holds_no_one_time_value(caller, caplog):
    pin, token = "pin-of-one-time", "token-of-one-time"  # no chance that random characters say the same
    answer = post(caller, {**BODY, "data": {"pin": pin, "url": f"https://mdm.example/e/{token}"}})
    assert answer.status_code == 202, answer.content
    assert Event.objects.get().payload["data"] == {"pin": secret_values.MASK, "url": secret_values.MASK}
    found = everything() + caplog.text + answer.content.decode() + caller.get("/deliveries").content.decode()
    for value in (pin, token):
        assert value not in found.replace(StoredKey.objects.get().value.sealed, "")


def test_a_repetition_is_known_by_its_secrets_too(caller):
    assert not post(caller, BODY).json()["replayed"]
    assert post(caller, BODY).json()["replayed"]
    other = {**BODY, "data": {**BODY["data"], "pin": "7392"}}
    assert post(caller, other).status_code == 409
    fingerprints.forget()
    assert post(caller, BODY).json()["replayed"]


def test_the_stored_hash_gives_no_pin_away_to_one_who_tries_them_all(caller):
    post(caller, BODY)
    stored = Event.objects.get().body_hash
    for digits in product("0123456789", repeat=4):
        guess = {**BODY, "data": {**BODY["data"], "pin": "".join(digits)}}
        assert sha256(strict_json.canonical(guess)).hexdigest() != stored


def test_a_key_that_no_key_of_ours_opens_is_made_anew(caller, settings):
    post(caller, BODY)
    settings.XMNOTIFY_FERNET_KEYS = ["gZ1wOFg8rPpXl0hQK4k9oYb1yM0Xf8cJm7r2ZtqvS3A="]
    fingerprints.forget()
    assert post(caller, BODY, key="k2").status_code == 202


def test_the_description_lists_the_names(caller):
    description = caller.client.get("/api/openapi.json").content.decode()
    for name in secret_values.ENROLLMENT_NAMES:
        assert name in description.partition("Members named")[2][:300]
