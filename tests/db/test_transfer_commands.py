"""manage.py import_devices, import_users, import_attributes, export_devices, export_users."""

import io

import pytest
from django.core.management import CommandError, call_command

from devices.models import Device, Person

pytestmark = pytest.mark.django_db


def run(name, *arguments):
    output = io.StringIO()
    call_command(name, *map(str, arguments), stdout=output)
    return output.getvalue()


def test_a_file_goes_in_and_comes_out_the_same(tmp_path):
    users, attributes, devices = (tmp_path / name for name in ("users.csv", "attributes.csv", "devices.csv"))
    users.write_text("ada;;;IT;Sales\n")
    attributes.write_text("ada;mail;ada@example.com\n")
    devices.write_text("S1;;iOS;user;ada;ROOM;4\n")
    assert "1 lines: 1 new, 0 changed, 0 the same. Nothing was stored: dry run." in run(
        "import_users", users, "--dry-run"
    )
    assert not Person.objects.exists()
    assert "separated by ';', the original's form." in run("import_users", users)
    run("import_attributes", attributes)
    run("import_devices", devices)
    out = tmp_path / "out.csv"
    for name, file, more in (
        ("export_users", users, ()),
        ("export_users", attributes, ("--attributes",)),
        ("export_devices", devices, ()),
    ):
        run(name, out, *more)
        assert out.read_text() == file.read_text()
    run(
        "export_devices",
        out,
        "--columns",
        "serial,user",
        "--filter",
        '{"all": [{"field": "platform", "op": "is", "value": "iOS"}]}',
    )
    assert out.read_text() == "serial,user\nS1,ada\n"
    assert run("export_devices") == devices.read_text()


def test_faults_are_told_and_written_to_a_file(tmp_path):
    file, sheet = tmp_path / "devices.csv", tmp_path / "faults.csv"
    file.write_text("S1;;iOS\nS2;;=iSO\n;;iOS\n")
    with pytest.raises(CommandError, match="Nothing was stored: 2 of 3 lines are wrong"):
        run("import_devices", file, "--faults", sheet)
    assert sheet.read_text().splitlines() == [
        "line,column,value,reason",
        '2,platform,\'=iSO,"Give one of iOS, ANDROID, WINDOWS, MACOSX."',
        "3,serial,,Give the serial number or the IMEI.",
    ]
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("import_devices", ["/nowhere.csv"], "/nowhere.csv: No such file"),
        ("export_devices", ["--filter", "{"], "--filter"),
        ("export_devices", ["--filter", '{"all": [{"field": "x"}]}'], r"--filter \(all.0.field\)"),
        ("export_devices", ["--columns", "modell"], "There is no column modell"),
    ],
)
def test_what_is_wrong_is_said(name, arguments, words):
    with pytest.raises(CommandError, match=words):
        run(name, *arguments)
