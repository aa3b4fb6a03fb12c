"""A template is written in one way, whoever writes it: the console's forms and an API key leave and refuse the same."""

import pytest

from foundation.models import AuditEntry
from templates_app.models import NotificationTemplate
from tests.db import world
from tests.db.templates_app.test_pages import LIST, typed

pytestmark = pytest.mark.django_db
BODIES = {"smtp.subject": "subject", "smtp.message": "message", "smtp.html": "html"}
ONE = {
    "description": "Told to whoever tampered",
    "lifetime_hours": "5",
    "smtp.active": "on",
    "smtp.recipient": "${user.mail}",
    "smtp.subject": "Stop",
    "smtp.message": "Please stop",
}
OTHER = {**ONE, "description": "Told again", "smtp.subject": "Stop now", "smtp.message": ""}


class Console:
    """An administrator with a browser without script."""

    name = "admin"

    def __init__(self, client):
        self.client = client

    def add(self, name, written):
        url = f"{LIST}add/?later"
        data = {**typed(self.client, url), "name": name, "type": "device.jailbroken", "sms.recipient": "${user.mobile}"}
        assert self.client.post(url, {**data, **written}).status_code == 302

    def opened(self, template):
        """What a later `change` is based on."""
        return typed(self.client, f"{LIST}{template.pk}/")

    def change(self, template, written, *, opened):
        return self.client.post(f"{LIST}{template.pk}/", {**opened, **written}).status_code

    def delete(self, template):
        assert self.client.post(f"{LIST}{template.pk}/delete/").status_code == 302


class Key:
    """The same over HTTP."""

    name = "key 1"

    def __init__(self, api):
        self.api = api

    def add(self, name, written):
        body = {"name": name, "type": "device.jailbroken", **self._body(written)}
        body["channels"] += [{"kind": "secure_hub", "texts": [{}]}, {"kind": "sms", "recipient": "${user.mobile}"}]
        body["channels"][-1]["texts"] = [{}]
        assert self.api.post("/templates", body).status_code == 201

    def opened(self, template):
        return self.api.get(f"/templates/{template.uid}").json()

    def change(self, template, written, *, opened):
        body = self._body(written)
        body["channels"] += opened["channels"][1:]
        answer = self.api.put(f"/templates/{template.uid}", {**body, "version": opened["version"]})
        return {200: 302}.get(answer.status_code, answer.status_code)

    def delete(self, template):
        assert self.api.delete(f"/templates/{template.uid}").status_code == 204

    def _body(self, written):
        text = {field: written.get(name, "") for name, field in BODIES.items()}
        channel = {"kind": "smtp", "active": True, "recipient": written["smtp.recipient"], "texts": [text]}
        seconds = int(written["lifetime_hours"]) * 3600
        return {"description": written["description"], "lifetime_seconds": seconds, "channels": [channel]}


@pytest.fixture(params=["console", "key"])
def writer(request, admin_client, api):
    world.smtp_server()
    return Console(admin_client) if request.param == "console" else Key(api("admin"))


@pytest.fixture
def written(writer):
    writer.add("Mine", ONE)
    return NotificationTemplate.objects.get(name="Mine")


def entries():
    return [(row.action, row.actor, row.before, row.after) for row in AuditEntry.objects.order_by("id")]


def test_a_new_template_has_its_texts_in_the_trail_and_its_writer_at_its_version(writer, written):
    (entry,) = entries()
    assert entry[:3] == ("add", writer.name, {})
    assert entry[3] == {
        "name": "Mine",
        "type": "device.jailbroken",
        "description": ONE["description"],
        "on_unknown": "send_again",
        "lifetime": "5:00:00",
        "smtp.active": "on",
        "smtp.recipient": "${user.mail}",
        "smtp.subject": "Stop",
        "smtp.message": "Please stop",
        "sms.active": "off",
        "sms.recipient": "${user.mobile}",
        "secure_hub.active": "off",
    }
    assert [version.saved_by for version in written.versions.all()] == [writer.name]


def test_a_change_has_one_entry_with_each_field_that_differs(writer, written):
    AuditEntry.objects.all().delete()
    assert writer.change(written, OTHER, opened=writer.opened(written)) == 302
    assert entries() == [
        (
            "change",
            writer.name,
            {"description": ONE["description"], "smtp.subject": "Stop", "smtp.message": "Please stop"},
            {"description": OTHER["description"], "smtp.subject": "Stop now"},
        )
    ]
    assert [version.saved_by for version in written.versions.all()] == [writer.name, writer.name]


def test_a_change_of_an_older_version_is_refused_and_leaves_nothing(writer, written):
    opened = writer.opened(written)
    assert writer.change(written, OTHER, opened=opened) == 302
    AuditEntry.objects.all().delete()
    assert writer.change(written, {**ONE, "smtp.subject": "Mine again"}, opened=opened) == 409
    assert entries() == []
    assert written.versions.count() == 2


def test_a_text_with_a_mistake_is_refused_and_leaves_nothing(writer, written):
    AuditEntry.objects.all().delete()
    wrong = {**ONE, "description": "x", "smtp.subject": "${user.mail"}
    assert writer.change(written, wrong, opened=writer.opened(written)) == 422
    assert entries() == []
    written.refresh_from_db()
    assert written.description == ONE["description"]


def test_a_template_that_is_deleted_leaves_its_texts_in_the_trail(writer, written):
    AuditEntry.objects.all().delete()
    writer.delete(written)
    ((action, actor, before, after),) = entries()
    assert (action, actor, before["smtp.message"], after) == ("delete", writer.name, "Please stop", {})


def test_what_was_deleted_meanwhile_is_not_found(writer, written):
    opened = writer.opened(written)
    writer.delete(written)
    assert writer.change(written, OTHER, opened=opened) == 404


def test_a_name_is_stored_without_the_blanks_around_it_and_one_of_blanks_is_refused(api):
    caller = api("admin")
    made = caller.post("/templates", {"name": " Mine\u200b ", "type": "device.jailbroken"})
    assert (made.status_code, made.json()["name"]) == (201, "Mine")
    for name, code in ((" ", "blank"), ("Mine ", "taken")):
        refused = caller.post("/templates", {"name": name, "type": "device.jailbroken"})
        assert [(each["field"], each["code"]) for each in refused.json()["errors"]] == [("name", code)]
    changed = caller.put(f"/templates/{made.json()['id']}", {"name": " "})
    assert [(each["field"], each["code"]) for each in changed.json()["errors"]] == [("name", "blank")]


def test_a_sender_longer_than_its_column_is_refused(admin_client):
    world.smtp_server()
    writer = Console(admin_client)
    writer.add("Mine", ONE)
    mine = NotificationTemplate.objects.get(name="Mine")
    assert writer.change(mine, {**ONE, "smtp.sender": "x" * 501}, opened=writer.opened(mine)) == 422
    assert writer.change(mine, {**ONE, "smtp.sender": "x" * 500}, opened=writer.opened(mine)) == 302
