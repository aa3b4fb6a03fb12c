"""Who is limited to groups of users gets at nobody else: every page and every operation, with what lies outside.

All that is outside bears a mark; no answer may have it, and nothing outside may change.
"""

import json
import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils.timezone import now

from api.access import keys
from api.kit.callers import ApiScope
from api.v1.table import OPERATIONS
from console.accounts import roles
from console.models import RoleRule
from devices.models import Group, RoleScope
from dispatch.models import Attempt, Broadcast, Delivery, DeliveryText, Event
from foundation.sql.ids import new_uid
from tests.db import world
from tests.db.console.test_every_page import AS_FRAGMENT, EVERY, address

pytestmark = pytest.mark.django_db
MARK, SOUGHT = "Zyxwvut", "hidden"
"""What bears the mark is found by the other word."""
ASKED = "&".join(f"{name}={SOUGHT}" for name in ("search", "recipient", "name", "user", "group", "q"))


def delivery(person, to, *, own, event=None, **fields):
    moment = now()
    event = event or Event.objects.create(
        type="device.jailbroken",
        source="test",
        origin="key:0",
        person=person,
        occurred_at=moment,
        received_at=moment,
        payload={"data": {"note": to}},
    )
    fields = {"broadcast": event.broadcast, **fields}
    text = DeliveryText.objects.create(pk=event.pk if own else new_uid(), subject=to, text=to, html=f"<p>{to}</p>")
    made = Delivery.objects.create(
        event=event,
        person=person,
        own=own,
        text=text,
        channel="smtp",
        server_kind="smtp",
        address_kind="mail",
        address=to,
        address_name=person.displayname if person else to,
        state="failed",
        reason_code="policy",
        reason_detail=to,
        due_at=moment,
        expires_at=moment,
        created_at=moment,
        **fields,
    )
    Attempt.objects.create(
        delivery=made, number=1, started_at=moment, duration_ms=1, server_name="Mail", outcome="rejected", dialogue=to
    )
    return made


class Outside:
    """A user in another group, with a device, an event, a broadcast and a delivery; one to a bare address too."""

    def __init__(self):
        self.group = Group.objects.create(name=f"{MARK} Board")
        self.person = world.person(
            loginname=f"{SOUGHT}-bob", displayname=f"{MARK} Bob", mail=f"{MARK}@hidden.example", mobile="+4915112345678"
        )
        self.person.groups.add(self.group)
        self.device = world.device(serial="HIDDEN1", owner=self.person, name=f"{MARK} phone", carrier=f"{MARK} Mobile")
        self.nobodys = world.device(serial="HIDDEN2", name=f"{MARK} in the cupboard")
        self.broadcast = Broadcast.objects.create(name=f"{MARK} news", audience={"all": []}, created_at=now())
        begun = Event.objects.create(
            type="adhoc", source=MARK, origin="key:0", broadcast=self.broadcast, occurred_at=now(), received_at=now()
        )
        self.delivery = delivery(self.person, f"{MARK}@hidden.example", own=True)
        self.sent = delivery(self.person, f"{MARK}@hidden.example", own=True, event=begun)
        self.bare = delivery(None, f"{MARK}-bare@hidden.example", own=False)

    def ids(self):
        rows = (self.person, self.device, self.nobodys, self.group)
        events = (self.delivery, self.sent, self.bare, self.delivery.event, self.sent.event, self.broadcast)
        return [*{row.pk for row in rows}, *(str(row.pk) for row in events)]

    def state(self):
        """All that somebody could have changed."""
        found = []
        for row in (self.person, self.device, self.nobodys, self.group, self.broadcast, self.delivery, self.sent):
            found += type(row).objects.filter(pk=row.pk).values()
        found += Delivery.objects.filter(pk=self.bare.pk).values()
        found += self.person.groups.values_list("name")
        return [*found, Delivery.objects.filter(person=self.person).count()]


@pytest.fixture
def sales():
    return Group.objects.create(name="Sales")


@pytest.fixture
def outside(db):
    cache.clear()
    world.smtp_server()
    world.template()
    return Outside()


@pytest.fixture
def inside(sales):
    """A user of the group, with a device, and what was sent because of them: to them, and to a bare address."""
    person = world.person(loginname="ada", displayname="Ada of Sales", mail="ada@example.com")
    person.groups.add(sales)
    device = world.device(serial="S1", owner=person, name="Phone of Ada")
    mine = delivery(person, "ada@example.com", own=True)
    delivery(person, f"{MARK}-boss@hidden.example", own=False, event=mine.event)
    return {"person": person, "device": device, "delivery": mine}


