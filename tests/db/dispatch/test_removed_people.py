"""Nothing that a removed person was sent or was told of keeps a word of them, wherever it stood."""

import pytest
from django.core.management import CommandError, call_command

from devices.models import Person
from dispatch.intake.accept import SubjectIn
from dispatch.models import Attempt, Delivery, DeliveryText, Event, Receipt
from dispatch.upkeep import sweep
from foundation.models import AuditEntry
from servers.models import SmtpServer
from tests.db import world
from tests.db.api.conftest import Api, keys
from tests.db.dispatch import flow
from tests.db.dispatch.test_secrets import everything

pytestmark = pytest.mark.django_db
MAIL = "zoe.zenith@example.com"


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=100)


@pytest.fixture
def caller():
    return Api(keys.create("mdm", scopes=["devices", "events", "read", "messages"]))


def person(caller):
    body = {"displayname": "Zoe Zenith", "mail": MAIL, "properties": {"nickname": "Zenithal"}}
    assert caller.put("/users/zenith", body).status_code == 201
    return Person.objects.get()


def sent_to_person(caller, server, clock):
    """A person with a device, a message that was sent to them, its try and its receipt."""
    world.device(owner=person(caller))
    world.template(message="Dear ${user.displayname}, alias ${event.data.alias}", html="<b>${user.displayname}</b>")
    flow.post(
        data={"alias": "zenith-2"},
        user=SubjectIn("loginname", "zenith", {"displayname": "Zoe Zenith-Apex"}),
        source="mdm",
    )
    flow.send(server, clock)
    row = Delivery.objects.get()
    Attempt.objects.update(dialogue=f"RCPT TO:<{MAIL}>", detail=f"250 {MAIL} ok")
    Receipt.objects.create(delivery=row, part="p", status="delivered", detail=MAIL, received_at=clock.now())
    return row.pk


def is_left():
    return [line for line in everything().casefold().splitlines() if "zenith" in line]


def test_of_a_removed_person_no_copy_stays_in_texts_payloads_tries_receipts_or_audit(server, channel, clock, caller):
    key = sent_to_person(caller, server, clock)
    assert is_left()
    entries = list(AuditEntry.objects.values_list("pk", "at", "action"))
    assert caller.delete("/users/zenith").status_code == 204
    assert is_left() == []
    row, text = Delivery.objects.get(), DeliveryText.objects.get()
    assert (row.pk, row.state, row.address) == (key, "sent", "")
    assert {row.address_name, text.subject, text.text, text.html} == {row.address_name}
    assert row.address_name.startswith("removed with the person on 2")
    assert list(AuditEntry.objects.order_by("pk").values_list("pk", "at", "action"))[: len(entries)] == entries
    assert AuditEntry.objects.order_by("pk").last().action == "delete"
    assert caller.get(f"/deliveries/{key}").json()["state"] == "sent"


def test_what_waits_for_a_removed_person_is_cancelled(server, caller):
    world.device(owner=person(caller))
    world.template(message="Dear ${user.displayname}")
    flow.post()
    assert caller.delete("/users/zenith").status_code == 204
    assert Delivery.objects.values_list("state", "reason_code", "address").get() == ("cancelled", "cancelled", "")
    assert is_left() == []


def test_what_is_being_sent_at_that_moment_follows_at_its_end(server, channel, clock, caller):
    world.device(owner=person(caller))
    world.template(message="Dear ${user.displayname}")
    flow.post()
    lease = Event.objects.get().pk
    Delivery.objects.update(state="claimed", lease=lease, lease_until=clock.now())
    caller.delete("/users/zenith")
    sweep.sweep(now=clock.now())
    assert Delivery.objects.get().address == MAIL
    Delivery.objects.update(state="due", lease=None, lease_until=None)
    sweep.sweep(now=clock.now())
    assert Delivery.objects.values_list("state", "address").get() == ("cancelled", "")
    assert is_left() == []


def test_a_text_shared_with_others_loses_its_entry_in_the_visible_list_alone(server, channel, clock):
    world.template(recipient="", message="Plain")
    world.device()
    flow.post_to("a@example.com", MAIL)
    DeliveryText.objects.all().delete()
    text = DeliveryText.objects.create(id=Event.objects.get().pk, text="Plain", visible_to=["a@example.com", MAIL])
    Delivery.objects.update(text=text)
    call_command("forget", MAIL)
    text.refresh_from_db()
    assert (text.text, text.visible_to) == ("Plain", ["a@example.com"])


def test_an_address_of_no_user_is_forgotten_with_a_proof(server, channel, clock, capsys):
    world.template(recipient="", message="Dear ${event.data.to}")
    world.device()
    flow.post_to(MAIL, "a@example.com", data={"to": MAIL})
    flow.send(server, clock)
    Attempt.objects.update(dialogue=f"RCPT TO:<{MAIL}>")
    call_command("forget", MAIL.upper().replace("EXAMPLE.COM", "example.com"))
    printed = capsys.readouterr().out
    assert "dispatch.DeliveryText.text: 0" in printed
    assert "Nothing is left." in printed
    assert is_left() == []
    assert set(Delivery.objects.values_list("address", flat=True)) == {"", "a@example.com"}


def test_where_an_address_is_left_is_said_and_a_users_is_refused(server, capsys):
    SmtpServer.objects.update(from_email=MAIL)
    with pytest.raises(CommandError, match=r"servers.SmtpServer.from_email \(1\)"):
        call_command("forget", MAIL)
    world.person(loginname="zenith", mail=MAIL)
    with pytest.raises(CommandError, match="belongs to the user 'zenith'"):
        call_command("forget", MAIL)
    with pytest.raises(CommandError, match="neither a mail address nor a phone number"):
        call_command("forget", "zenith")
