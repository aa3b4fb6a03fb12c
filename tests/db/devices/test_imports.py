"""Devices and users out of CSV files, and into them."""

import io
import tracemalloc
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices import edits, exports, imports
from devices.imports import Kind, Source
from devices.lines import FileError
from devices.models import Change, Device, Group, Person
from devices.scope import EVERYBODY
from foundation.audit import Actor
from foundation.models import AuditEntry
from tests.db.devices.test_matching import DEVICES, PEOPLE, store
from tests.db.world import NOW

pytestmark = pytest.mark.django_db
ACTOR = Actor("test")


def source(text, kind=Kind.DEVICES, *, takes_unknown=True, encoding="", delimiter="", **more):
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    layout = imports.find_layout(file, kind, encoding=encoding, delimiter=delimiter)
    return Source(file, kind, layout, "DE", EVERYBODY, takes_unknown=takes_unknown, **more)


def bring(text, kind=Kind.DEVICES, **options):
    return imports.store(source(text, kind, **options), now=NOW, actor=ACTOR)


def faults(report):
    return [(fault.line, fault.column, fault.code) for fault in report.faults]


def test_the_originals_form_of_devices():
    report = bring(
        "SerialNumber;IMEI;OperatingSystemFamily;propertyName1;propertyValue1\nC39;355;WINDOWS;ROOM;4.12;TAG;a\\;b\\\\;\n\n;356;ios;NOTE;x\\ny;\n"
    )
    assert (report.is_stored, report.created, report.faults) == (True, 2, [])
    one, two = Device.objects.order_by("pk")
    assert (one.serial, one.imei, one.platform, one.properties) == (
        "C39",
        "355",
        "WINDOWS",
        {"ROOM": "4.12", "TAG": "a;b\\"},
    )
    assert (two.serial, two.imei, two.platform, two.properties) == ("", "356", "iOS", {"NOTE": "x\ny"})


def test_the_originals_form_of_users_and_their_attributes():
    report = bring("DOMAIN\\nick;secret;ADMIN;Sales;IT;\nada;;;\n", Kind.USERS)
    assert (report.created, faults(report)) == (2, [])
    nick = Person.objects.get(username="nick")
    assert (nick.loginname, nick.domainname) == ("DOMAIN\\nick", "DOMAIN")
    assert sorted(nick.groups.values_list("name", flat=True)) == ["IT", "Sales"]
    report = bring("user;name;value;...\nADA;mail;ada@example.com;department;R&D;\n", Kind.ATTRIBUTES)
    assert (report.changed, faults(report)) == (1, [])
    ada = Person.objects.get(loginname="ada")
    assert (ada.mail, ada.properties) == ("ada@example.com", {"department": "R&D"})
    assert faults(bring("bob;mail;b@example.com\n", Kind.ATTRIBUTES)) == [(1, "loginname", "unknown")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_tables_as_spreadsheets_write_them(end, encoding, delimiter):
    rows = [
        ["Serial number", "Name", "Out of compliance", "device.ROOM"],
        ["S1", '"Jür;,gen"', "YES", "4"],
        [],
        ["S2", "", "no", ""],
    ]
    report = bring(end.join(delimiter.join(cells) for cells in rows).encode(encoding))
    assert (report.created, faults(report), report.layout.delimiter) == (2, [], delimiter)
    one, two = Device.objects.order_by("pk")
    assert (one.name, one.out_of_compliance, one.properties) == ("Jür;,gen", True, {"ROOM": "4"})
    assert (two.name, two.out_of_compliance, two.properties) == ("", False, {})


def test_an_empty_cell_of_a_table_leaves_what_is_stored():
    edits.save_device("serial", "S1", {"model": "M", "properties": {"ROOM": "4"}}, scope=EVERYBODY, country="", now=NOW)
    report = bring("serial,model,device.ROOM,name\nS1,,,N\n")
    assert report.changed == 1
    row = Device.objects.get()
    assert (row.model, row.properties, row.name) == ("M", {"ROOM": "4"}, "N")


def test_every_bad_line_is_named_and_nothing_is_stored():
    seen = []
    report = bring(
        "serial,imei,platform,jailbroken,last_access,user\n"
        "S1,,iOS,true,,\n"
        "S2,,iSO,,,\n"
        ",,iOS,,,\n"
        "S3,,,perhaps,,\n"
        "S4,,,,yesterday,\n"
        "S5,,,,2026-01-01T00:00:00,\n"
        "S6,,,,,nobody\n"
        "S1,,,,,\n"
        "S7,1,,,,,x\n"
        "S\u200b8,,,,,\n"
        ",1,,,,\n"
        "S9,2,,,,\n"
        ",2,,,,\n",
        on_fault=seen.append,
    )
    assert faults(report) == [
        (3, "platform", "invalid"),
        (4, "serial", "required"),
        (5, "jailbroken", "invalid"),
        (6, "last_access", "invalid"),
        (7, "last_access", "no_offset"),
        (8, "user", "unknown"),
        (9, "serial", "twice"),
        (10, "", "too_many"),
        (11, "serial", "invisible_character"),
        (14, "imei", "twice"),
    ]
    assert seen == report.faults
    assert report.faults[0].value == "iSO"
    assert "Line 2" in report.faults[6].reason
    assert not report.is_stored
    assert not Device.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" ;;\n\n", "empty"),
        ("serial,modell,platform\nS1,x,iOS\n", "unknown_column"),
        ("Serail,IMEI,Platform\nS1,x,iOS\n", "unknown_column"),
        ("serial,platform,Serial Number\n", "twice"),
        ("S1,355,iOS\n", "no_columns"),
        ("PK\x03\x04....", "workbook"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text, code):
    with pytest.raises(FileError) as refused:
        bring(text)
    assert refused.value.code == code