@pytest.fixture
def eve(client, sales):
    """An Administrator limited to Sales by a second role."""
    if not Role.objects.filter(name=roles.ADMINISTRATOR, permissions__codename="add_group").exists():
        roles.install(apps)
    limit = Role.objects.create(name="Sales only")
    RoleRule.objects.create(role=limit, limited=True)
    RoleScope.objects.create(role=limit, group=sales)
    made = User.objects.create_user("eve", is_staff=True, email="eve@example.com")
    made.groups.add(limit, Role.objects.get(name=roles.ADMINISTRATOR))
    client.force_login(made)
    return made


def text(answer):
    parts = answer.streaming_content if answer.streaming else [answer.content]
    return b"".join(parts).decode(errors="replace")


def places(pattern, ids):
    """The addresses of a page for what is outside, with a filter that finds it."""
    kind = pattern.pattern.converters.get("pk")
    fitting = [pk for pk in ids if kind and (type(kind).__name__ == "UUIDConverter") == isinstance(pk, str)]
    paths = [address(pattern, pk=pk) for pk in fitting] or [address(pattern)]
    return [*paths, f"{paths[0]}?{ASKED}"]


@pytest.mark.parametrize("pattern", EVERY)
def test_no_page_shows_or_changes_what_is_outside(client, eve, outside, inside, pattern):
    before = outside.state()
    chosen = {"id": [str(row.pk) for row in (outside.delivery, outside.person, outside.device)]}
    for path in places(pattern, outside.ids()):
        answer = client.get(path, headers=AS_FRAGMENT if "?" in path else None)
        assert answer.status_code != 500
        assert MARK.lower() not in text(answer).lower(), path
        for do in ("retry", "delete") if "?" not in path else ():
            answer = client.post(path, {**chosen, "do": do, "scope": "all" if do == "retry" else ""})
            assert MARK.lower() not in text(answer).lower(), path
    assert outside.state() == before


def test_what_is_inside_is_shown(client, eve, outside, inside):
    for path in (
        "/devices/",
        "/users/",
        f"/devices/{inside['device'].pk}/",
        f"/users/{inside['person'].pk}/",
        "/devices/devices.csv",
        "/users/users.csv",
        "/log/",
        "/log/?recipient=ada",
        "/log/deliveries.csv",
        f"/log/{inside['delivery'].pk}/",
    ):
        assert re.search("Ada of Sales|Phone of Ada|ada@example.com", text(client.get(path))), path


def test_the_figures_are_those_of_the_groups(client, admin_client, eve, outside, inside):
    client.force_login(eve)
    assert client.get("/").context["figures"].failed == 1
    assert [row["row"].address for row in client.get("/").context["failures"]] == ["ada@example.com"]
    assert admin_client.get("/").context["figures"].failed == 5


def test_whoever_is_not_limited_sees_what_the_others_do_not(admin_client, outside, inside):
    """Else the mark would prove nothing."""
    shown = 0
    for parameter in EVERY:
        paths = [] if parameter.id.startswith("/settings/") else places(parameter.values[0], outside.ids())
        shown += any(MARK.lower() in text(admin_client.get(path)).lower() for path in paths)
    assert shown >= 10


@pytest.mark.parametrize("most_few", [0, 300])
def test_many_users_and_few_are_listed_alike(client, eve, limited, outside, inside, monkeypatch, most_few):
    """Few are looked up by their events, of many each delivery of a slice is looked at."""
    monkeypatch.setattr("dispatch.log.search.MOST_FEW", most_few)
    assert [row.name for row in client.get("/log/").context["rows"]] == ["ada@example.com"]
    assert [row["recipient"] for row in limited("GET", "/deliveries").json()["deliveries"]] == ["ada@example.com"]
    assert [row["id"] for row in limited("GET", "/events").json()["events"]] == [str(inside["delivery"].event_id)]


def test_the_audit_trail_is_not_theirs_to_read(client, eve):
    assert client.get("/audit/").status_code == 403
    assert "/audit/" not in text(client.get("/settings/"))
    assert "and what was sent to them: Sales." in text(client.get("/admin/profile/"))


