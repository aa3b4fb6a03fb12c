"""Events for an audience over HTTP, and lists by the same filter."""

import json
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from devices.models import Device, Person
from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery, Event
from dispatch.rules.clock import SystemClock
from dispatch.upkeep import sweep

pytestmark = pytest.mark.django_db


def audience(*conditions, joined="all"):
    return {joined: [dict(zip(("field", "op", "value"), each, strict=True)) for each in conditions]}


IPHONES = audience(("platform", "is", "iOS"))


def test_an_audience_makes_a_broadcast_whose_event_tells_how_far_it_is(api, small_world):
    caller = api("events")
    answer = caller.post("/events", {"type": "device.jailbroken", "audience": IPHONES})
    assert answer.status_code == 202
    returned = answer.json()
    assert returned["deliveries"] == 0
    assert "broadcast" in returned["notes"][0]
    state = caller.get(f"/events/{returned['id']}").json()
    assert (state["state"], state["broadcast"]["state"]) == ("accepted", "planning")
    assert state["broadcast"]["audience"] == IPHONES

    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    state = caller.get(f"/events/{returned['id']}").json()
    assert (state["broadcast"]["state"], state["counts"]["due"]) == ("running", 1)
    (delivery,) = state["deliveries"]
    assert (delivery["recipient"], delivery["event"]) == ("u1@example.com", returned["id"])
    assert caller.get(f"/deliveries/{delivery['id']}").status_code == 200

    Delivery.objects.update(state="sent", sent_at=timezone.now())
    sweep.sweep(now=timezone.now())
    state = caller.get(f"/events/{returned['id']}").json()
    assert (state["state"], state["broadcast"]["state"]) == ("finished", "finished")


def test_a_delivery_of_a_broadcast_is_called_off_alone(api, small_world):
    Person.objects.create(loginname="u2", mail="u2@example.com").devices.add(
        Device.objects.create(serial="S2", platform="iOS")
    )
    caller = api("events", "send")
    caller.post("/events", {"type": "device.jailbroken", "audience": IPHONES})
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    one, other = Delivery.objects.order_by("id")
    assert caller.post(f"/deliveries/{one.pk}/cancel").json()["state"] == "cancelled"
    other.refresh_from_db()
    assert other.state == "due"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"audience": {}}, "audience"),
        ({"audience": {"all": [], "any": []}}, "audience.all"),
        ({"audience": {"all": []}}, "audience.all"),
        ({"audience": {"every": []}}, "audience.every"),
        ({"audience": audience(("colour", "is", "red"))}, "audience.all.0.field"),
        ({"audience": audience(("platform", "is", "iOS"), ("platform", "like", "iOS"))}, "audience.all.1.op"),
        ({"audience": audience(("platform", "greater", "iOS"))}, "audience.all.0.op"),
        ({"audience": audience(("platform", "is", "Symbian"), joined="any")}, "audience.any.0.value"),
        ({"audience": audience(("carrier", "in", ["a", ""]))}, "audience.all.0.value.1"),
        ({"audience": audience(("carrier", "is", {"a": 1}))}, "audience.all.0.value"),
        ({"audience": audience(("carrier", "is", "\0"))}, "audience.all.0.value"),
        ({"audience": {"all": [{"field": "app", "op": "is_set", "value": True, "not": 1}]}}, "audience.all.0.not"),
        ({"audience": IPHONES, "device": {"serial": "S1"}}, "audience"),
        ({"audience": IPHONES, "user": {"loginname": "u1"}}, "audience"),
        ({"audience": IPHONES, "type": "unheard.of"}, "type"),
        ({"audience": IPHONES, "recipients": {"smtp": ["x"]}}, "recipients.smtp.0"),
        ({"audience": IPHONES, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_wrong_audience_is_named_and_nothing_is_stored(api, small_world, problem, fields, field):
    problem(api("events").post("/events", {"type": "device.jailbroken", **fields}), 422, field)
    assert not Event.objects.exists()
    assert not Broadcast.objects.exists()


def test_a_batch_may_hold_broadcasts_and_a_replay_begins_none(api, small_world):
    caller = api("events")
    body = {
        "events": [
            {"type": "device.jailbroken", "audience": IPHONES, "idempotency_key": "a"},
            {"type": "device.jailbroken", "device": {"serial": "S1"}},
        ]
    }
    for replayed in (False, True):
        results = caller.post("/events/batch", body).json()["results"]
        assert [each["replayed"] for each in results] == [replayed, False]
    assert Broadcast.objects.count() == 1


def listed(caller, path, tree):
    return caller.get(f"{path}?{urlencode({'filter': json.dumps(tree)})}")


def test_lists_take_the_same_filter(api, small_world, problem):
    Device.objects.create(serial="S2", platform="ANDROID")
    caller = api("read")
    assert [row["serial"] for row in listed(caller, "/devices", IPHONES).json()["devices"]] == ["S1"]
    assert [row["loginname"] for row in listed(caller, "/users", IPHONES).json()["users"]] == ["u1"]
    assert listed(caller, "/users", audience(("platform", "is", "ANDROID"))).json()["users"] == []
    problem(caller.get("/devices?filter=x"), 422, "filter")
    problem(listed(caller, "/devices", audience(("platform", "is", 1))), 422, "filter.all.0.value")
    problem(listed(caller, "/users", {"all": 1}), 422, "filter.all")
