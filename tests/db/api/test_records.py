"""Devices and users come in over HTTP."""

from urllib.parse import quote

import pytest

from devices.models import Change, Device, InstalledApp, Person, PushToken
from servers.models import SmsGateway

pytestmark = pytest.mark.django_db
TOKEN = "ab" * 32


def test_a_device_is_created_then_changed(api):
    caller = api("devices")
    body = {
        "imei": "350123451234560",
        "platform": "iOS",
        "os_version": "17.1",
        "model": "iPhone",
        "ownership": "byod",
        "has_sim": True,
        "jailbroken": True,
        "last_access": "2026-11-22T14:00:00+01:00",
        "push": {"kind": "apns", "token": TOKEN, "environment": "sandbox"},
        "apps": ["Words", "Maps", "Words"],
        "properties": {"TEL_NUMBER": "123", "ROOM": "4"},
    }
    made = caller.put("/devices/C39XV0QJKXK4", body)
    assert made.status_code == 201
    returned = made.json()
    assert (returned["serial"], returned["platform"], returned["jailbroken"]) == ("C39XV0QJKXK4", "iOS", True)
    assert returned["apps"] == ["Maps", "Words"]
    assert TOKEN not in made.content.decode()
    assert PushToken.objects.get().token == TOKEN

    changed = caller.put("/devices/C39XV0QJKXK4", {"model": None, "properties": {"ROOM": None, "FLOOR": 2}})
    assert changed.status_code == 200
    returned = changed.json()
    assert (returned["model"], returned["os_version"]) == ("", "17.1")
    assert returned["properties"] == {"TEL_NUMBER": "123", "FLOOR": 2}
    assert Device.objects.count() == 1
    assert set(Change.objects.order_by("-id")[0].names) == {"model", "ROOM", "FLOOR"}


def test_nothing_changed_leaves_no_change(api):
    caller = api("devices")
    caller.put("/devices/S1", {"model": "x", "apps": ["a"], "push": {"kind": "apns", "token": TOKEN}})
    before = Change.objects.count()
    caller.put("/devices/S1", {"model": "x", "apps": ["a"], "push": {"kind": "apns", "token": TOKEN}})
    assert Change.objects.count() == before


def test_null_clears_apps_and_tokens(api):
    caller = api("devices")
    caller.put("/devices/S1", {"apps": ["a"], "push": {"kind": "apns", "token": TOKEN}})
    caller.put("/devices/S1", {"apps": None, "push": None})
    assert not InstalledApp.objects.exists()
    assert not PushToken.objects.exists()


def test_a_new_token_revives_a_dead_one(api):
    caller = api("devices")
    caller.put("/devices/S1", {"push": {"kind": "apns", "token": TOKEN}})
    PushToken.objects.update(dead_at="2026-01-01T00:00Z", dead_reason="Unregistered")
    caller.put("/devices/S1", {"push": {"kind": "apns", "token": TOKEN}})
    assert PushToken.objects.get().dead_at is None


@pytest.mark.parametrize("loginname", ["u1", "DOMAIN\\user", "user@example.com", "a/b", "Jürgen Groß"])
def test_a_user_is_created_read_changed_and_removed(api, loginname):
    caller, path = api("devices"), f"/users/{quote(loginname, safe='')}"
    body = {
        "displayname": "Ü",
        "mail": "u@example.com",
        "language": "de",
        "time_zone": "Europe/Berlin",
        "groups": ["A", "B"],
    }
    assert caller.put(path, body).status_code == 201
    assert caller.put(path, {"groups": ["B", "C"], "properties": {"department": "x"}}).status_code == 200
    returned = caller.get(path).json()
    assert (returned["loginname"], returned["groups"], returned["mail"]) == (loginname, ["B", "C"], "u@example.com")
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404


def test_the_case_of_a_login_name_does_not_matter(api):
    caller = api("devices")
    caller.put("/users/User", {"displayname": "One"})
    assert caller.put("/users/uSER", {"displayname": "Two"}).status_code == 200
    assert Person.objects.get().loginname == "User"


def test_a_login_name_gives_user_and_domain(api):
    caller = api("devices")
    assert caller.put("/users/CORP%5Canna", {}).json()["domainname"] == "CORP"
    returned = caller.put("/users/anna@example.com", {}).json()
    assert (returned["username"], returned["domainname"]) == ("anna", "example.com")


def test_a_number_is_read_with_the_country_of_the_active_gateway(api):
    SmsGateway.objects.create(kind="sms", name="SMS", active=True, key="k", country="DE")
    returned = api("devices").put("/users/u1", {"mobile": "030 1234567"}).json()
    assert (returned["mobile"], returned["warnings"]) == ("+49301234567", [])


