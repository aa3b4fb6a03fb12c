"""Servers and templates are administered over HTTP."""

import pytest
from django.db.models import F

from api.v1 import servers
from foundation.models import AuditEntry
from servers.models import Server, SmsGateway, SmtpServer
from templates_app.models import NotificationTemplate
from tests.db import world
from tests.wire import push

pytestmark = pytest.mark.django_db
SMTP = {
    "kind": "smtp",
    "name": "Mail",
    "host": "mail.example.com",
    "from_email": "noreply@example.com",
    "authentication": True,
    "username": "user",
    "password": "a secret word",
    "unencrypted_accepted": True,
}
TEMPLATE = {
    "name": "Mine",
    "type": "device.jailbroken",
    "channels": [
        {
            "kind": "smtp",
            "active": True,
            "recipient": "${user.mail}",
            "texts": [{"subject": "Hi ${user.displayname}", "message": "Text"}],
        }
    ],
}


def test_a_server_is_added_changed_activated_and_deleted(api):
    caller = api("admin")
    made = caller.post("/servers", SMTP)
    assert made.status_code == 201
    returned = made.json()
    assert (returned["active"], returned["settings"]["port"], returned["settings"]["password_set"]) == (True, 25, True)
    path = f"/servers/{returned['id']}"
    assert caller.put(path, {"timeout": 60, "retries": None}).json()["settings"]["timeout"] == 60
    stored = SmtpServer.objects.get()
    assert (stored.password.reveal(), stored.revision, stored.retries) == ("a secret word", 2, 5)
    second = caller.post("/servers", {**SMTP, "name": "Second"}).json()
    assert not second["active"]
    assert caller.delete(path).status_code == 409
    assert caller.post(f"/servers/{second['id']}/activate").json()["active"]
    assert [row["active"] for row in caller.get("/servers").json()["servers"]] == [False, True]
    assert caller.delete(path).status_code == 204
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [
        "add",
        "change",
        "add",
        "activate",
        "delete",
    ]
    assert {entry.actor for entry in AuditEntry.objects.all()} == {"key 1"}


def test_a_secret_never_comes_out(api, monkeypatch):
    caller = api("admin")
    made = caller.post("/servers", SMTP)
    path = f"/servers/{made.json()['id']}"
    answers = [made, caller.get(path), caller.get("/servers"), caller.put(path, {"password": "another secret"})]
    answers.append(caller.put(path, {"password": "another secret", "port": 0}))
    for answer in answers:
        assert "secret word" not in answer.content.decode()
        assert "another secret" not in answer.content.decode()
    assert "secret word" not in str([(entry.before, entry.after) for entry in AuditEntry.objects.all()])
    assert SmtpServer.objects.get().password.reveal() == "another secret"


def test_without_a_revision_the_named_fields_are_set_whatever_others_change_meanwhile(api, monkeypatch):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMTP).json()['id']}"
    found = servers._find_own

    def found_before_another_change(server_id):
        server = found(server_id)
        Server.objects.update(revision=F("revision") + 1, description="theirs")
        return server

    monkeypatch.setattr(servers, "_find_own", found_before_another_change)
    answer = caller.put(path, {"name": "Ours"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["description"]) == ("Ours", "theirs")
    assert caller.put(path, {"name": "Ours", "revision": 1}).status_code == 409


def test_a_stored_password_does_not_go_to_another_server(api):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMTP).json()['id']}"
    refused = caller.put(path, {"host": "evil.example"})
    assert refused.status_code == 422
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [("password", "moved")]
    assert SmtpServer.objects.get().host == "mail.example.com"
    assert caller.put(path, {"host": "evil.example", "authentication": False}).status_code == 200
    assert not SmtpServer.objects.get().password
    again = {"authentication": True, "unencrypted_accepted": True}
    assert caller.put(path, again).json()["errors"][0]["code"] == "required"
    assert caller.put(path, {**again, "password": "another"}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"port": 2525},
        {"security": "tls"},
        {"verify_certificate": False},
        {"tls_minimum": "1.3"},
        {"mechanism": "LOGIN"},
        {"port": 2525, "password": None},
    ],
)
def test_a_change_of_what_a_secret_is_bound_to_needs_it_again(api, change):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMTP).json()['id']}"
    refused = caller.put(path, change)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["password"]
    assert caller.put(path, {**change, "password": "typed again"}).status_code == 200
    assert SmtpServer.objects.get().password.reveal() == "typed again"


BAD_FIELDS = [
    ({"host": "a b"}, "host"),
    ({"host": ""}, "host"),
    ({"port": 0}, "port"),
    ({"port": 10**30}, "port"),
    ({"port": "25"}, "port"),
    ({"from_email": "x"}, "from_email"),
    ({"from_name": "a\r\nb"}, "from_name"),
    ({"name": "a\nb"}, "name"),
    ({"password": None}, "password"),
    ({"password": "a\nb"}, "password"),
    ({"spa": True, "authentication": False}, "spa"),
    ({"timeout": 601}, "timeout"),
    ({"kind": "fax"}, "kind"),
    ({"hosts": "x"}, "hosts"),
]


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS)
def test_a_wrong_field_of_a_server_is_named(api, problem, change, field):
    problem(api("admin").post("/servers", {**SMTP, **change}), 422, field)
    assert not Server.objects.exists()


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS)
def test_a_change_is_refused_what_a_new_server_is_refused(api, problem, change, field):
    caller = api("admin")
    path = f"/servers/{caller.post('/servers', SMTP).json()['id']}"
    before = caller.get(path).json()
    problem(caller.put(path, change), 422, field)
    assert caller.get(path).json() == before