KEYS = {
    "serial": ("HIDDEN1", "HIDDEN2"),
    "loginname": (f"{SOUGHT}-bob",),
}
LINES = {
    "devices": "SerialNumber;IMEI;OperatingSystemFamily\nHIDDEN1;;iOS",
    "users": f"user;password;role;group\n{SOUGHT}-bob;;;Sales",
    "attributes": f"user;name;value\n{SOUGHT}-bob;mail;x@example.com",
}
EVENT = {"type": "device.jailbroken", "occurred_at": "2026-11-22T14:00:00+01:00"}
EVENTS = [
    {**EVENT, "user": {"loginname": f"{SOUGHT}-bob"}},
    {**EVENT, "user": {"loginname": f"{SOUGHT}-bob", "displayname": "Changed"}},
    {**EVENT, "device": {"serial": "HIDDEN1"}},
    {**EVENT, "device": {"serial": "HIDDEN1", "model": "Changed"}},
    {**EVENT, "device": {"serial": "S1", "user": f"{SOUGHT}-bob"}},
    {**EVENT, "user": {"loginname": "ada"}, "recipients": {"smtp": [f"{MARK}@hidden.example"]}},
    {**EVENT, "user": {"loginname": "nobody", "mail": "nobody@example.com"}},
]
ELSEWHERE = {**EVENT, "user": {"loginname": "ada", "mail": "elsewhere@example.com"}}
REFUSED = [
    *[("POST", "/events", event) for event in EVENTS],
    ("POST", "/events/batch", {"events": EVENTS}),
    ("PUT", "/devices/HIDDEN1", {"model": "Changed"}),
    ("PUT", "/devices/HIDDEN1", {"user": "ada"}),
    ("PUT", "/devices/NEW", {"model": "Nobody's"}),
    ("PUT", "/devices/S1", {"user": f"{SOUGHT}-bob"}),
    ("PUT", "/devices/S1", {"user": None}),
    ("POST", "/devices/batch", {"devices": [{"serial": "HIDDEN1"}, {"serial": "HIDDEN2", "user": "ada"}]}),
    ("PUT", f"/users/{SOUGHT}-bob", {"groups": ["Sales"]}),
    ("PUT", "/users/new", {"displayname": "New"}),
    ("PUT", "/users/new", {"groups": ["Sales", "Another"]}),
    ("PUT", "/users/ada", {"groups": []}),
    ("PUT", "/users/ada", {"groups": ["Sales", f"{MARK} Board"]}),
    ("POST", "/users/batch", {"users": [{"loginname": f"{SOUGHT}-bob", "groups": ["Sales"]}]}),
]


class Limited:
    """A client with a key that may do everything, within Sales."""

    def __init__(self, sales):
        self.key = keys.create("limited", scopes=list(ApiScope), groups=[sales.pk])
        self.client = Client()

    def __call__(self, method, path, body=None, *, content_type="application/json"):
        raw = body if isinstance(body, str) else json.dumps(body or {})
        headers = {"Authorization": f"Bearer {self.key}"}
        return self.client.generic(method, f"/api/v1{path}", raw, content_type=content_type, headers=headers)


@pytest.fixture
def limited(sales):
    return Limited(sales)


@pytest.mark.parametrize("operation", [pytest.param(one, id=f"{one.method} {one.path}") for one in OPERATIONS])
def test_no_operation_shows_or_changes_what_is_outside(limited, outside, inside, operation):
    before = outside.state()
    names = re.findall(r"\{(\w+)\}", operation.path)
    uuids = [str(pk) for pk in outside.ids() if isinstance(pk, str)]
    values = KEYS.get(names[0], ["1"] if names[0] in {"server_id", "gateway_id"} else uuids) if names else [""]
    kind = operation.path.rpartition("/")[2]
    body, as_type = (LINES[kind], "text/csv") if operation.path.startswith("/imports/") else ({}, "application/json")
    for value in values:
        path = re.sub(r"\{\w+\}", value, operation.path, count=1).replace("{test_id}", uuids[0])
        answer = limited(operation.method, path, body, content_type=as_type)
        assert answer.status_code not in {401, 403, 500}, text(answer)
        assert MARK.lower() not in text(answer).lower(), path
        if names and names[0] in {"serial", "loginname", "delivery_id", "event_id", "broadcast_id"}:
            assert answer.status_code in {404, 422}
    assert outside.state() == before


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
def test_what_would_reach_or_touch_somebody_outside_is_refused(limited, outside, inside, method, path, body):
    before = outside.state()
    answer = limited(method, path, body)
    assert answer.status_code == 422, text(answer)
    if "recipients" not in body and MARK not in json.dumps(body):
        assert MARK.lower() not in text(answer).lower()
    assert outside.state() == before
    assert set(inside["person"].groups.values_list("name", flat=True)) == {"Sales"}
    assert not Delivery.objects.exclude(pk__in=[outside.delivery.pk, outside.sent.pk, outside.bare.pk]).exclude(
        event=inside["delivery"].event
    )


def test_an_event_about_somebody_outside_is_refused_like_one_about_nobody(limited, outside, inside):
    known, unknown = (
        limited("POST", "/events", {**EVENT, "user": {"loginname": name}}).json() for name in (f"{SOUGHT}-bob", "none")
    )
    assert known == unknown


def test_a_key_that_writes_no_users_sends_to_their_stored_addresses_alone(limited, outside, inside, sales):
    limited.key = keys.create("events alone", scopes=[ApiScope.EVENTS], groups=[sales.pk])
    refused = limited("POST", "/events", ELSEWHERE)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "user.mail")
    assert limited("POST", "/events", {**EVENT, "user": {"loginname": "ada", "displayname": "A"}}).status_code == 202


