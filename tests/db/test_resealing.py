"""Keys of stored secrets are replaced while everything goes on, and a lost one takes nothing else down."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client
from django.utils.timezone import now

from api.access import keys, webhooks
from api.kit.callers import ApiScope
from api.models import ApiKey, Webhook
from console.accounts import second_factor
from console.models import SecondFactor
from dispatch.models import DeliveryText, Event
from foundation import secrets
from foundation.secrets import Secret, SecretField, SecretUnreadableError, seal, unseal
from servers.models import SmsGateway, SmtpServer
from tests.db import world
from tests.db.console.test_every_page import address, patterns
from tests.db.dispatch import flow
from xmnotify.operations import resealing

pytestmark = pytest.mark.django_db
PASSWORD = "an old password"


@pytest.fixture
def key(settings):
    """Puts a new key first; the old ones stay unless they are said to be lost."""

    def new(*, lose_the_old=False):
        made = Fernet.generate_key().decode()
        settings.XMNOTIFY_FERNET_KEYS = [made, *([] if lose_the_old else settings.XMNOTIFY_FERNET_KEYS)]

    return new


@pytest.fixture
def sealed():
    """One of everything that holds secrets and that comes about without further ado."""
    server = world.smtp_server(password=PASSWORD)
    world.sms_gateway(secret=PASSWORD, signature_secret=PASSWORD)
    webhook = Webhook.objects.get(name=_webhook("one"))
    webhooks.rotate(webhook)
    user = User.objects.create_superuser("anna", password="x")
    SecondFactor.objects.create(user=user, secret=second_factor.new_secret(), recovery=[second_factor._digest("a")])
    world.template(recipient="", subject="${enrollment.pin}", message="x")
    world.device()
    flow.post_to("a@example.com", secrets={"enrollment.pin": "739164"})
    return server


def _webhook(name):
    webhooks.create(name, scopes=[ApiScope.EVENTS])
    return name


def reseal(capsys):
    call_command("reseal")
    return capsys.readouterr().out


def test_every_column_that_holds_sealed_texts_is_known():
    named = {str(column) for column in resealing.columns()}
    held = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SecretField) or (isinstance(field, models.TextField) and "sealed" in field.name)
    }
    assert named == held
    assert {"dispatch.Event.sealed", "dispatch.DeliveryText.sealed", "console.SecondFactor.secret"} < named


def test_after_it_the_old_key_is_needed_no_more(sealed, key, settings, capsys):
    key()
    said = reseal(capsys)
    assert "servers.SmtpServer.password: 1 encrypted anew." in said
    assert "api.Webhook.previous_secret: 1 encrypted anew." in said
    assert "dispatch.Event.sealed: 1 encrypted anew." in said
    assert PASSWORD not in said
    del settings.XMNOTIFY_FERNET_KEYS[1:]
    assert SmtpServer.objects.get().password.reveal() == PASSWORD
    assert SmsGateway.objects.get().signature_secret.reveal() == PASSWORD
    assert json.loads(unseal(Event.objects.get().sealed)) == {"enrollment.pin": "739164"}
    assert reseal(capsys) == "All that is sealed has the first key now; 0 had another.\n"


def test_what_can_not_be_read_is_named_and_the_rest_is_done(sealed, key, capsys):
    key(lose_the_old=True)
    SmtpServer.objects.update(password=Secret.of(PASSWORD))
    key()
    with pytest.raises(CommandError, match="secrets can't be read"):
        call_command("reseal")
    said = capsys.readouterr().out
    assert f"servers.SmsGateway.secret: 1 can't be read, of {SmsGateway.objects.get().pk}." in said
    assert "servers.SmtpServer.password: 1 encrypted anew." in said


def test_more_rows_than_a_chunk_and_those_that_are_wiped(sealed, key, capsys, monkeypatch):
    monkeypatch.setattr(resealing, "CHUNK", 2)
    for number in range(5):
        Webhook.objects.create(name=f"w{number}", secret=f"secret {number}")
    Event.objects.update(sealed=Event.WIPED)
    key()
    assert "api.Webhook.secret: 6 encrypted anew." in reseal(capsys)
    assert Event.objects.get().sealed == Event.WIPED
    assert not DeliveryText.objects.exclude(sealed__in=["", Event.WIPED]).exists()


def test_what_somebody_changes_meanwhile_is_kept(sealed, key, monkeypatch, capsys):
    key()
    original = secrets.reseal

    def change_then_reseal(text):
        SmtpServer.objects.update(password=Secret.of("a new password"))
        return original(text)

    monkeypatch.setattr(secrets, "reseal", change_then_reseal)
    reseal(capsys)
    assert SmtpServer.objects.get().password.reveal() == "a new password"


def signed(secret, body):
    moment = str(int(time.time()))
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(raw, f"id-1.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "id-1",
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }


def test_a_webhook_whose_secret_is_lost_shuts_out_nobody_else(key):
    lost = webhooks.create("a lost one", scopes=[ApiScope.EVENTS])
    world.template()
    world.device()
    key(lose_the_old=True)
    good = webhooks.create("good", scopes=[ApiScope.EVENTS])
    body = b'{"type": "device.jailbroken", "device": {"serial": "S1"}}'

    def post(secret):
        return Client().post("/api/v1/events", body, content_type="application/json", headers=signed(secret, body))

    assert post(good).status_code == 202
    refused = post(lost)
    assert (refused.status_code, "Retry-After" in refused) == (503, True)
    webhooks.rotate(Webhook.objects.get(name="a lost one"))
    assert post(lost).status_code == 401


def test_a_receipt_whose_signature_can_not_be_checked_is_to_come_again(key):
    world.sms_gateway(signature_secret=PASSWORD, signature_method="sha256")
    key(lose_the_old=True)
    SmsGateway.objects.update(receipt_token=Secret.of("known"))
    refused = Client().get("/receipts/nexmo/known/", {"status": "delivered", "sig": "x"})
    assert (refused.status_code, "Retry-After" in refused) == (503, True)


def test_a_second_factor_whose_key_is_lost_takes_recovery_codes(sealed, key):
    user = User.objects.get()
    key(lose_the_old=True)
    assert not second_factor.verify(user, "123456", now=now())
    assert second_factor.verify(user, "a", now=now())


def test_every_page_and_answer_comes_with_all_secrets_lost(sealed, key):
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get())
    token = keys.create("reader", scopes=list(ApiScope))
    key(lose_the_old=True)
    known = {row.pk for model in (SmtpServer, SmsGateway) for row in model.objects.all()}
    broken = []
    for pattern in patterns():
        for pk in known:
            takes = [name for name, kind in pattern.pattern.converters.items() if type(kind).__name__ == "IntConverter"]
            where = address(pattern, **dict.fromkeys(takes, pk))
            if client.get(where).status_code >= 500:
                broken.append(where)
    for where in ("servers/smtp", "servers/sms", "templates", "events"):
        answer = client.get(f"/api/v1/{where}", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code >= 500:
            broken.append(where)
    assert broken == []


def test_an_unreadable_secret_is_equal_to_itself_alone(key):
    one, other = Secret.of("x"), Secret.of("x")
    assert one == other
    key(lose_the_old=True)
    assert one == Secret(one.sealed)
    assert one != other
    assert one != Secret.of("x")
    with pytest.raises(SecretUnreadableError):
        one.reveal()
    assert unseal(seal("x")) == "x"


def test_an_api_key_made_under_an_earlier_signing_key_is_good_while_that_is_a_fall_back(settings):
    text = keys.create("one", scopes=[ApiScope.READ])
    before = settings.SECRET_KEY
    settings.SECRET_KEY = "another signing key, long enough to be taken"
    assert keys.check(text, now=now()) is None
    settings.SECRET_KEY_FALLBACKS = [before]
    assert keys.check(text, now=now())
    fresh = keys.create("two", scopes=[ApiScope.READ])
    settings.SECRET_KEY_FALLBACKS = []
    assert keys.check(fresh, now=now())
    assert ApiKey.objects.count() == 2
