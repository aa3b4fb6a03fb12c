"""Whatever way a text comes in it is read alike: what nobody sees is cut off around it, and refused inside it."""

import pytest

from devices.models import Device, Person
from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery
from dispatch.rules.clock import SystemClock
from tests.db import world

pytestmark = pytest.mark.django_db
OUTER = ["\u200b", "\ufeff", "\u00a0", " ", "\u3000", "\u00ad", "\u202e", "\t", "\r\n", "\u2028"]
INNER = ["\u200b", "\ufeff", "\u00ad", "\u2066", "\u00a0", "\u2029", "\u3164", "\t", "\r\n"]


@pytest.fixture
def caller(api, small_world):
    return api()


def recipients(caller, **given):
    """What a posted event of a person without an address goes to, besides that person."""
    body = {"type": "device.jailbroken", "user": {"loginname": "nobody"}, "recipients": given}
    Person.objects.get_or_create(loginname="nobody")
    answer = caller.post("/events", body)
    assert answer.status_code == 202, answer.content
    return sorted(Delivery.objects.exclude(state="skipped").values_list("address", flat=True))


@pytest.mark.parametrize("outer", OUTER)
def test_a_serial_number_with_something_unseen_is_not_a_second_device(caller, outer):
    caller.put("/devices/DEMO000001", {"model": "one"})
    given = f"{outer}DEMO000001{outer}"
    for body in ({"serial": given}, {"serial": given, "model": "two"}):
        assert caller.post("/events", {"type": "device.jailbroken", "device": body}).status_code == 202
    answer = caller.post("/devices/batch", {"devices": [{"serial": given, "name": "three"}]})
    assert answer.json()["accepted"] == 1
    row = Device.objects.get(serial__contains="DEMO000001")
    assert (row.serial, row.model, row.name) == ("DEMO000001", "two", "three")


@pytest.mark.parametrize("outer", ["%E2%80%8B", "%C2%A0", "%EF%BB%BF"])
def test_a_key_in_the_address_is_read_alike(caller, outer):
    assert caller.put(f"/devices/S1{outer}", {"name": "n"}).status_code == 200
    assert caller.get(f"/devices/{outer}S1").json()["name"] == "n"
    assert caller.put(f"/users/u1{outer}", {"displayname": "n"}).status_code == 200
    assert caller.get(f"/users/{outer}u1").json()["displayname"] == "n"
    assert (Device.objects.count(), Person.objects.count()) == (1, 1)
    assert caller.delete(f"/devices/S1{outer}").status_code == 204


@pytest.mark.parametrize("inner", INNER)
def test_a_key_with_something_unseen_inside_is_refused(caller, problem, inner):
    for key in ("serial", "imei"):
        body = {"devices": [{key: f"DEMO{inner}1"}]}
        assert caller.post("/devices/batch", body).json()["results"][0]["error"]["errors"][0]["field"] == key
    body = {"users": [{"loginname": f"ada{inner}1"}]}
    assert caller.post("/users/batch", body).json()["results"][0]["error"]["errors"][0]["field"] == "loginname"
    event = {"type": "device.jailbroken", "device": {"serial": f"DEMO{inner}1"}}
    problem(caller.post("/events", event), 422, "device.serial", "invisible_character")
    assert (Device.objects.count(), Person.objects.count()) == (1, 1)


@pytest.mark.parametrize("inner", INNER)
def test_an_address_with_something_unseen_inside_is_a_warning_and_no_address(caller, inner):
    fields = {"mail": f"ada{inner}@example.org", "mobile": f"+49151{inner}12345678"}
    answer = caller.put("/users/ada", fields).json()
    spaced = inner == "\u00a0"  # between the digits of a number, white space is none of it
    warned = {each["field"]: each["code"] for each in answer["warnings"]}
    assert warned == dict.fromkeys(["mail"] if spaced else ["mail", "mobile"], "invisible_character")
    assert (answer["mail"], answer["mobile"]) == ("", "+4915112345678" if spaced else "")
    device = caller.put("/devices/S2", {"phone_number": fields["mobile"], "user": "ada"}).json()
    assert device["phone_number"] == answer["mobile"]
    event = {"type": "device.jailbroken", "user": {"loginname": "ada", **fields}}
    assert caller.post("/events", event).status_code == 202
    assert Delivery.objects.get().reason_code == "no_address"


