"""Devices and users over HTTP as CSV files, in and out."""

import pytest

from devices import edits
from devices.models import Device, Person
from devices.scope import EVERYBODY
from foundation.models import AuditEntry
from tests.db.world import NOW

pytestmark = pytest.mark.django_db
CSV = "text/csv"


def test_a_dry_run_then_the_import_then_the_export(api):
    text = "Serial number,Platform,device.ROOM\nS1,ios,4\nS2,Android,\n"
    tried = api().post("/imports/devices?dry_run=true", text, content_type=CSV)
    assert tried.status_code == 200
    assert (tried.json()["stored"], tried.json()["created"]) == (False, 2)
    assert not Device.objects.exists()
    stored = api().post("/imports/devices", text, content_type=f"{CSV}; charset=utf-8")
    assert stored.json() == {
        "stored": True,
        "lines": 2,
        "created": 2,
        "changed": 0,
        "same": 0,
        "fault_count": 0,
        "faults": [],
        "unknown_properties": [],
        "encoding": "utf-8",
        "delimiter": ",",
        "columns": ["serial", "platform", "device.ROOM"],
    }
    assert AuditEntry.objects.filter(object_type="devices.device").count() == 1
    found = api().get("/exports/devices")
    assert found["Content-Type"] == "text/csv; charset=utf-8"
    assert b"".join(found.streaming_content) == b"S1;;iOS;ROOM;4\nS2;;ANDROID\n"
    found = api().get(
        '/exports/devices?columns=serial,device.ROOM&filter={"all":[{"field":"device.ROOM","op":"is_set"}]}'
    )
    assert b"".join(found.streaming_content) == b"serial,device.ROOM\r\nS1,4\r\n"


def test_users_and_their_attributes(api):
    assert api().post("/imports/users", "ada;;;Sales\n", content_type=CSV).json()["created"] == 1
    assert api().post("/imports/attributes", "ada;mail;ada@example.com\n", content_type=CSV).json()["changed"] == 1
    assert Person.objects.get().mail == "ada@example.com"
    assert b"".join(api().get("/exports/users").streaming_content) == b"ada;;;Sales\n"
    assert b"".join(api().get("/exports/attributes").streaming_content) == b"ada;mail;ada@example.com\n"


def test_wrong_lines_and_unknown_properties_are_refused_with_their_names(api):
    edits.save_device("serial", "S0", {"properties": {"ROOM": "1"}}, scope=EVERYBODY, country="", now=NOW)
    answer = api().post("/imports/devices", "S1;;iOS\nS2;;iSO\n", content_type=CSV)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("2.platform", "invalid")]
    assert answer.json()["detail"] == "Nothing was stored: 1 of 2 lines are wrong."
    answer = api().post("/imports/devices", "S1;;iOS;ROMO;4\n", content_type=CSV)
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("ROMO", "unknown_property")]
    answer = api().post("/imports/devices?dry_run=true", "serial,modell,model\nS1,x,y\n", content_type=CSV)
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("1.modell", "unknown_column")]
    assert Device.objects.count() == 1
    assert api().post("/imports/devices?new_properties=true", "S1;;iOS;ROMO;4\n", content_type=CSV).status_code == 200


def test_other_types_and_wrong_settings_are_refused(api):
    assert api().post("/imports/devices", {}).status_code == 415
    assert api().post("/imports/devices", "", content_type=CSV).json()["errors"][0]["code"] == "empty"
    assert api().get("/exports/devices?columns=modell").json()["errors"][0]["field"] == "columns"
    assert api().post("/imports/devices?delimiter=x", "S1;;iOS\n", content_type=CSV).status_code == 422
    assert not Device.objects.exists()