def test_a_name_is_taken_over_all_kinds(api, problem):
    SmsGateway.objects.create(kind="sms", name="Mail", key="k")
    problem(api("admin").post("/servers", SMTP), 422, "name")


def test_a_push_service_is_added_over_http_and_its_files_are_told_nobody(api, problem):
    caller = api("admin")
    fcm = {"kind": "fcm", "name": "FCM", "service_account": push.key_file("https://oauth2.googleapis.com/token")}
    answer = caller.post("/servers", fcm)
    assert answer.status_code == 201
    path = f"/servers/{answer.json()['id']}"
    assert answer.json()["settings"]["service_account_set"]
    assert "PRIVATE" not in caller.get(path).content.decode()
    assert "PRIVATE" not in str(AuditEntry.objects.values_list("after", flat=True))
    problem(caller.put(path, {"topic": "com.example.hub"}), 422, "topic")
    problem(caller.put(path, {"base_url": "https://push.example.com"}), 422, "service_account")
    problem(
        caller.post("/servers", {**fcm, "name": "Other", "service_account": "AIza" + "x" * 35}), 422, "service_account"
    )
    problem(caller.get("/servers/99999999999999999999999"), 404)


def test_a_test_is_begun_and_can_be_read(api, problem, idle_tests):
    server = world.smtp_server()
    caller = api("admin")
    problem(caller.post(f"/servers/{server.pk}/test", {"to": "nobody"}), 422, "to")
    begun = caller.post(f"/servers/{server.pk}/test", {"to": "it@example.com"})
    assert begun.status_code == 202
    returned = caller.get(begun["Location"].removeprefix("/api/v1")).json()
    assert (returned["to"], returned["finished_at"], returned["stages"]) == ("it@example.com", None, [])


def test_a_template_is_added_changed_and_deleted(api, small_world):
    caller = api("admin")
    made = caller.post("/templates", TEMPLATE)
    assert made.status_code == 201, made.content
    returned = made.json()
    assert (returned["version"], returned["predefined"], returned["channels"][0]["texts"][0]["message"]) == (
        1,
        False,
        "Text",
    )
    path = f"/templates/{returned['id']}"
    changed = caller.put(path, {"on_unknown": "hold", "lifetime_seconds": 3600}).json()
    assert (changed["version"], changed["on_unknown"], changed["lifetime_seconds"]) == (1, "hold", 3600)
    texts = [{**TEMPLATE["channels"][0], "texts": [{"subject": "S", "message": "New"}]}]
    assert caller.put(path, {"channels": texts}).json()["version"] == 2
    assert caller.get(path).json()["channels"][0]["texts"][0]["message"] == "New"
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "device.nonsense"}, "type"),
        ({"type": "system.apns_certificate_expiring"}, "type"),
        ({"name": "Jailbroken"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"lifetime_seconds": 1}, "lifetime_seconds"),
        ({"channels": [{"kind": "fax"}]}, "channels.0.kind"),
        (
            {"channels": [{**TEMPLATE["channels"][0], "texts": [{"subject": "${nonsense", "message": "x"}]}]},
            "smtp.subject",
        ),
        ({"channels": [{**TEMPLATE["channels"][0], "recipient": "no address"}]}, "smtp.recipient"),
        ({"channels": [{**TEMPLATE["channels"][0], "texts": []}]}, "smtp.subject"),
    ],
)
def test_a_wrong_field_of_a_template_is_named(api, small_world, problem, change, field):
    problem(api("admin").post("/templates", {**TEMPLATE, **change}), 422, field)
    assert not NotificationTemplate.objects.filter(name="Mine").exists()


def test_a_predefined_template_stays(api, problem):
    row = world.template(name="Ours", type_code="device.wiped.test", predefined=True)
    problem(api("admin").delete(f"/templates/{row.uid}"), 409)


def test_reading_needs_read_and_writing_admin(api, small_world, problem):
    reader, server = api("read"), Server.objects.get()
    template = NotificationTemplate.objects.get(name="Jailbroken")
    for path in ("/servers", f"/servers/{server.pk}", "/templates", f"/templates/{template.uid}"):
        assert reader.get(path).status_code == 200
    for method, path in (
        ("POST", "/servers"),
        ("PUT", f"/servers/{server.pk}"),
        ("DELETE", f"/servers/{server.pk}"),
        ("POST", f"/servers/{server.pk}/activate"),
        ("POST", f"/servers/{server.pk}/test"),
        ("POST", "/templates"),
        ("PUT", f"/templates/{template.uid}"),
        ("DELETE", f"/templates/{template.uid}"),
    ):
        problem(reader.send(method, path, "{}"), 403)


def test_a_kind_that_is_not_known_is_told_which_are(api):
    returned = api("admin").post("/servers", {"kind": "fax"}).json()
    assert [(each["field"], each["message"]) for each in returned["errors"]] == [
        ("kind", "Give one of smtp, sms, apns, fcm.")
    ]
