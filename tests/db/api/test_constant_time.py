"""Keys, signatures and addresses of receipts are compared in constant time, whatever they are compared with."""

import hmac
import json

import pytest
from django.test import Client

from api.access import webhooks
from servers.models import SmsGateway
from tests.db.api.test_webhooks import BODY, sign

pytestmark = pytest.mark.django_db


@pytest.fixture
def compared(monkeypatch):
    """The pairs that are compared from now on."""
    pairs, compare = [], hmac.compare_digest

    def noted(one, other):
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    return pairs


def test_a_key(api, compared):
    caller = api("read")
    assert caller.get("/ping").status_code == 200
    caller.key = caller.key[:-1] + ("a" if caller.key[-1] != "a" else "b")
    assert caller.get("/ping").status_code == 401
    assert [one == other for one, other in compared] == [True, False]


@pytest.mark.parametrize("good", [True, False])
def test_a_signature_is_compared_with_that_of_every_secret_even_when_the_first_fits(api, small_world, compared, good):
    secret = webhooks.create("mdm", scopes=["events"])
    webhooks.rotate(webhooks.Webhook.objects.get())
    raw = json.dumps(BODY).encode()
    caller = api("events")
    caller.key = ""
    headers = sign(secret, raw if good else raw + b" ")
    assert caller.post("/events", raw, headers=headers).status_code == (202 if good else 401)
    assert len(compared) == 2


def test_the_address_of_receipts_is_compared_with_that_of_every_gateway(compared):
    SmsGateway.objects.create(kind="sms", name="one", key="k", active=True)
    SmsGateway.objects.create(kind="sms", name="two", key="k")
    token = SmsGateway.objects.get(name="one").receipt_token.reveal()
    Client().get(f"/receipts/nexmo/{token}/")
    assert len(compared) == 2
