"""Devices and users added, changed and deleted by hand."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.urls import reverse

from devices import edits
from devices.models import Device, Person
from devices.scope import EVERYBODY
from dispatch.models import Delivery, Event
from foundation.models import AuditEntry
from tests.db import world
from tests.db.dispatch import flow
from tests.db.form_contract import FormContract
from tests.db.world import NOW

pytestmark = pytest.mark.django_db
EVERYWHERE = {"scope": EVERYBODY, "country": "DE"}


class OfDevice(FormContract):
    good = {
        "serial": "C39",
        "name": "Ada's",
        "platform": "iOS",
        "ownership": "byod",
        "has_sim": "False",
        "managed": "on",
        "phone_number": "+4930123456",
        "properties": "ROOM=4.12\nNOTE=a\\nb=c",
    }
    bad = (
        ("user", "nobody"),
        ("phone_number", "twelve"),
        ("serial", "C\u200b39"),
        ("properties", "ROOM"),
        ("properties", "ROOM=1\nROOM=2"),
        ("properties", "a b=1"),
        ("os_version", "x" * 65),
    )

    def stored(self):
        return list(Device.objects.order_by("pk").values("serial", "name", "person", "phone_number", "properties"))

    def meanwhile(self):
        edits.save_device("id", str(self.made.uid), {"model": "other"}, **EVERYWHERE, now=NOW)


class TestAddingADevice(OfDevice):
    view = "device-add"
    bad = (*OfDevice.bad, ("serial", ""))

    def test_what_was_typed_is_stored(self):
        self.post()
        row = Device.objects.get()
        assert (row.has_sim, row.managed, row.ownership) == (False, True, "byod")
        assert row.properties == {"ROOM": "4.12", "NOTE": "a\nb=c"}

    @pytest.mark.parametrize("name", ["serial", "imei"])
    def test_one_that_is_there_is_not_changed(self, name):
        edits.save_device(name, "C39", {}, **EVERYWHERE, now=NOW)
        assert self.post(**{name: "C39", "imei": "C39"}).context["form"].errors.keys() == {name}
        assert Device.objects.get().name == ""


class TestChangingADevice(OfDevice):
    view = "device-edit"

    def make(self):
        given = {"properties": {"FLOOR": 4, "SIGN": "a\\b"}, "model": "iPhone", "has_sim": True}
        return edits.save_device("serial", "C1", given, **EVERYWHERE, now=NOW).row

    def test_what_is_not_touched_keeps_its_kind_and_what_is_taken_out_goes(self):
        form = self.client.get(self.path).context["form"]
        typed = {name: form[name].value() for name in form.fields}
        typed = {name: "" if value is None else value for name, value in typed.items() if value is not False}
        assert typed["properties"] == "FLOOR=4\nSIGN=a\\\\b"
        self.client.post(self.path, typed)
        assert not AuditEntry.objects.exists()
        self.client.post(self.path, typed | {"properties": "FLOOR=4", "model": ""})
        row = Device.objects.get()
        assert (row.properties, row.model, row.has_sim) == ({"FLOOR": 4}, "", True)


class OfUser(FormContract):
    good = {
        "loginname": "ada",
        "displayname": "Ada Lovelace",
        "mail": "ada@example.com",
        "language": "de",
        "time_zone": "Europe/Berlin",
        "groups": "Sales\nField",
        "properties": "department=7",
    }
    bad = (("mail", "ada@"), ("language", "klingon!"), ("time_zone", "Mars/Olympus"), ("loginname", "a" * 321))

    def stored(self):
        columns = ("loginname", "displayname", "mail", "properties", "groups__name")
        return list(Person.objects.order_by("pk", "groups__name").values(*columns))

    def meanwhile(self):
        edits.save_user("id", str(self.made.uid), {"groups": ["Other"]}, **EVERYWHERE)


class TestAddingAUser(OfUser):
    view = "user-add"

    def test_one_that_is_there_is_not_changed(self):
        edits.save_user("loginname", "ADA", {}, **EVERYWHERE)
        assert self.post().context["form"].errors.keys() == {"loginname"}
        assert Person.objects.get().displayname == ""


class TestChangingAUser(OfUser):
    view = "user-edit"

    def make(self):
        return edits.save_user("loginname", "eve", {"groups": ["Sales"], "disabled": True}, **EVERYWHERE).row


def test_a_user_is_deleted_with_what_is_kept_of_the_messages(admin_client):
    person = world.person(mail="ada@example.com")
    waiting, sent = flow.deliveries(2, server_id=world.smtp_server().pk)
    Delivery.objects.filter(pk=sent).update(state="sent", sent_at=NOW)
    Event.objects.filter(deliveries__in=[waiting, sent]).update(person=person)
    page = reverse("user-delete", args=[person.pk])
    assert "Messages that wait for the person are cancelled." in admin_client.get(page).content.decode()
    admin_client.post(page)
    assert not Person.objects.exists()
    found = dict(Delivery.objects.values_list("pk", "state"))
    assert (found[waiting], found[sent]) == ("cancelled", "sent")
    assert set(Delivery.objects.values_list("address", flat=True)) == {""}


def test_many_are_deleted_after_their_number_was_shown_and_only_those(admin_client):
    for number in range(3):
        edits.save_device("serial", f"S{number}", {"platform": "iOS"}, **EVERYWHERE, now=NOW)
    edits.save_device("serial", "A1", {"platform": "ANDROID"}, **EVERYWHERE, now=NOW)
    page = reverse("devices-delete")
    asked = admin_client.post(page, {"do": "ask", "scope": "all", "query": "platform=iOS"})
    assert "3 will be deleted for good" in asked.content.decode()
    assert Device.objects.count() == 4
    ids = [row.pk for row in asked.context["rows"]]
    edits.save_device("serial", "S9", {"platform": "iOS"}, **EVERYWHERE, now=NOW)
    admin_client.post(page, {"do": "delete", "id": ids})
    assert sorted(Device.objects.values_list("serial", flat=True)) == ["A1", "S9"]
    assert AuditEntry.objects.filter(action="delete").count() == 3


def test_deleting_many_needs_a_row_and_has_an_end(admin_client, monkeypatch):
    monkeypatch.setattr("devices.pages.editing.MOST_DELETED", 1)
    for number in range(2):
        edits.save_device("serial", f"S{number}", {}, **EVERYWHERE, now=NOW)
    for posted in ({"do": "ask"}, {"do": "ask", "scope": "all"}, {"do": "delete", "scope": "all"}):
        answer = admin_client.post(reverse("devices-delete"), posted)
        assert (answer.status_code, Device.objects.count()) == (302, 2)


@pytest.mark.django_db(transaction=True)
def test_two_who_report_a_new_imei_at_the_same_moment_make_one_device():
    start = Barrier(4)

    def report(number):
        start.wait()
        try:
            return edits.save_device("imei", "490154203237518", {"model": f"M{number}"}, **EVERYWHERE, now=NOW).created
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(report, range(4))) == [False, False, False, True]