def test_an_unreadable_number_is_stored_as_given_with_a_warning(api):
    returned = api("devices").put("/devices/S1", {"phone_number": "n/a"}).json()
    assert returned["phone_number"] == "n/a"
    assert [each["field"] for each in returned["warnings"]] == ["phone_number"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/devices/S1", {"platform": "Symbian"}, "platform"),
        ("/devices/S1", {"modell": "x"}, "modell"),
        ("/devices/S1", {"model": 1}, "model"),
        ("/devices/S1", {"model": "x" * 129}, "model"),
        ("/devices/S1", {"name": "a\r\nb"}, "name"),
        ("/devices/S1", {"user": "nobody"}, "user"),
        ("/devices/S1", {"has_sim": "yes"}, "has_sim"),
        ("/devices/S1", {"last_access": "2026-11-22T14:00:00"}, "last_access"),
        ("/devices/S1", {"last_access": "9999-12-31T23:59:59-23:59"}, "last_access"),
        ("/devices/S1", {"push": {"kind": "apns", "token": "xyz"}}, "push.token"),
        ("/devices/S1", {"push": {"kind": "apns", "tokens": "xyz"}}, "push.tokens"),
        ("/devices/S1", {"properties": {"a b": "x"}}, "properties.a b"),
        ("/devices/S1", {"properties": {"A": ["x"]}}, "properties"),
        ("/devices/S1", {"properties": {"A": "\0"}}, "properties.A"),
        ("/devices/S1", {"apps": ["a\nb"]}, "apps.0"),
        ("/devices/S%091", {}, "serial"),
        ("/users/u1", {"displayname": "a\r\nBcc: x@example.com"}, "displayname"),
        ("/users/u1", {"language": "german!"}, "language"),
        ("/users/u1", {"time_zone": "Mars/Base"}, "time_zone"),
        ("/users/u1", {"time_zone": "../../etc/passwd"}, "time_zone"),
        ("/users/u1", {"groups": "A"}, "groups"),
        ("/users/u%00", {}, "loginname"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(api, problem, path, body, field):
    problem(api("devices").put(path, body), 422, field)
    assert not Device.objects.exists()
    assert not Person.objects.exists()


def test_a_serial_number_is_taken_once(api, problem):
    caller = api("devices")
    caller.put("/devices/S1", {"imei": "1"})
    caller.put("/devices/S2", {"imei": "2"})
    returned = caller.post("/devices/batch", {"devices": [{"imei": "2", "serial": "S1"}]})
    assert returned.json()["accepted"] == 1
    assert Device.objects.get(serial="S1").imei == "2"


def test_a_batch_keeps_the_good_and_reports_the_bad(api):
    devices = [{"serial": "S1"}, {"model": "x"}, {"serial": "S2", "platform": "?"}, {"imei": "35"}, "text"]
    answer = api("devices").post("/devices/batch", {"devices": devices})
    returned = answer.json()
    assert (answer.status_code, returned["accepted"], returned["rejected"]) == (200, 2, 3)
    assert [result["error"]["errors"][0]["field"] for result in returned["results"] if "error" in result] == [
        "serial",
        "platform",
        "body",
    ]
    users = [{"loginname": "a"}, {"displayname": "x"}, {"loginname": "A", "mail": "a@example.com"}]
    returned = api("devices").post("/users/batch", {"users": users}).json()
    assert [result.get("created") for result in returned["results"]] == [True, None, False]
    assert Person.objects.get().mail == "a@example.com"


def test_lists_are_paged_newest_first_and_filtered(api):
    caller = api("devices", "read")
    for number in range(5):
        caller.put(f"/devices/S{number}", {"platform": "iOS" if number % 2 else "ANDROID", "name": f"n{number}"})
    first = caller.get("/devices?limit=2").json()
    assert [each["serial"] for each in first["devices"]] == ["S4", "S3"]
    second = caller.client.get(first["next"], headers=caller.headers(None)).json()
    assert [each["serial"] for each in second["devices"]] == ["S2", "S1"]
    assert [each["serial"] for each in caller.get("/devices?platform=iOS").json()["devices"]] == ["S3", "S1"]
    assert [each["serial"] for each in caller.get("/devices?search=N0").json()["devices"]] == ["S0"]
    caller.put("/users/u1", {"groups": ["Sales"]})
    caller.put("/users/u2", {"disabled": True})
    assert [each["loginname"] for each in caller.get("/users?group=Sales").json()["users"]] == ["u1"]
    assert [each["loginname"] for each in caller.get("/users?disabled=true").json()["users"]] == ["u2"]
