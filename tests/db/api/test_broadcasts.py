"""Broadcasts over HTTP: begun, previewed, watched, paused, resumed, cancelled, sent again."""

import pytest
from django.utils import timezone

from devices.models import Group
from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery, Event
from dispatch.rules.clock import SystemClock
from tests.db import world

pytestmark = pytest.mark.django_db
OWN = {"smtp": {"subject": "Closed", "message": "Dear ${user.displayname}"}}
IPHONES = {"all": [{"field": "platform", "op": "is", "value": "iOS"}]}
SEND = {"audience": IPHONES, "message": OWN}


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    found = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", found.append)
    return found


def plan():
    for row in Broadcast.objects.filter(state="planning"):
        planning.plan(row.pk, clock=SystemClock(), stopping=lambda: False)


def test_one_is_begun_watched_and_ended(api, small_world):
    caller = api("send", "messages")
    begun = caller.post("/broadcasts", SEND)
    assert begun.status_code == 202
    where = begun.json()["status_url"].removeprefix("/api/v1")
    assert begun["Location"] == begun.json()["status_url"]
    assert caller.get(where).json()["state"] == "running"
    plan()
    shown = caller.get(where).json()
    assert (shown["state"], shown["counts"]["due"]) == ("running", 1)
    assert (shown["name"], shown["sent_by"], shown["sent_from"]) == ("Ad Hoc", "key 1", "127.0.0.1")
    assert (shown["message"], shown["audience"]) == (OWN, IPHONES)
    assert "message" not in api("read").get(where).json()
    paused = caller.post(f"{where}/pause").json()
    assert (paused["state"], paused["pause"]["reason"], paused["counts"]["paused"]) == ("paused", "", 1)
    assert caller.post(f"{where}/resume").json()["counts"]["due"] == 1
    assert caller.post(f"{where}/cancel").json()["state"] == "cancelled"
    listed = caller.get("/broadcasts?state=cancelled").json()["broadcasts"]
    assert [row["id"] for row in listed] == [begun.json()["id"]]
    assert caller.get("/broadcasts?state=running").json()["broadcasts"] == []


def test_the_preview_tells_the_reach_and_stores_nothing(api, small_world):
    world.device(serial="S2", owner=world.person(loginname="u2", mail=""))
    found = api("send").post("/broadcasts/preview", SEND).json()
    assert (found["messages"], found["people"]) == (1, 1)
    assert found["reached"] == [{"channel": "smtp", "number": 1}]
    assert found["left_out"] == [{"channel": "smtp", "reason": "no_address", "number": 1}]
    assert not Event.objects.exists()
    assert not Broadcast.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"audience": IPHONES}, "template"),
        ({"message": OWN}, "audience"),
        ({**SEND, "devices": ["S1"]}, "audience"),
        ({"devices": ["S9"], "message": OWN}, "devices.0"),
        ({"devices": [], "message": OWN}, "devices"),
        ({**SEND, "message": {}}, "message"),
        ({**SEND, "message": {"smtp": {"message": "x"}}}, "message.smtp.subject"),
        ({**SEND, "message": {"sms": {"message": "x", "subject": "x"}}}, "message.sms.subject"),
        ({**SEND, "channels": ["sms"]}, "channels"),
        ({**SEND, "channels": []}, "channels"),
        ({**SEND, "start": 1}, "start"),
        ({**SEND, "audience": {"all": [{"field": "x", "op": "is", "value": 1}]}}, "audience.all.0.field"),
        ({"audience": IPHONES, "template": "License Expiration"}, "template"),
        ({**SEND, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_what_is_wrong_is_named_alike_by_preview_and_begin(api, small_world, problem, body, field):
    for path in ("/broadcasts/preview", "/broadcasts"):
        problem(api("send").post(path, body), 422, field)
    assert not Broadcast.objects.exists()


def test_a_key_s_repetition_begins_none_and_another_body_is_a_conflict(api, small_world, problem):
    caller, key = api("send"), {"Idempotency-Key": "a"}
    first, again = (caller.post("/broadcasts", SEND, headers=key).json() for _ in range(2))
    assert (again["id"], again["replayed"]) == (first["id"], True)
    problem(caller.post("/broadcasts", {**SEND, "start": False}, headers=key), 409, "Idempotency-Key")
    told = caller.post("/broadcasts", SEND).json()
    assert "by key 1, since" in told["notes"][0]


def test_again_reaches_the_rest_once(api, small_world, problem):
    caller = api("send")
    begun = caller.post("/broadcasts", SEND).json()
    where = begun["status_url"].removeprefix("/api/v1")
    plan()
    problem(caller.post(f"{where}/again"), 409, "state")
    Delivery.objects.update(state="failed", reason_code="mailbox_full")
    planning.finish(now=timezone.now())
    problem(caller.post(f"{where}/pause"), 409, "state")
    assert caller.post(f"{where}/again").status_code == 202
    problem(caller.post(f"{where}/again"), 409, "body")
    plan()
    assert Delivery.objects.filter(state="due").count() == 1


def test_a_limited_key_sees_and_stops_what_its_groups_got(api, small_world, problem):
    group = Group.objects.create(name="Sales")
    limited, whole = api("send", groups=[group.pk]), api("send")
    other = whole.post("/broadcasts", SEND).json()["status_url"].removeprefix("/api/v1")
    plan()
    assert limited.get(other).status_code == 404
    Delivery.objects.get().person.groups.add(group)
    assert limited.get(other).json()["counts"]["due"] == 1
    assert limited.post(f"{other}/cancel").status_code == 403
    own = limited.post("/broadcasts", SEND).json()["status_url"].removeprefix("/api/v1")
    assert limited.post(f"{own}/cancel").status_code == 200
