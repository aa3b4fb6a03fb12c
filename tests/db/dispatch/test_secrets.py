"""Secret values travel encrypted beside the event, stand masked in what is stored, and go when it is finished."""

import json
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dispatch.models import Attempt, Broadcast, Delivery, DeliveryText, Event, Lane
from dispatch.upkeep import sweep
from servers import factory, queries
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow
from transports.types import Sent

pytestmark = pytest.mark.django_db

PIN = "pin-739164"


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=100)


@pytest.fixture
def posted(server):
    world.template(
        recipient="", subject="Your PIN ${enrollment.pin}", message="It is ${enrollment.pin}.", html="${enrollment.pin}"
    )
    world.device()
    return flow.post_to("a@example.com", "b@example.com", secrets={"enrollment.pin": PIN})


def stored():
    """Everything that the flow has in the database."""
    rows = [row for model in (Event, Delivery, DeliveryText, Attempt) for row in model.objects.all()]
    return serializers.serialize("json", [row for row in rows if not isinstance(row, Attempt)]) + json.dumps(
        list(Attempt.objects.values_list("detail", "dialogue"))
    )


def test_a_secret_reaches_its_reader_and_is_masked_in_what_is_stored(server, posted, channel, clock):
    assert PIN not in stored()
    flow.send(server, clock)
    assert [wire.payload.count(PIN.encode()) for wire in channel.handed_over] == [2, 2]
    assert PIN not in stored()
    text = DeliveryText.objects.first()
    assert (text.subject, text.text, text.html) == ("Your PIN ******", "It is ******.", "******")


def test_no_id_is_made_from_a_text_with_a_secret(server, posted, channel, clock):
    flow.send(server, clock)
    assert {wire.key for wire in channel.handed_over} == set(Delivery.objects.values_list("id", flat=True))


def test_a_later_try_has_the_same_secret(server, posted, channel, clock):
    channel.answer = lambda wire, to: flow.GREYLISTED
    flow.send(server, clock)
    sweep.wipe_secrets()
    channel.answer = lambda wire, to: Sent()
    clock.pass_time(timedelta(minutes=2))
    flow.send(server, clock)
    first, _, again, _ = channel.handed_over
    assert PIN.encode() in again.payload
    assert again.payload == first.payload


@pytest.mark.parametrize("state", ["due", "claimed", "paused", "held"])
def test_secrets_stay_while_a_delivery_of_the_event_may_still_be_sent(server, posted, channel, clock, state):
    flow.send(server, clock)
    held = {"lease": Event.objects.get().pk, "lease_until": clock.now()} if state == "claimed" else {}
    Delivery.objects.filter(address="a@example.com").update(state=state, reason_code="no_answer", **held)
    assert sweep.wipe_secrets() == 0
    assert len(Event.objects.get().sealed) > 20


@pytest.mark.parametrize("state", ["sent", "delivered", "undelivered", "failed", "cancelled", "expired", "digested"])
def test_secrets_go_when_every_delivery_of_the_event_is_finished(server, posted, channel, clock, state):
    flow.send(server, clock)
    Delivery.objects.filter(address="a@example.com").update(state=state, reason_code="no_answer")
    sweep.sweep(now=clock.now())
    assert Event.objects.get().sealed == Event.WIPED
    assert set(DeliveryText.objects.values_list("sealed", flat=True)) == {Event.WIPED}
    assert sweep.wipe_secrets() == 0


def test_secrets_of_an_event_that_reached_nobody_go_too(server):
    world.template(recipient="")
    world.device()
    flow.post(secrets={"enrollment.pin": PIN})
    assert sweep.wipe_secrets() == 1


def test_what_needs_a_wiped_secret_fails_instead_of_going_out_masked(server, posted, channel, clock):
    channel.answer = lambda wire, to: flow.UNKNOWN_USER if to.address == "a@example.com" else Sent()
    flow.send(server, clock)
    sweep.wipe_secrets()
    Delivery.objects.filter(state="failed").update(state="due")
    Delivery.objects.filter(state="sent").update(state="due", text=None)
    channel.handed_over.clear()
    flow.send(server, clock)
    assert channel.handed_over == []
    assert set(Delivery.objects.values_list("state", "reason_code")) == {("failed", "secret_wiped")}


def test_a_text_without_a_secret_is_left_alone(server, channel, clock):
    world.template(recipient="", message="Plain")
    world.device()
    flow.post_to("a@example.com", secrets={"enrollment.pin": PIN})
    flow.send(server, clock)
    sweep.wipe_secrets()
    assert DeliveryText.objects.values_list("text", "sealed").get() == ("Plain", "")


