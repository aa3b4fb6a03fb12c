"""Whatever is changed over HTTP stands in the audit trail, and no secret with it."""

import pytest

from api.v1.table import OPERATIONS
from devices.models import Device
from dispatch.models import Broadcast, Delivery, Event
from foundation.models import AuditEntry
from servers.models import CarrierGateway, Server, SmtpServer
from templates_app.models import NotificationTemplate
from tests.db import world

pytestmark = pytest.mark.django_db
TOKEN = "ab" * 32
KEPT_AS_EVENTS = {"/events", "/events/batch"}
CHANGES_NOTHING = {"/broadcasts/preview"}
SEND = {"users": ["u1"], "message": {"smtp": {"subject": "a", "message": "b"}}}
WRITING = {
    "PUT /devices/{serial}": ("/devices/S1", {"model": "x", "push": {"kind": "apns", "token": TOKEN}}, "change"),
    "DELETE /devices/{serial}": ("/devices/S1", None, "delete"),
    "POST /devices/batch": ("/devices/batch", {"devices": [{"serial": "N", "imei": ""}, {"serial": "S1"}]}, "change"),
    "PUT /users/{loginname}": ("/users/u1", {"properties": {"department": "x"}}, "change"),
    "DELETE /users/{loginname}": ("/users/u1", None, "delete"),
    "POST /users/batch": ("/users/batch", {"users": [{"loginname": "n"}]}, "change"),
    "POST /deliveries/{delivery_id}/retry": ("/deliveries/DELIVERY/retry", None, "change"),
    "POST /deliveries/{delivery_id}/cancel": ("/deliveries/DELIVERY/cancel", None, "change"),
    "POST /broadcasts": ("/broadcasts", SEND, "add"),
    "POST /broadcasts/{broadcast_id}/pause": ("/broadcasts/BROADCAST/pause", None, "change"),
    "POST /broadcasts/{broadcast_id}/resume": ("/broadcasts/STILL/resume", None, "change"),
    "POST /broadcasts/{broadcast_id}/cancel": ("/broadcasts/BROADCAST/cancel", None, "change"),
    "POST /broadcasts/{broadcast_id}/again": ("/broadcasts/ENDED/again", None, "add"),
    "POST /servers": (
        "/servers",
        {"kind": "smtp", "name": "B", "host": "h.example", "from_email": "a@b.example", "password": TOKEN},
        "add",
    ),
    "PUT /servers/{server_id}": ("/servers/SERVER", {"password": TOKEN}, "change"),
    "DELETE /servers/{server_id}": ("/servers/SPARE", None, "delete"),
    "POST /servers/{server_id}/activate": ("/servers/SPARE/activate", None, "activate"),
    "POST /servers/{server_id}/try-again": ("/servers/SERVER/try-again", None, "retry"),
    "POST /servers/{server_id}/forget": ("/servers/SERVER/forget", None, "forget"),
    "POST /servers/{server_id}/test": ("/servers/SERVER/test", {"to": "a@example.com"}, "test"),
    "POST /carrier-gateways": (
        "/carrier-gateways",
        {"carrier": "Other", "domain": "sms.example.org", "country": "GB"},
        "add",
    ),
    "PUT /carrier-gateways/{gateway_id}": ("/carrier-gateways/GATEWAY", {"prefix": "x"}, "change"),
    "DELETE /carrier-gateways/{gateway_id}": ("/carrier-gateways/GATEWAY", None, "delete"),
    "POST /templates": (
        "/templates",
        {"name": "T", "type": "adhoc", "channels": [{"kind": "smtp", "texts": [{"subject": "a", "message": "b"}]}]},
        "add",
    ),
    "PUT /templates/{template_id}": ("/templates/TEMPLATE", {"description": "x"}, "change"),
    "DELETE /templates/{template_id}": ("/templates/SPAREONE", None, "delete"),
    "POST /imports/devices": ("/imports/devices", "N1;;iOS\n", "change"),
    "POST /imports/users": ("/imports/users", "n;;;Sales\n", "change"),
    "POST /imports/attributes": ("/imports/attributes", "u1;mail;ada@example.com\n", "change"),
}