def test_what_breaks_off_later_is_a_fault_with_its_line():
    assert faults(bring('serial,name\nS1,"open\n' + "x\n" * 100_000)) == [(2, "", "unclosed")]
    ((line, _column, code),) = faults(
        bring(b"".join(b"S%d;;iOS\n" % n for n in range(3_000)) + b"S;;\xff\n", encoding="utf-8")
    )
    assert (code, 2_000 < line <= 3_001) == ("encoding", True)
    assert not Device.objects.exists()


def test_properties_that_no_device_has_are_a_stop_until_they_are_taken():
    edits.save_device("serial", "S0", {"properties": {"ROOM": "1"}}, scope=EVERYBODY, country="", now=NOW)
    text = "S1;;iOS;ROOM;4;ROMO;5\n"
    report = bring(text, takes_unknown=False)
    assert (report.unknown, report.is_stored, report.created) == (["ROMO"], False, 1)
    assert Device.objects.count() == 1
    assert bring(text).is_stored


def test_an_import_leaves_changes_and_one_entry_and_the_same_again_nothing():
    edits.save_user("loginname", "ada", {}, scope=EVERYBODY, country="")
    edits.save_device("serial", "S1", {"model": "M"}, scope=EVERYBODY, country="", now=NOW)
    Change.objects.all().delete()
    text = "serial,model,user\nS1,M,\nS2,N,ADA\nS3,N,\n"
    later = NOW + timedelta(days=1)
    report = imports.store(source(text), now=later, actor=ACTOR)
    assert (report.created, report.changed, report.same) == (2, 0, 1)
    assert sorted(change.device.serial for change in Change.objects.all()) == ["S2", "S3"]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.object_name, entry.after) == ("test", "3 in an import", {"created": 2, "changed": 0})
    again = bring(text)
    assert (again.created, again.changed, again.same) == (0, 0, 3)
    assert AuditEntry.objects.count() == 1
    changed = bring("serial,model,user\nS2,O,\nS1,M,ada\n")
    assert changed.changed == 2
    assert set(Device.objects.values_list("serial", "model", "person__loginname")) == {
        ("S1", "M", "ada"),
        ("S2", "O", "ada"),
        ("S3", "N", None),
    }


def test_cells_that_a_spreadsheet_would_run_come_back_as_they_were():
    values = ["=1+1", "'=1", "''@x", "-1", "+4915112345678", "'x", "a;=b", "x\n=y"]
    edits.save_device(
        "serial",
        "=S",
        {"properties": {f"P{n}": value for n, value in enumerate(values)}},
        scope=EVERYBODY,
        country="",
        now=NOW,
    )
    text = "".join(exports.original(Kind.DEVICES, wanted=None, scope=EVERYBODY, now=NOW))
    assert text.startswith("'=S;;;P0;'=1+1;P1;''=1;")
    Device.objects.all().delete()
    assert bring(text).created == 1
    assert list(Device.objects.get().properties.values()) == values


def everything():
    return [("".join(exports.original(kind, wanted=None, scope=EVERYBODY, now=NOW))) for kind in Kind]


class RoundTrip(TestCase):
    @settings(max_examples=40)
    @given(st.lists(PEOPLE, max_size=3), st.lists(DEVICES, max_size=4))
    def test_export_import_export_gives_equal_bytes_and_the_preview_tells_what_is_stored(self, people, devices):
        store(people, devices)
        before = everything()
        Device.objects.all().delete()
        Person.objects.all().delete()
        Group.objects.all().delete()
        for kind in (Kind.USERS, Kind.ATTRIBUTES, Kind.DEVICES):
            text = before[list(Kind).index(kind)]
            if text:
                one = source(text, kind)
                expected = imports.preview(one, now=NOW)
                report = imports.store(one, now=NOW, actor=ACTOR)
                assert not report.faults, report.faults
                expected.is_stored = True
                assert report == expected
        assert everything() == before


def test_columns_of_a_table_are_chosen():
    edits.save_user(
        "loginname",
        "ada",
        {"groups": ["Sales", "a;b"], "properties": {"department": "R&D"}},
        scope=EVERYBODY,
        country="",
    )
    edits.save_device(
        "serial",
        "S1",
        {"user": "ada", "jailbroken": True, "properties": {"ROOM": 4}},
        scope=EVERYBODY,
        country="",
        now=NOW,
    )
    found = exports.table(
        Kind.DEVICES,
        columns=["serial", "user", "jailbroken", "has_sim", "device.ROOM"],
        wanted=None,
        scope=EVERYBODY,
        now=NOW,
    )
    assert "".join(found) == "serial,user,jailbroken,has_sim,device.ROOM\r\nS1,ada,true,,4\r\n"
    text = "".join(
        exports.table(
            Kind.USERS, columns=["loginname", "groups", "user.department"], wanted=None, scope=EVERYBODY, now=NOW
        )
    )
    assert text == "loginname,groups,user.department\r\nada,Sales;a\\;b,R&D\r\n"
    Person.objects.all().delete()
    assert bring(text, Kind.USERS).created == 1
    assert set(Person.objects.get().groups.values_list("name", flat=True)) == {"Sales", "a;b"}
    with pytest.raises(exports.ColumnError, match="modell"):
        exports.table(Kind.DEVICES, columns=["modell"], wanted=None, scope=EVERYBODY, now=NOW)


def test_memory_does_not_grow_with_the_file():
    def peak(count):
        one = source("".join(f"S{number};;iOS;ROOM;{number}\n" for number in range(count)))
        tracemalloc.start()
        imports.preview(one, now=NOW)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(600)
    assert peak(6_000) < 1.3 * peak(1_500)
