"""SMS gateways and carrier SMS gateways over HTTP: the same rules as on the pages."""

import pytest

from foundation.models import AuditEntry
from servers.models import CarrierGateway, Server, SmsGateway
from tests.db import world

pytestmark = pytest.mark.django_db
SMS = {"kind": "sms", "name": "Nexmo", "key": "a1b2c3d4", "secret": "a secret word", "https": True, "country": "DE"}
CARRIER = {"carrier": "AT&T Wireless", "domain": "sms.att.example", "country": "US"}


def test_a_gateway_is_added_changed_activated_and_deleted(api):
    caller = api("admin")
    made = caller.post("/servers", SMS)
    assert made.status_code == 201, made.content
    returned = made.json()
    assert (returned["kind"], returned["active"], returned["settings"]["country"]) == ("sms", True, "DE")
    assert (returned["settings"]["secret_set"], returned["settings"]["signature_secret_set"]) == (True, False)
    path = f"/servers/{returned['id']}"
    changed = caller.put(path, {"virtual_number": "12025550123", "sender_name": None, "retries": 2}).json()
    assert (changed["settings"]["sender_name"], changed["settings"]["retries"]) == ("xmnotify", 2)
    stored = SmsGateway.objects.get()
    assert (stored.secret.reveal(), stored.virtual_number, stored.revision) == ("a secret word", "12025550123", 2)
    second = caller.post("/servers", {**SMS, "name": "Second"}).json()
    assert caller.delete(path).status_code == 409
    assert caller.post(f"/servers/{second['id']}/activate").json()["active"]
    assert caller.delete(path).status_code == 204
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [
        "add",
        "change",
        "add",
        "activate",
        "delete",
    ]


def test_the_first_of_each_kind_is_active(api):
    world.smtp_server()
    assert api("admin").post("/servers", SMS).json()["active"]


def test_a_secret_never_comes_out_and_the_receipt_address_only_to_administrators(api):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMS).json()['id']}"
    token = SmsGateway.objects.get().receipt_token.reveal()
    refused = caller.put(path, {"secret": "another secret", "timeout": 0})
    for answer in (caller.get(path), caller.get("/servers"), refused):
        assert "secret word" not in answer.content.decode()
        assert "another secret" not in answer.content.decode()
    assert token in caller.get(path).json()["settings"]["receipt_address"]
    assert token not in api("read").get("/servers").content.decode()
    assert "secret word" not in str([(entry.before, entry.after) for entry in AuditEntry.objects.all()])


BAD_FIELDS = [
    ({"name": ""}, "name"),
    ({"name": "x" * 10_000}, "name"),
    ({"description": "x" * 10_000}, "description"),
    ({"key": ""}, "key"),
    ({"key": None}, "key"),
    ({"secret": None}, "secret"),
    ({"secret": "a\nb"}, "secret"),
    ({"https": False, "secret": "given again"}, "unencrypted_accepted"),
    ({"https": "true"}, "https"),
    ({"country": "+49"}, "country"),
    ({"country": "XX"}, "country"),
    ({"virtual_number": "0"}, "virtual_number"),
    ({"virtual_number": "+1"}, "virtual_number"),
    ({"virtual_number": "letters"}, "virtual_number"),
    ({"virtual_number": "1" * 30}, "virtual_number"),
    ({"virtual_number": "24273"}, "virtual_number"),
    ({"virtual_number": 12025550123}, "virtual_number"),
    ({"sender_name": "📣"}, "sender_name"),
    ({"sender_name": ""}, "sender_name"),
    ({"timeout": 601}, "timeout"),
    ({"rate_limit": -1}, "rate_limit"),
    ({"base_url": "nowhere"}, "base_url"),
    ({"signature_method": "md5"}, "signature_method"),
    ({"signature_method": "sha256"}, "signature_secret"),
    ({"host": "mail.example.com"}, "host"),
]


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS)
def test_a_wrong_field_of_a_gateway_is_named(api, problem, change, field):
    problem(api("admin").post("/servers", {**SMS, **change}), 422, field)
    assert not Server.objects.exists()


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS)
def test_a_change_is_refused_what_a_new_gateway_is_refused(api, problem, change, field):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMS).json()['id']}"
    before = caller.get(path).json()
    problem(caller.put(path, change), 422, field)
    assert caller.get(path).json() == before