def test_a_limited_key_does_its_work_inside(limited, outside, inside):
    assert limited("POST", "/events", {**EVENT, "user": {"loginname": "ada"}}).status_code == 202
    assert limited("PUT", "/devices/S2", {"user": "ada", "model": "New"}).status_code == 201
    assert limited("PUT", "/users/new", {"groups": ["Sales"]}).status_code == 201
    (one, two) = limited("GET", "/users").json()["users"]
    assert {one["loginname"], two["loginname"]} == {"ada", "new"}
    assert len(limited("GET", "/deliveries").json()["deliveries"]) == 2
    detail = limited("GET", f"/deliveries/{inside['delivery'].pk}").json()
    assert detail["recipient"] == "ada@example.com"
    event = limited("GET", f"/events/{inside['delivery'].event_id}").json()
    assert [row["recipient"] for row in event["deliveries"]] == ["ada@example.com"]
    assert sum(event["counts"].values()) == 1


def test_a_group_outside_stays_with_a_user_whose_other_groups_are_written(limited, outside, inside):
    inside["person"].groups.add(outside.group)
    assert limited("GET", "/users/ada").json()["groups"] == ["Sales"]
    assert limited("PUT", "/users/ada", {"groups": ["Sales"], "displayname": "A"}).json()["groups"] == ["Sales"]
    lines = "user;password;role;group\nada;;;Sales"
    assert limited("POST", "/imports/users", lines, content_type="text/csv").status_code == 200
    assert set(inside["person"].groups.values_list("name", flat=True)) == {"Sales", outside.group.name}


SHARED = [pytest.param(one.values[0], id=one.id) for one in EVERY if one.id.startswith("/broadcasts/0")]


@pytest.fixture
def shared(outside, inside):
    """A broadcast that reached a user inside and one outside."""
    made = Broadcast.objects.create(name="News", audience={"all": [{"note": MARK}]}, state="running", created_at=now())
    begun = Event.objects.create(
        type="adhoc", source="test", origin="key:0", broadcast=made, occurred_at=now(), received_at=now()
    )
    delivery(inside["person"], "ada@example.com", own=True, event=begun)
    delivery(outside.person, f"{MARK}@hidden.example", own=False, event=begun)
    return made


@pytest.mark.parametrize("pattern", SHARED)
def test_of_a_broadcast_to_others_too_one_sees_the_own_and_stops_nothing(client, eve, shared, pattern):
    path = address(pattern, pk=str(shared.pk))
    answer = client.get(path)
    assert answer.status_code != 500
    assert MARK.lower() not in text(answer).lower()
    if answer.status_code == 200 and "audience" not in path:
        assert MARK.lower() not in text(client.get(f"{path}?channel=smtp&reason=reached&code=policy")).lower()
    for do in ("pause", "resume", "cancel"):
        client.post(path, {"do": do, "action": do, "sure": "on", "number": "1"})
    shared.refresh_from_db()
    assert shared.state == "running"


def test_whoever_sees_all_that_it_reaches_pauses_it(admin_client, shared):
    admin_client.post(address(next(one for one in EVERY if one.id.endswith("/pause/")).values[0], pk=str(shared.pk)))
    shared.refresh_from_db()
    assert shared.state == "paused"


def test_nobody_outside_is_among_those_who_are_notified_by_hand(client, eve, outside, inside):
    for do, outer, inner in (
        ("devices", outside.device, inside["device"]),
        ("users", outside.person, inside["person"]),
    ):
        for chosen in ({"scope": "all"}, {"scope": "ticked"}):
            answer = client.post("/broadcasts/notify/", {"do": do, "id": [outer.pk, inner.pk], **chosen}, follow=True)
            assert answer.status_code == 200
            assert MARK.lower() not in text(answer).lower()


@pytest.mark.parametrize("do", ["", "/pause", "/resume", "/cancel"])
def test_nor_over_http(limited, shared, do):
    answer = limited("POST" if do else "GET", f"/broadcasts/{shared.pk}{do}")
    assert answer.status_code == (403 if do else 200)
    assert MARK.lower() not in text(answer).lower()
    shared.refresh_from_db()
    assert shared.state == "running"
    if not do:
        assert sum(answer.json()["counts"].values()) == 1


def test_a_broadcast_over_http_stays_within_the_groups(limited, outside, inside):
    everybody = {"any": [{"field": "group", "op": "is_set"}, {"field": "user.mail", "op": "is_set"}]}
    answer = limited("POST", "/events", {**EVENT, "template": "Jailbroken", "audience": everybody})
    assert answer.status_code == 202
    made = Broadcast.objects.get(events=answer.json()["id"])
    assert made.groups == [inside["person"].groups.get().pk]
    assert not made.scope.covers(frozenset({outside.group.pk}))
