"""The audit trail: what it tells, and what it must not."""

import pytest

from foundation import audit
from foundation.audit import Action, Actor
from foundation.models import AuditEntry
from servers.models import SmtpServer
from tests.db.world import smtp_server

pytestmark = pytest.mark.django_db


def test_only_fields_that_differ_are_kept():
    server = smtp_server(name="Mail", port=25)
    before = audit.snapshot(server)
    server.port = 587
    entry = audit.record(
        Actor("ada"), action=Action.CHANGE, instance=server, before=before, after=audit.snapshot(server)
    )
    assert (entry.before, entry.after) == ({"port": 25}, {"port": 587})


def test_a_changed_secret_is_told_without_its_words():
    server = smtp_server(password="first-secret")
    before = audit.snapshot(server)
    server.password = SmtpServer._meta.get_field("password").to_python("second-secret")
    entry = audit.record(
        Actor("ada"), action=Action.CHANGE, instance=server, before=before, after=audit.snapshot(server)
    )
    assert (entry.before, entry.after) == ({"password": audit.MASK}, {"password": audit.NEW_MASK})
    row = AuditEntry.objects.filter(pk=entry.pk).values().get()
    assert "secret" not in str(row)
    assert "gAAAA" not in str(row)


def test_a_secret_that_was_typed_and_not_yet_sealed_is_masked_too():
    server = smtp_server(password="plain-words")
    entry = audit.record(Actor("ada"), action=Action.ADD, instance=server, after=audit.snapshot(server))
    assert entry.after["password"] == audit.MASK


def test_a_secret_that_stays_is_not_told():
    server = SmtpServer.objects.get(pk=smtp_server(password="same").pk)
    assert audit.snapshot(server) == audit.snapshot(SmtpServer.objects.get(pk=server.pk))


def test_the_page_filters_by_person_type_and_day(admin_client, admin_user):
    server = smtp_server(name="Mail one")
    audit.record(Actor("ada"), action=Action.ADD, instance=server)
    audit.record(Actor("bob"), action=Action.DELETE, instance=server)
    every = admin_client.get("/audit/").content.decode()
    assert "ada" in every
    assert "bob" in every
    found = admin_client.get("/audit/", {"actor": "ad"}).content.decode()
    assert "ada" in found
    assert "<td>bob</td>" not in found
    assert "No entry fits this filter." in admin_client.get("/audit/", {"since": "2999-01-01"}).content.decode()


def test_a_search_that_stopped_says_so_and_goes_on(admin_client, monkeypatch):
    monkeypatch.setattr("console.trail.views.SLICE", 3)
    server = smtp_server()
    for number in range(8):
        audit.record(Actor("ada" if number == 0 else "bob"), action=Action.ADD, instance=server)
    answer, pages = admin_client.get("/audit/?actor=ada"), 1
    while answer.context["slice"].after:
        assert "Nothing of what was searched so far fits." in answer.content.decode()
        onward = dict(answer.context["pager"])["Search further back"]
        answer, pages = admin_client.get(f"/audit/{onward}"), pages + 1
    assert [row.cells[1] for row in answer.context["rows"]] == ["<td>ada</td>"]
    assert pages == 3