def test_fields_of_the_other_kind_are_refused(api, problem):
    server = world.smtp_server()
    problem(api("admin").put(f"/servers/{server.pk}", {"virtual_number": "12025550123"}), 422, "virtual_number")


@pytest.mark.parametrize("to", ["0", "+1", "anna@example.org", "1" * 30, "24273", ""])
def test_a_test_of_a_gateway_goes_to_a_phone_number(api, problem, idle_tests, to):
    gateway = world.sms_gateway()
    problem(api("admin").post(f"/servers/{gateway.pk}/test", {"to": to}), 422, "to")


def test_a_test_of_a_gateway_is_begun_and_can_be_read(api, idle_tests):
    gateway, caller = world.sms_gateway(), api("admin")
    begun = caller.post(f"/servers/{gateway.pk}/test", {"to": "415 555 2671"})
    assert begun.status_code == 202
    assert caller.get(begun["Location"].removeprefix("/api/v1")).json()["to"] == "+14155552671"


def test_a_carrier_is_added_changed_and_deleted(api):
    caller = api("admin")
    made = caller.post("/carrier-gateways", CARRIER)
    assert made.status_code == 201, made.content
    path = made["Location"].removeprefix("/api/v1")
    assert made.json()["number_format"] == "national"
    changed = caller.put(path, {"prefix": "TwoWay.", "domain": "txt.att.net"}).json()
    assert (changed["prefix"], list(changed["warnings"])) == ("TwoWay.", ["domain"])
    assert caller.get(path).json() == changed
    assert caller.get("/carrier-gateways").json()["carrier_gateways"] == [changed]
    assert caller.put(path, {"prefix": None}).json()["prefix"] == ""
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["add", "change", "change", "delete"]


BAD_CARRIERS = [
    ({"carrier": ""}, "carrier"),
    ({"carrier": None}, "carrier"),
    ({"carrier": "--"}, "carrier"),
    ({"domain": "nowhere"}, "domain"),
    ({"domain": None}, "domain"),
    ({"country": "+1"}, "country"),
    ({"country": None}, "country"),
    ({"prefix": "a b"}, "prefix"),
    ({"number_format": "roman"}, "number_format"),
    ({"carrier_key": "x"}, "carrier_key"),
]


@pytest.mark.parametrize(("change", "field"), BAD_CARRIERS)
def test_a_wrong_field_of_a_carrier_is_named_new_or_changed(api, problem, change, field):
    caller = api("admin")
    problem(caller.post("/carrier-gateways", {**CARRIER, **change}), 422, field)
    assert not CarrierGateway.objects.exists()
    path = caller.post("/carrier-gateways", CARRIER)["Location"].removeprefix("/api/v1")
    before = caller.get(path).json()
    problem(caller.put(path, change), 422, field)
    assert caller.get(path).json() == before


def test_a_second_gateway_of_a_carrier_is_refused(api, problem):
    world.carrier_gateway(carrier="at&t")
    problem(api("admin").post("/carrier-gateways", CARRIER), 422, "carrier")


def test_reading_needs_read_and_writing_admin(api, problem):
    made = world.carrier_gateway()
    reader = api("read")
    for path in ("/carrier-gateways", f"/carrier-gateways/{made.pk}"):
        assert reader.get(path).status_code == 200
    for method, path in (
        ("POST", "/carrier-gateways"),
        ("PUT", f"/carrier-gateways/{made.pk}"),
        ("DELETE", f"/carrier-gateways/{made.pk}"),
    ):
        problem(reader.send(method, path, "{}"), 403)
