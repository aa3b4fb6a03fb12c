"""Notify and the pages of broadcasts: from a list, a page, a template or by typing; reviewed, sent, watched."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from devices.models import Device
from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery, Event
from dispatch.rules.clock import SystemClock
from foundation.models import AuditEntry
from tests.db import world
from tests.db.list_contract import ListContract

pytestmark = pytest.mark.django_db
TEXT = {"template": "", "channels": ["smtp"], "subject": "Closed", "message": "Dear ${user.displayname}", "key": "k1"}


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    found = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", found.append)
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", found.append)
    return found


@pytest.fixture
def fleet():
    world.smtp_server()
    return [
        world.device(serial=f"S{n}", owner=world.person(loginname=f"u{n}", mail=f"u{n}@example.com")) for n in (1, 2)
    ]


def press(client, **posted):
    return client.post(reverse("notify"), posted)


def hidden(answer):
    """The values of the review, as its form posts them."""
    found = {}
    for tag in re.findall(r"<input type=\"hidden\"[^>]*>", answer.content.decode()):
        name, value = (re.search(f'{key}="([^"]*)"', tag) for key in ("name", "value"))
        found.setdefault(name[1], []).append((value[1] if value else "").replace("&quot;", '"'))
    return found


def whom(answer):
    return answer.context["form"].whom


def test_from_a_row_a_selection_and_all_that_match(admin_client, fleet):
    assert whom(admin_client.get(f"{reverse('notify')}?devices={fleet[0].pk}")) == "1 device"
    group = admin_client.get(f"{reverse('notify')}?all=users&group=Sales")
    assert whom(group) == "group is Sales"
    assert f"{reverse('notify')}?devices={fleet[0].pk}" in admin_client.get(f"/devices/{fleet[0].pk}/").content.decode()
    ticked = press(admin_client, do="devices", id=[row.pk for row in fleet], scope="ticked", query="")
    assert whom(ticked) == "2 devices"
    matching = press(admin_client, do="devices", scope="all", query="platform=iOS&status=jailbroken")
    assert whom(matching) == "platform is iOS and jailbroken or rooted"
    assert whom(press(admin_client, do="users", scope="all", query="")) == "All users"
    nothing = press(admin_client, do="users", scope="ticked", query="group=Sales")
    assert nothing["Location"] == f"{reverse('users')}?group=Sales"


def test_it_is_reviewed_listed_tried_and_sent_once(admin_client, admin_user, fleet):
    User.objects.filter(pk=admin_user.pk).update(email="boss@example.com")
    world.device(serial="lone")
    typed = {**TEXT, "to": '{"any": [{"field": "platform", "op": "is", "value": "iOS"}]}'}
    review = press(admin_client, do="review", **typed)
    assert review.context["reach"].messages == 2
    assert "The recipient has no address." in review.content.decode()
    values = hidden(review)
    listed = b"".join(press(admin_client, list="smtp:no_address", **values).streaming_content).decode()
    assert listed.splitlines()[1].startswith("lone,lone,,,smtp,,no_address")
    assert not Broadcast.objects.exists()

    press(admin_client, do="me", **values, **{"as": f"d{fleet[1].pk}"})
    mail = Delivery.objects.get()
    assert (mail.address, mail.event.payload["user"]["mail"]) == ("boss@example.com", "u2@example.com")

    sent = press(admin_client, do="send", **values)
    broadcast = Broadcast.objects.get(state="planning")
    assert sent["Location"] == reverse("broadcast", args=[broadcast.pk])
    assert press(admin_client, do="send", **values)["Location"] == sent["Location"]
    assert Broadcast.objects.filter(state="planning").count() == 1
    assert (broadcast.sent_by, broadcast.created_by) == (admin_user.username, admin_user)


def test_somebody_who_sends_the_same_meanwhile_is_named_and_asked_about(admin_client, fleet):
    typed = {**TEXT, "to": '{"all": [{"field": "platform", "op": "is", "value": "iOS"}]}'}
    values = hidden(press(admin_client, do="review", **typed))
    press(admin_client, do="send", **values)
    again = press(admin_client, do="send", **{**values, "key": "k2"})
    assert "by admin" in " ".join(again.content.decode().split())
    assert Broadcast.objects.count() == 1
    press(admin_client, do="send", **{**values, "key": "k2", "repeat": "on"})
    assert Broadcast.objects.count() == 2


def test_above_the_threshold_the_number_is_typed(admin_client, fleet, settings):
    settings.XMNOTIFY_BROADCAST_TYPED = 1
    typed = {**TEXT, "to": '{"all": [{"field": "platform", "op": "is", "value": "iOS"}]}'}
    values = hidden(press(admin_client, do="review", **typed))
    assert "Type the number" in press(admin_client, do="send", **values, number="1").content.decode()
    forged = {**values, "counted": "1"}
    for number in ("", "1", "²"):
        assert press(admin_client, do="send", **{**forged, "counted": number or "1"}, number=number).status_code == 200
    assert not Broadcast.objects.exists()
    world.device(serial="S3", owner=world.person(loginname="u3", mail="u3@example.com"))
    assert press(admin_client, do="send", **values, number="2").context["reach"].messages == 3
    Device.objects.get(serial="S3").delete()
    assert press(admin_client, do="send", **values, number="2").status_code == 302
    other = press(admin_client, do="send", **{**values, "subject": "Open"}, number="2")
    assert "was sent from this page already" in other.content.decode()
    assert press(admin_client, do="send", **hidden(other), number="2").status_code == 302


def test_a_template_shows_its_text_and_unchanged_is_sent_as_it_is(admin_client, fleet):
    row = world.template(html="<p>Hello</p>")
    shown = press(admin_client, do="show", template=row.pk, to="", key="k1")
    values = shown.context["form"].initial
    assert values["subject"] == "Hello ${user.displayname}"
    values = {**values, "recipients": "boss@example.com; x@example.com"}
    values = hidden(press(admin_client, do="review", **values))
    press(admin_client, do="send", **values)
    broadcast = Broadcast.objects.get()
    assert (broadcast.texts, broadcast.name) == ({}, row.name)
    assert broadcast.audience == {"addresses": {"smtp": ["boss@example.com", "x@example.com"]}}
    press(admin_client, do="send", **{**values, "message": "Other", "key": "k3"})
    assert Broadcast.objects.order_by("pk").last().texts["smtp"]["message"] == "Other"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"channels": []}, "channels"),
        ({"subject": ""}, "subject"),
        ({"message": "${"}, "message"),
        ({"channels": ["sms"], "message": "", "sms_text": ""}, "sms_text"),
        ({"to": ""}, "recipients"),
        ({"to": "nonsense"}, "recipients"),
        ({"to": "[" * 100_000}, "recipients"),
        ({"to": '{"devices": ["\\u0000"]}'}, "recipients"),
        ({"to": '{"all": [{"field": "group", "op": "is", "value": "\\ud800"}]}'}, "recipients"),
        ({"to": "", "recipients": "a@"}, "recipients"),
        ({"template": "9999"}, "template"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(admin_client, fleet, typed, field):
    good = {**TEXT, "to": '{"all": [{"field": "platform", "op": "is", "value": "iOS"}]}'}
    answer = press(admin_client, do="review", **{**good, **typed})
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert not Event.objects.exists()


def test_a_broadcast_is_watched_paused_resumed_and_sent_again(admin_client, fleet):
    typed = {**TEXT, "to": '{"all": [{"field": "platform", "op": "is", "value": "iOS"}]}'}
    press(admin_client, do="send", **hidden(press(admin_client, do="review", **typed)))
    row = Broadcast.objects.get()
    planning.plan(row.pk, clock=SystemClock(), stopping=lambda: False)

    def page():
        return admin_client.get(reverse("broadcast", args=[row.pk])).content.decode()

    def polled():
        return admin_client.get(reverse("broadcast-progress", args=[row.pk]), headers={"HX-Request": "true"})

    assert "Pause" in page()
    for do in ("pause", "pause", "resume"):
        admin_client.post(reverse(f"broadcast-{do}", args=[row.pk]))
    assert polled().status_code == 200
    planning.plan(row.pk, clock=SystemClock(), stopping=lambda: False)
    Delivery.objects.update(state="failed", reason_code="mailbox_full")
    planning.finish(now=timezone.now())
    assert polled().status_code == 286
    assert "The mailbox is full." in page()
    again = admin_client.post(reverse("broadcast-again", args=[row.pk]))
    assert again["Location"] == reverse("broadcast", args=[Broadcast.objects.order_by("pk").last().pk])
    assert [entry.after.get("state") for entry in AuditEntry.objects.order_by("pk")][1:3] == ["paused", "planning"]


def test_the_dashboard_counts_devices_and_offers_templates(admin_client, fleet):
    cache.clear()
    world.device(serial="bad", jailbroken=True)
    page = admin_client.get("/").content.decode()
    assert f'href="{reverse("devices")}?status=jailbroken">1<' in page
    assert f"{reverse('notify')}?template=" in page


class TestBroadcasts(ListContract):
    view = "broadcasts"
    unfit = {"by": "nobody at all"}

    def add(self, count):
        for _ in range(count):
            Broadcast.objects.create(created_at=timezone.now(), audience={"users": ["x"]}, sent_by="ada")

    def clear(self):
        Broadcast.objects.all().delete()
