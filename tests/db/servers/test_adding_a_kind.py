"""One line and one folder are all that a new kind of server needs, as `docs/adding-a-channel.md` says."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from api.v1 import server_bodies
from devices.models import PushToken
from dispatch.intake import accept
from dispatch.models import Delivery
from dispatch.rules.clock import SystemClock
from dispatch.sending.drain import drain
from foundation.models import AuditEntry
from servers import factory, health
from servers.kinds import KINDS
from servers.models import Server, ServerTest
from servers.values import ServerKind
from tests import waiting
from tests.db import world
from tests.db.servers.toy.kind import CHANNEL, TOY

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/settings/notification-server/"
TYPED = {
    "name": "Toy",
    "service_account": "a secret word",
    "retries": "5",
    "timeout": "30",
    "connections": "1",
}
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _one_more_line(monkeypatch, settings):
    monkeypatch.setitem(KINDS, ServerKind.FCM, TOY)
    settings.ROOT_URLCONF = "tests.db.servers.toy.urls"
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", lambda server_id: None)
    CHANNEL.handed_over.clear()
    factory.forget()
    yield
    factory.forget()


@pytest.fixture
def toy(admin_client):
    """Two of them, added on the page; the second is active."""
    for name in ("First", "Toy"):
        answer = admin_client.post(f"{LIST}fcm/add/", {**TYPED, "name": name})
        assert answer.status_code == 302, answer.context["form"].errors
    server = Server.objects.get(name="Toy")
    admin_client.post(f"{LIST}{server.pk}/activate/")
    server.refresh_from_db()
    return server


def test_it_is_added_and_activated_on_its_pages(toy, admin_client):
    assert toy.active
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["add", "add", "activate"]
    page = admin_client.get(LIST).content.decode()
    assert re.search(rf'href="{LIST}fcm/add/">\s*Toy Service', page)
    assert f'href="{LIST}fcm/{toy.pk}/"' in page
    assert "a secret word" not in admin_client.get(f"{LIST}fcm/{toy.pk}/").content.decode()
    refused = admin_client.post(f"{LIST}fcm/add/", {**TYPED, "name": "Toy", "timeout": "0"})
    assert set(refused.context["form"].errors) == {"name", "timeout"}


def test_it_is_tested_with_a_real_message(toy, admin_client):
    answer = admin_client.post(f"{LIST}fcm/{toy.pk}/test/", {**TYPED, "test_to": "token-1"})
    assert answer.status_code == 200
    waiting.for_threads("server-test")
    test = ServerTest.objects.get()
    assert (test.passed, [stage.name for stage in test.stages.all()]) == (True, ["connect", "accepted"])
    assert b"tests \xe2\x80\x9cToy\xe2\x80\x9d." in CHANNEL.handed_over[0].payload


def test_its_trouble_is_told_in_its_words(toy):
    Server.objects.filter(pk=toy.pk).update(
        paused_until=timezone.now() + timedelta(hours=1), trouble_code="timeout", trouble_detail="hm"
    )
    (found,) = [one for one in health.findings() if one.subject == "Toy"]
    assert "The toy says no." in found.words
    assert found.url == f"{LIST}fcm/{toy.pk}/"


def test_an_event_goes_out_through_it(toy):
    template = world.template(kind="secure_hub", subject="", message="${device.model} is jailbroken", recipient="")
    device = world.device(owner=world.person())
    PushToken.objects.create(device=device, kind="fcm", token="token-1", registered_at=world.NOW)
    now = SystemClock().now()
    subject = accept.SubjectIn("serial", "S1")
    accept.accept(accept.EventIn(type=template.type, occurred_at=now, device=subject), origin="test", now=now)
    planned = Delivery.objects.get()
    assert (planned.server_id, planned.address) == (toy.pk, "token-1")
    drain(toy.pk, clock=SystemClock(), stopping=lambda: False)
    planned.refresh_from_db()
    assert planned.state == "sent"
    (wire,) = CHANNEL.handed_over
    assert b"iPhone 15 is jailbroken" in wire.payload


def test_its_body_over_http_follows_from_its_form():
    assert server_bodies.fields_of(TOY).__struct_fields__ == (*TOY.form.main, *TOY.form.advanced)


def test_the_page_names_every_part_of_a_line():
    page = (ROOT / "docs/adding-a-channel.md").read_text()
    assert {name for name in TOY.__dataclass_fields__ if f"`{name}`" not in page} == set()
