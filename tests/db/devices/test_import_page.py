"""Import on the console: upload, check, preview, import; the file lies sealed and is its owner's alone."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from devices import edits, import_runs
from devices.models import Device, ImportPart, ImportRun, Person
from devices.scope import EVERYBODY
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db
GOOD = "Serial number,Platform,Model\r\nS1,ios,iPhone\r\nS2,ANDROID,Pixel\r\n"


@pytest.fixture(autouse=True)
def _in_this_thread(monkeypatch):
    """The work is done when `start` returns."""

    class Now:
        def __init__(self, *, target, args, **_named):
            self.start = lambda: target(*args)

    monkeypatch.setattr(import_runs, "Thread", Now)
    monkeypatch.setattr(import_runs, "connection", Mock())


def upload(client, text, *, kind="devices", **given):
    page = reverse("devices-upload" if kind == "devices" else "users-upload")
    file = SimpleUploadedFile("list.csv", text if isinstance(text, bytes) else text.encode())
    answer = client.post(page, {"kind": kind, "file": file, **given})
    return answer["Location"] if answer.status_code == 302 else answer


def test_a_file_is_checked_shown_and_imported_as_shown(admin_client):
    edits.save_device(
        "serial", "S1", {"platform": "iOS", "model": "iPhone"}, scope=EVERYBODY, country="", now=timezone.now()
    )
    url = upload(admin_client, GOOD)
    shown = admin_client.get(url).context["run"]
    assert (shown.state, shown.lines, shown.created, shown.changed, shown.same) == ("checked", 2, 1, 0, 1)
    assert Device.objects.count() == 1
    assert admin_client.post(url, {"do": "import"}).status_code == 302
    run = admin_client.get(url).context["run"]
    assert (run.state, run.created, run.same) == ("stored", 1, 1)
    assert Device.objects.get(serial="S2").model == "Pixel"
    assert not run.parts.filter(what="file").exists()
    assert AuditEntry.objects.filter(actor="admin", object_name="2 in an import").count() == 1
    admin_client.post(url, {"do": "import"})
    assert AuditEntry.objects.filter(object_name="2 in an import").count() == 1


def test_whatever_is_wrong_is_listed_the_gravest_first_and_nothing_can_be_imported(admin_client):
    text = "Serial number,Platform\r\nS1,beos\r\n,ios\r\nS2,ios\r\n"
    url = upload(admin_client, text.encode() + b'"' + b"x" * 200_000, encoding="windows-1252")
    content = admin_client.get(url).content.decode()
    run = ImportRun.objects.get()
    assert run.fault_count == 3
    lines = b"".join(admin_client.get(f"{url}faults.csv").streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["line", "5", "2", "3"]
    assert content.index("A quotation mark that opens here") < content.index("Give one of iOS")
    admin_client.post(url, {"do": "import"})
    assert not Device.objects.exists()
    assert 'value="import"' not in content


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Serial number,Platform,Colour\r\nS1,ios,red\r\n", "There is no column &#x27;Colour&#x27;"),
        ("", "The submitted file is empty"),
        ("\r\n\r\n", "There is nothing in this file"),
        (b"PK\x03\x04", "save it as CSV"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(admin_client, text, words):
    answer = upload(admin_client, text)
    shown = admin_client.get(answer) if isinstance(answer, str) else answer
    assert words in shown.content.decode()
    assert not Device.objects.exists()


def test_new_properties_are_imported_only_when_they_are_said_to_be_meant(admin_client):
    edits.save_device("serial", "S0", {"properties": {"ROOM": "1"}}, scope=EVERYBODY, country="", now=timezone.now())
    url = upload(admin_client, "Serial number,device.ROM\r\nS1,4.12\r\n")
    assert "<code>ROM</code>" in admin_client.get(url).content.decode()
    admin_client.post(url, {"do": "import"})
    assert not Device.objects.filter(serial="S1").exists()
    admin_client.post(url, {"do": "import", "takes_unknown": "on"})
    assert Device.objects.get(serial="S1").properties == {"ROM": "4.12"}


def test_the_settings_of_the_preview_are_those_of_the_import(admin_client):
    text = "serial;model\r\nS1;Möbel, klein\r\n".encode("windows-1252")
    url = upload(admin_client, text, encoding="windows-1252", delimiter=";")
    admin_client.post(url, {"do": "import", "encoding": "utf-16", "delimiter": "tab"})
    assert Device.objects.get().model == "Möbel, klein"


def test_users_and_their_attributes(admin_client):
    url = upload(admin_client, "ada;geheim;ADMIN;Sales\n", kind="users")
    admin_client.post(url, {"do": "import"})
    assert [group.name for group in Person.objects.get().groups.all()] == ["Sales"]
    url = upload(admin_client, "ada;mail;ada@example.com\n", kind="attributes")
    admin_client.post(url, {"do": "import"})
    assert Person.objects.get().mail == "ada@example.com"


def test_a_file_is_its_owners_alone_and_lies_sealed(admin_client, client):
    url = upload(admin_client, "ada;geheim;ADMIN;Sales\n", kind="users")
    assert not any("geheim" in part.sealed or "ada" in part.sealed for part in ImportPart.objects.all())
    client.force_login(User.objects.create_superuser("eve"))
    assert client.get(url).status_code == 404
    assert client.post(url, {"do": "import"}).status_code == 404
    assert client.get(f"{url}faults.csv").status_code == 404
    assert not Person.objects.exists()


def test_one_that_goes_on_is_neither_begun_again_nor_replaced_until_its_process_is_gone(admin_client):
    url = upload(admin_client, GOOD)
    ImportRun.objects.update(state="storing", beat_at=timezone.now())
    admin_client.post(url, {"do": "import"})
    assert not Device.objects.exists()
    assert "still under way" in upload(admin_client, GOOD).content.decode()
    ImportRun.objects.update(beat_at=timezone.now() - timedelta(minutes=3))
    assert "interrupted" in admin_client.get(url).content.decode()
    admin_client.post(url, {"do": "import"})
    assert Device.objects.count() == 2


def test_a_file_that_is_too_large_is_refused_and_not_kept(admin_client, monkeypatch):
    monkeypatch.setattr(import_runs, "MOST_BYTES", 20)
    assert "Import it in parts" in upload(admin_client, GOOD).content.decode()
    assert not ImportPart.objects.exists()


def test_an_error_of_ours_is_said_and_no_line_stands_in_the_log(admin_client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("S1,ios,iPhone")

    monkeypatch.setattr(import_runs.imports, "preview", fail)
    url = upload(admin_client, GOOD)
    assert "It broke off" in admin_client.get(url).content.decode()
    assert "RuntimeError" in caplog.text
    assert "iPhone" not in caplog.text
