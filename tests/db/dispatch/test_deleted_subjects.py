"""A device or user goes while there are events and deliveries of theirs; nothing that looks at these falls over."""

import pytest
from django.utils import timezone

from api.access import keys
from api.kit.callers import ApiScope
from devices.models import Device, Person
from dispatch.broadcasts import planning
from dispatch.intake import accept
from dispatch.intake.accept import SubjectIn
from dispatch.models import Broadcast, Delivery, Event
from dispatch.outbox import store as intake
from dispatch.rules.clock import SystemClock
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
GONE = 999_999
EVERYBODY = {"all": [{"field": "platform", "op": "is", "value": "iOS"}]}


@pytest.fixture(autouse=True)
def _no_planner_is_woken(monkeypatch):
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", lambda broadcast_id: None)


@pytest.fixture
def server():
    return world.smtp_server()


@pytest.fixture
def api(client):
    key = keys.create("Reader", scopes=list(ApiScope))
    return lambda path: client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def dangling(server):
    """A delivery of a broadcast, and one of an event, whose user and device are gone without its knowledge."""
    version = world.template(message="Your ${device.model} and ${user.displayname}.").current_id
    broadcast = Broadcast.objects.create(audience=EVERYBODY, channels=["smtp"], state="running", created_at=world.NOW)
    happened = flow.event(type="device.jailbroken", broadcast=broadcast)
    rows = [
        flow.planned(
            number,
            event_id=happened.pk,
            server_id=server.pk,
            template_version_id=version,
            person_id=GONE,
            device_id=GONE,
            broadcast_id=broadcast_id,
        )
        for number, broadcast_id in enumerate((broadcast.pk, None))
    ]
    intake.add(rows, now=world.NOW)
    return [row.id for row in rows]


def test_a_delivery_whose_user_and_device_are_gone_is_sent_with_empty_macros(server, dangling, clock, channel):
    assert flow.send(server, clock) == 2
    assert flow.states() == {"sent": 2}
    empty = Delivery.objects.select_related("text").get(pk=dangling[0]).text.empty
    assert sorted(empty) == ["device.model", "user.displayname"]


def test_pages_and_answers_tell_a_delivery_whose_user_and_device_are_gone(dangling, api, admin_client):
    log = admin_client.get("/log/")
    assert log.status_code == 200
    assert "user0@example.com" in log.content.decode()
    assert admin_client.get("/log/", {"recipient": "user0@example.com"}).status_code == 200
    assert b"user0@example.com" in b"".join(admin_client.get("/log/deliveries.csv").streaming_content)
    for key in dangling:
        assert admin_client.get(f"/log/{key}/").status_code == 200
        assert api(f"/deliveries/{key}").json()["id"] == str(key)
    assert len(api("/deliveries").json()["deliveries"]) == 2
    assert api(f"/events/{Event.objects.get().pk}").json()["counts"]["due"] == 2
    assert admin_client.get("/").status_code == 200


@pytest.mark.parametrize("model", [Person, Device])
def test_deleting_a_user_or_device_leaves_the_deliveries_of_its_event(server, model, clock, channel):
    world.template()
    world.device(owner=world.person())
    answer = flow.post()
    model.objects.get().delete()
    assert flow.send(server, clock) == 1
    row, event = Delivery.objects.get(), Event.objects.get(pk=answer.id)
    assert (row.state, row.address) == ("sent", "u1@example.com")
    gone = (row.person_id, event.person_id) if model is Person else (row.device_id, event.device_id)
    assert gone == (None, None)


@pytest.mark.parametrize("model", [Person, Device])
def test_deleting_a_user_or_device_leaves_the_deliveries_of_its_broadcast(
    server, model, clock, channel, api, admin_client
):
    world.template(message="Your ${device.model} is old.")
    world.device(owner=world.person())
    announce()
    model.objects.get().delete()
    row = Delivery.objects.get()
    assert (row.person_id if model is Person else row.device_id) is None
    clock.go_to(timezone.now())
    assert flow.send(server, clock) == 1
    assert flow.states() == {"sent": 1}
    assert admin_client.get(f"/log/{row.pk}/").status_code == 200
    assert api(f"/deliveries/{row.pk}").json()["recipient"] == "u1@example.com"


@pytest.mark.parametrize("model", [Person, Device])
def test_a_user_or_device_that_goes_between_two_chunks_gets_nothing_and_stops_nobody(server, model, monkeypatch):
    monkeypatch.setattr(planning, "FIRST", 1)
    world.template()
    for number in range(3):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
    plan_targets = planning._plan_targets

    def last_goes(run, targets):
        model.objects.order_by("-pk")[:1].get().delete()
        monkeypatch.setattr(planning, "_plan_targets", plan_targets)
        return plan_targets(run, targets)

    monkeypatch.setattr(planning, "_plan_targets", last_goes)
    announce()
    assert Broadcast.objects.get().state == "running"
    assert {"u0@example.com", "u1@example.com"} == set(
        Delivery.objects.exclude(address="").values_list("address", flat=True)
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
@pytest.mark.parametrize("model", [Person, Device])
def test_a_user_or_device_that_goes_before_its_event_is_stored_is_told_as_unknown(server, monkeypatch, model, alone):
    world.template()
    for number in range(2):
        world.device(serial=f"S{number}")
        world.person(loginname=f"u{number}")
    store = intake.store

    def one_goes(*given, **named):
        monkeypatch.setattr(intake, "store", store)
        model.objects.get(**{"serial": "S0"} if model is Device else {"loginname": "u0"}).delete()
        return store(*given, **named)

    monkeypatch.setattr(intake, "store", one_goes)
    place, key = ("device", "serial") if model is Device else ("user", "loginname")
    values = ("S0", "S1") if model is Device else ("u0", "u1")
    posted = [
        accept.Posted(
            accept.EventIn(type="device.jailbroken", occurred_at=world.NOW, **{place: SubjectIn(key, value)}), "", ""
        )
        for value in values
    ]
    gone, *others = accept.accept_all(posted[:1] if alone else posted, origin="test", now=world.NOW)
    assert (gone.field, gone.code) == (f"{place}.{key}", "unknown")
    assert [other.id for other in others] == list(Event.objects.values_list("pk", flat=True))


def announce():
    """Post an event for everybody and plan its broadcast."""
    now = timezone.now()
    flow.post(now=now, device=None, audience=EVERYBODY)
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
