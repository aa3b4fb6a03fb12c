"""Which devices and users a filter holds for."""

from datetime import timedelta

import pytest

from devices import selection
from devices.filters import parse
from devices.models import Device, Group, InstalledApp, Person
from devices.scope import EVERYBODY
from tests.db.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _devices():
    sales = Group.objects.create(name="Sales")
    ada = Person.objects.create(loginname="ada", mail="ada@example.com", properties={"costcentre": "12"})
    bob = Person.objects.create(loginname="bob", mail="bob@example.org")
    eve = Person.objects.create(loginname="eve", mail="eve@example.com", properties={"costcentre": 7})
    for person in (ada, eve):
        person.groups.add(sales)
    one = Device.objects.create(
        serial="D1",
        person=ada,
        platform="iOS",
        os_version="17.9",
        carrier="EE 100%",
        last_access=NOW - timedelta(days=3, hours=1),
        properties={"ROOM": "4", "TAG": "x", "OK": True, "a__b": "deep"},
    )
    InstalledApp.objects.create(device=one, name="Words")
    Device.objects.create(
        serial="D2",
        person=bob,
        platform="ANDROID",
        os_version="17.10",
        jailbroken=True,
        last_access=NOW,
        properties={"ROOM": 40, "TAG": "n/a"},
    )
    Device.objects.create(serial="D3", platform="iOS", ownership="byod", os_version="26")


def devices(*conditions, joined="all"):
    return list(
        selection.devices(as_filter(*conditions, joined=joined), scope=EVERYBODY, now=NOW).values_list(
            "serial", flat=True
        )
    )


def as_filter(*conditions, joined="all"):
    return parse({joined: [dict(zip(("field", "op", "value"), each, strict=False)) for each in conditions]})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("platform", "is", "iOS"), ["D1", "D3"]),
        (("platform", "is_not", "iOS"), ["D2"]),
        (("platform", "in", ["iOS", "ANDROID"]), ["D1", "D2", "D3"]),
        (("os_version", "greater", "17.9"), ["D2", "D3"]),
        (("os_version", "less", "17.10"), ["D1"]),
        (("os_version", "starts_with", "17"), ["D1", "D2"]),
        (("ownership", "is", "byod"), ["D3"]),
        (("jailbroken", "is", True), ["D2"]),
        (("jailbroken", "is_not", True), ["D1", "D3"]),
        (("managed", "is", False), []),
        (("inactive_days", "is", 3), ["D1"]),
        (("inactive_days", "is_not", 3), ["D2"]),
        (("inactive_days", "greater", 3), ["D1"]),
        (("inactive_days", "less", 3), ["D2"]),
        (("inactive_days", "is_set", False), ["D3"]),
        (("carrier", "contains", "ee"), ["D1"]),
        (("carrier", "contains", "%"), ["D1"]),
        (("carrier", "ends_with", "_"), []),
        (("carrier", "is_set"), ["D1"]),
        (("carrier", "is_not", "O2"), ["D1", "D2", "D3"]),
        (("group", "is", "Sales"), ["D1"]),
        (("group", "is_not", "Sales"), ["D2"]),
        (("group", "contains", "sal"), ["D1"]),
        (("group", "is_set"), ["D1"]),
        (("app", "is", "Words"), ["D1"]),
        (("app", "is_not", "Words"), ["D2", "D3"]),
        (("app", "is_set", False), ["D2", "D3"]),
        (("search", "contains", "BOB"), ["D2"]),
        (("search", "contains", "d3"), ["D3"]),
        (("device.ROOM", "is", "4"), ["D1"]),
        (("device.ROOM", "is", 40), ["D2"]),
        (("device.ROOM", "greater", 4), ["D2"]),
        (("device.ROOM", "less", 40), ["D1"]),
        (("device.TAG", "greater", 0), []),
        (("device.TAG", "in", ["x", "y"]), ["D1"]),
        (("device.ROOM", "is_not", "4"), ["D2", "D3"]),
        (("device.ROOM", "is_set"), ["D1", "D2"]),
        (("device.OK", "is", True), ["D1"]),
        (("device.a__b", "is", "deep"), ["D1"]),
        (("device.TAG__contains", "is", "x"), []),
        (("device.serialNumber", "is", "D3"), ["D3"]),
        (("user.costcentre", "is", 12), ["D1"]),
        (("user.costcentre", "is_set", False), ["D2"]),
        (("user.mail", "ends_with", "EXAMPLE.org"), ["D2"]),
    ],
)
def test_each_field_and_op(condition, found):
    assert devices(condition) == found


def test_all_and_any():
    conditions = (("platform", "is", "iOS"), ("group", "is", "Sales"))
    assert devices(*conditions) == ["D1"]
    assert devices(*conditions, joined="any") == ["D1", "D3"]


@pytest.mark.parametrize("text", ["'", '"', "x' OR '1'='1", "%", "_", "\\", "); DROP TABLE devices_device; --", "ü'"])
def test_no_text_of_a_filter_becomes_sql(text):
    for condition in (("carrier", "is", text), ("device.TAG", "contains", text), ("group", "in", [text])):
        assert devices(condition) in ([], ["D1"] if text == "%" else [])


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("group", "is", "Sales"), ["eve"]),
        (("user.costcentre", "less", 10), ["eve"]),
        (("search", "contains", "eve@"), ["eve"]),
        (("platform", "is_not", "iOS"), []),
        (("app", "is_set", False), []),
    ],
)
def test_users_without_a_device_are_found_by_what_is_known_of_them_alone(condition, found):
    assert [row.loginname for row in selection.people_without_devices(as_filter(condition), scope=EVERYBODY)] == found


def test_without_a_device_no_condition_about_one_holds():
    conditions = (("group", "is", "Sales"), ("platform", "is_not", "ANDROID"))
    assert not selection.people_without_devices(as_filter(*conditions), scope=EVERYBODY)
    assert [
        row.loginname for row in selection.people_without_devices(as_filter(*conditions, joined="any"), scope=EVERYBODY)
    ] == ["eve"]


def test_users_are_found_through_their_devices_too():
    found = selection.people(
        as_filter(("group", "is", "Sales"), ("jailbroken", "is", True), joined="any"), scope=EVERYBODY, now=NOW
    )
    assert [row.loginname for row in found] == ["ada", "bob", "eve"]