@pytest.mark.parametrize("outer", OUTER)
def test_what_stands_unseen_around_an_address_is_cut_off(caller, outer):
    given = {"mail": f"{outer}ada@example.org{outer}", "mobile": f"{outer}+49 151 12345678{outer}", "displayname": "A"}
    answer = caller.put("/users/ada", given | {"displayname": f"{outer}Ada L.{outer}"}).json()
    assert (answer["mail"], answer["mobile"], answer["displayname"]) == ("ada@example.org", "+4915112345678", "Ada L.")
    assert answer["warnings"] == []
    assert recipients(caller, smtp=[given["mail"], "ada@example.org"]) == ["ada@example.org"]


def test_a_further_key_with_something_unseen_inside_stays_as_it_was_with_a_warning(caller):
    caller.post("/devices/batch", {"devices": [{"serial": "S2", "imei": "351"}]})
    event = {"type": "device.jailbroken", "device": {"serial": "S2", "imei": "35\u200b1", "name": "n"}}
    assert caller.post("/events", event).status_code == 202
    row = Device.objects.get(serial="S2")
    assert (row.imei, row.name) == ("351", "n")


def test_the_case_of_a_domain_does_not_make_a_second_delivery(caller):
    assert recipients(caller, smtp=["Ops@Example.org", "Ops@example.ORG", "ops@example.org"]) == [
        "Ops@example.org",
        "ops@example.org",
    ]


@pytest.mark.parametrize("message", ["Hello.", "Your ${device.model} is lost.", "Dear ${user.displayname}."])
@pytest.mark.parametrize("recipient", ["${user.mail}", "${user.mail}; Ops@EXAMPLE.org"])
def test_the_case_of_a_domain_does_not_make_a_second_delivery_of_a_broadcast(caller, recipient, message):
    world.template(name="To all", subject="s", message=message, recipient=recipient)
    Device.objects.all().delete()
    for number, mail in enumerate(["Ops@Example.org", "Ops@example.ORG", " Ops@example.org\u200b"]):
        world.device(serial=f"D{number}", owner=world.person(loginname=f"d{number}", mail=mail))
    audience = {"all": [{"field": "device.serialNumber", "op": "is_set"}]}
    assert caller.post("/events", {"template": "To all", "audience": audience}).status_code == 202
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    rows = Delivery.objects.filter(broadcast__isnull=False)
    assert set(rows.values_list("address", flat=True)) == {"Ops@example.org"}
    assert len(rows) == (3 if "device." in message else 1)


@pytest.mark.parametrize(
    "number", ["+49\u202f151\u202f12345678", "+49\u2009151\u200912345678", "+49\u2011151\u201112345678"]
)
def test_numbers_as_they_are_typeset_are_read(caller, number):
    world.sms_gateway(country="DE")
    for written in (number, "tel:+49-151-12345678", "\uff0b49 (0)151 12345678", "tel:0151-12345678"):
        answer = caller.put("/users/ada", {"mobile": written}).json()
        assert (answer["mobile"], answer["warnings"]) == ("+4915112345678", [])


def test_a_number_in_an_events_own_data_is_read_too(caller):
    world.sms_gateway(country="DE")
    made = world.sms_template(name="By data", message="m")
    made.current.channels.update(recipient="${event.data.phone}")
    event = {"template": "By data", "user": {"loginname": "u1"}, "data": {"phone": "\u202a0151\u202f12345678\u202c"}}
    assert caller.post("/events", event).status_code == 202
    assert Delivery.objects.get().address == "+4915112345678"


@pytest.mark.parametrize(("country", "number"), [("DE", "+491755762074"), ("US", "+491755762074")])
def test_a_mobile_whose_plus_is_missing_is_no_strangers_line(caller, country, number):
    world.sms_gateway(country=country)
    answer = caller.put("/users/ada", {"mobile": "491755762074"}).json()
    assert (answer["mobile"], answer["warnings"]) == (number, [])


def test_a_number_of_two_countries_is_a_warning(caller):
    world.sms_gateway(country="DE")
    answer = caller.put("/users/ada", {"mobile": "447911123456"}).json()
    assert answer["mobile"] == "447911123456"
    assert "two countries" in answer["warnings"][0]["message"]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_a_time_at_the_end_of_the_calendar_is_no_fault(caller, path, name, moment):
    assert caller.get(f"{path}?{name}={moment}").status_code == 200


def test_an_address_is_found_in_whatever_case_its_domain_is_given(caller):
    recipients(caller, smtp=["Ops@Example.org"])
    for written in ("Ops@example.org", "Ops@EXAMPLE.org"):
        assert len(caller.get(f"/deliveries?recipient={written}").json()["deliveries"]) == 1