def test_every_writing_route_is_known_here():
    writing = {
        f"{each.method.value} {each.path}" for each in OPERATIONS if each.method.value in {"PUT", "POST", "DELETE"}
    }
    assert {route for route in writing if route.split()[1] not in KEPT_AS_EVENTS | CHANGES_NOTHING} == set(WRITING)


@pytest.mark.parametrize("route", WRITING)
def test_it_leaves_one_entry_without_a_secret(api, small_world, idle_tests, route):
    spare = world.smtp_server(name="Spare", active=False)
    world.template(name="Spare", type_code="adhoc")
    caller = api()
    caller.post("/events", {"type": "device.jailbroken", "device": {"serial": "S1"}})
    if route.endswith("retry"):
        Delivery.objects.update(state="failed", reason_code="address_unknown")
    if route.endswith(("try-again", "forget")):
        Server.objects.filter(name="Mail").update(stopped_at=world.NOW, session_limit=10, session_limit_at=world.NOW)
    path, body, action = WRITING[route]
    going = Broadcast.objects.create(created_at=world.NOW, state="running")
    ended = Broadcast.objects.create(created_at=world.NOW, state="finished")
    ended.template_versions.add(NotificationTemplate.objects.get(name="Jailbroken").current_id)
    missed = Event.objects.create(occurred_at=world.NOW, received_at=world.NOW, broadcast=ended)
    named = {
        "BROADCAST": going.pk,
        "STILL": Broadcast.objects.create(created_at=world.NOW, state="planned").pk,
        "ENDED": ended.pk,
        "GATEWAY": CarrierGateway.objects.create(carrier="EE", domain="sms.example.com", country="GB").pk,
        "DELIVERY": Delivery.objects.get().pk,
        "SERVER": SmtpServer.objects.get(name="Mail").pk,
        "SPAREONE": NotificationTemplate.objects.get(name="Spare").uid,
        "SPARE": spare.pk,
        "TEMPLATE": NotificationTemplate.objects.get(name="Jailbroken").uid,
    }
    if route.endswith("again"):
        Delivery.objects.update(event=missed, state="failed", reason_code="mailbox_full")
    for word, value in named.items():
        path = path.replace(word, str(value))
    AuditEntry.objects.all().delete()
    content_type = "text/csv" if isinstance(body, str) else "application/json"
    answer = caller.send(route.split()[0], path, "" if body is None else body, content_type=content_type)
    assert answer.status_code < 300, answer.content
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == (action, "key 1")
    assert TOKEN not in str(AuditEntry.objects.values().get())


def test_the_entry_of_a_device_tells_what_differs(api):
    caller = api("devices")
    caller.put("/devices/S1", {"model": "a", "properties": {"ROOM": "1", "FLOOR": "2"}})
    caller.put("/devices/S1", {"model": "b", "properties": {"ROOM": "3"}, "apps": ["Words"]})
    entry = AuditEntry.objects.first()
    assert entry.before == {"model": "a", "ROOM": "1"}
    assert entry.after == {"model": "b", "ROOM": "3", "apps": "•••••• (new)"}
    assert entry.object_id == str(Device.objects.get().pk)


def test_what_changes_nothing_leaves_no_entry(api):
    caller = api("devices")
    for _ in range(2):
        caller.put("/devices/S1", {"model": "a"})
        caller.post("/devices/batch", {"devices": [{"serial": "S1", "model": "a"}]})
        caller.put("/devices/S2", {"model": 1})
    assert AuditEntry.objects.count() == 1


def test_a_batch_is_one_entry_with_its_numbers(api):
    caller = api("devices")
    caller.put("/devices/S1", {})
    AuditEntry.objects.all().delete()
    caller.post("/devices/batch", {"devices": [{"serial": "S1", "model": "x"}, {"serial": "S2"}, {"modell": "x"}]})
    entry = AuditEntry.objects.get()
    assert (entry.object_type, entry.object_name) == ("devices.device", "3 in a batch")
    assert entry.after == {"created": 1, "changed": 1}


def test_a_delivery_that_is_not_changed_leaves_no_entry(api, small_world):
    caller = api()
    caller.post("/events", {"type": "device.jailbroken", "device": {"serial": "S1"}})
    assert caller.post(f"/deliveries/{Delivery.objects.get().pk}/retry").status_code == 409
    assert not AuditEntry.objects.exists()