def test_the_events_with_secrets_are_found_by_their_index(server, posted):
    Event.objects.bulk_create(
        [Event(origin="test", occurred_at=world.NOW, received_at=world.NOW) for _ in range(2000)], batch_size=500
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as caught:
        sweep.wipe_secrets()
    sql = caught.captured_queries[0]["sql"]
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "event_sealed" in plan, plan


def everything():
    """Every row of every table, as text."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += [str(value) for row in cursor.fetchall() for value in row]
    return "\n".join(rows)


HIDDEN = {"codes": [{"otp": "otp-481516"}], "wifi": {"password": "wifi-234203"}, "room": "4.12"}


@pytest.mark.parametrize("by_template", [False, True])
def test_secrets_in_the_data_of_an_event_reach_their_reader_alone(server, channel, clock, caplog, by_template):
    template = world.template(recipient="", message="${event.data.wifi.password} in ${event.data.room}")
    world.device()
    named = {"template": template.name, "type": ""} if by_template else {}
    flow.post_to("a@example.com", data=HIDDEN, **named)
    flow.send(server, clock)
    assert b"wifi-234203 in 4.12" in channel.handed_over[0].payload
    sweep.sweep(now=clock.now())
    found = everything() + caplog.text
    assert "4.12" in found
    assert "234203" not in found
    assert "481516" not in found
    assert Event.objects.get().sealed == Event.WIPED


def test_secrets_stay_while_the_audience_of_a_broadcast_is_not_planned(server, clock):
    world.template(recipient="", message="${event.data.pin}")
    flow.post(device=None, data={"pin": PIN}, audience={"all": [{"field": "platform", "op": "is", "value": "iOS"}]})
    assert sweep.wipe_secrets() == 0
    Broadcast.objects.update(state="running")
    assert sweep.wipe_secrets() == 1


@pytest.fixture
def keys(settings):
    """Takes the keys away that everything was sealed with; returns what brings them back."""

    def lose():
        kept = settings.XMNOTIFY_FERNET_KEYS
        settings.XMNOTIFY_FERNET_KEYS = [Fernet.generate_key().decode()]
        return lambda: setattr(settings, "XMNOTIFY_FERNET_KEYS", [*settings.XMNOTIFY_FERNET_KEYS, *kept])

    return lose


@pytest.mark.parametrize("tried", [False, True], ids=["the event's", "a kept text's"])
def test_what_needs_a_secret_that_no_key_opens_waits_for_a_person_and_the_key(
    server, posted, channel, clock, keys, admin_client, caplog, tried
):
    if tried:
        channel.answer = lambda wire, to: flow.GREYLISTED
        flow.send(server, clock)
        channel.answer = lambda wire, to: Sent()
        channel.handed_over.clear()
        clock.pass_time(timedelta(minutes=2))
    bring_back = keys()
    flow.send(server, clock)
    assert channel.handed_over == []
    assert set(Delivery.objects.values_list("state", "reason_code")) == {("held", "secret_unreadable")}
    one = Delivery.objects.first()
    assert "XMNOTIFY_FERNET_KEYS" in admin_client.get(f"/log/{one.pk}/").content.decode()
    assert "Traceback" not in caplog.text
    assert sweep.wipe_secrets() == 0
    bring_back()
    asked = admin_client.post("/log/bulk/", {"do": "retry", "scope": "all", "query": "state=trouble"})
    admin_client.post("/log/bulk/", asked.context["fields"])
    clock.go_to(Delivery.objects.latest("due_at").due_at)
    flow.send(server, clock)
    assert flow.states() == {"sent": 2}
    assert all(PIN.encode() in wire.payload for wire in channel.handed_over)


@pytest.mark.parametrize("kind", ["smtp", "sms"])
def test_a_server_whose_secret_no_key_opens_is_paused_and_says_so(clock, keys, admin_client, caplog, kind):
    factory.forget()
    if kind == "smtp":
        server = world.smtp_server(authentication=True, username="u", password="p")
    else:
        server = world.sms_gateway()
    flow.deliveries(1, server_id=server.pk, now=clock.now())
    bring_back = keys()
    for pause in (timedelta(seconds=15), timedelta(seconds=30)):
        assert flow.send(server, clock) == 0
        row = Server.objects.get(pk=server.pk)
        assert (row.trouble_code, row.paused_until - clock.now()) == ("secret_unreadable", pause)
        assert not Lane.objects.filter(server_id=server.pk, lease__isnull=False).exists()
        clock.pass_time(pause)
    assert "Traceback" not in caplog.text
    Server.objects.filter(pk=server.pk).update(paused_until=timezone.now() + timedelta(minutes=1))
    assert "XMNOTIFY_FERNET_KEYS" in admin_client.get("/settings/health/").content.decode()
    assert flow.states() == {"due": 1}
    assert Delivery.objects.get().tries == 0
    bring_back()
    assert factory.build_channel(queries.settings_of(server.pk))
