"""Console and HTTP interface change a server by the same edits: the same entry, the same refusals."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from api.access import keys
from foundation.models import AuditEntry
from servers.models import CarrierGateway, Server, SmsGateway, SmtpServer
from tests.db import world
from tests.db.api.conftest import Api

pytestmark = pytest.mark.django_db
LIST = "/settings/notification-server/"
CARRIERS = "/settings/carrier-sms-gateway/"
SMTP = {"name": "Relay", "host": "mail.example.com", "from_email": "it@example.com", "port": 25, "timeout": 30}
SMS = {"name": "Nexmo", "key": "a1", "secret": "a word", "country": "US", "https": True}
CARRIER = {"carrier": "AT&T", "domain": "sms.att.example", "country": "US", "prefix": "", "number_format": "national"}


class Console:
    """What an administrator does on the pages, given as fields of the HTTP interface."""

    def __init__(self):
        self.client = Client()
        self.client.force_login(User.objects.create_superuser("admin"))

    def create(self, kind, fields):
        return self._post(f"{_place(kind)}add/", fields)

    def change(self, row, fields, *, revision=None):
        path = f"{_place(_kind(row))}{row.pk}/"
        form = self.client.get(path).context["form"]
        shown = {name: form[name].value() for name in form.fields}
        seen = {} if revision is None else {"seen": str(revision)}
        return self._post(path, {**shown, **fields, **seen})

    def delete(self, row):
        return self._post(f"{CARRIERS if isinstance(row, CarrierGateway) else LIST}{row.pk}/delete/", {})

    def do(self, row, deed):
        return self._post(f"{LIST}{row.pk}/{deed}/", {})

    def problems(self, answer):
        found = answer.context["form"].errors
        return {name: list(words) for name, words in found.items()}

    def is_stale(self, answer):
        return answer.status_code == 422 and "Somebody saved this meanwhile" in answer.content.decode()

    def _post(self, path, fields):
        return self.client.post(
            path, {name: value for name, value in fields.items() if value is not None and value is not False}
        )


class Http:
    """The same over HTTP."""

    def __init__(self):
        self.api = Api(keys.create("key", scopes=["admin"]))

    def create(self, kind, fields):
        if kind == "carrier":
            return self.api.post("/carrier-gateways", fields)
        return self.api.post("/servers", {"kind": kind, **fields})

    def change(self, row, fields, *, revision=None):
        seen = {} if revision is None else {"revision": revision}
        return self.api.put(self._path(row), {**fields, **seen})

    def delete(self, row):
        return self.api.delete(self._path(row))

    def do(self, row, deed):
        return self.api.post(f"/servers/{row.pk}/{deed}")

    def problems(self, answer):
        found = {}
        for error in answer.json()["errors"]:
            found.setdefault(error["field"], []).append(error["message"])
        return found

    def is_stale(self, answer):
        return answer.status_code == 409 and [one["code"] for one in answer.json()["errors"]] == ["stale"]

    def _path(self, row):
        return f"/{'carrier-gateways' if isinstance(row, CarrierGateway) else 'servers'}/{row.pk}"


def _place(kind):
    return CARRIERS if kind == "carrier" else f"{LIST}{kind}/"


def _kind(row):
    return "carrier" if isinstance(row, CarrierGateway) else row.kind


@pytest.fixture
def ways(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    return Console(), Http()


def made(kind, **fields):
    match kind:
        case "smtp":
            return SmtpServer.objects.get(pk=world.smtp_server(name="Relay", **fields).pk)
        case "sms":
            return SmsGateway.objects.get(pk=world.sms_gateway(name="Nexmo", **fields).pk)
        case _:
            return CarrierGateway.objects.get(pk=world.carrier_gateway(**fields).pk)


def entry():
    found = AuditEntry.objects.values("action", "object_type", "object_name", "before", "after").get()
    AuditEntry.objects.all().delete()
    return found


def emptied():
    Server.objects.all().delete()
    CarrierGateway.objects.all().delete()
    AuditEntry.objects.all().delete()


def same_entry(ways, deed, *, kind=None, **fields):
    found = []
    for way in ways:
        emptied()
        answer = deed(way, made(kind, **fields)) if kind else deed(way)
        assert answer.status_code < 400, answer.content
        found.append(entry())
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(("kind", "fields"), [("smtp", SMTP), ("sms", SMS), ("carrier", CARRIER)])
def test_a_new_one_leaves_the_same_entry(ways, kind, fields):
    defaults = SmtpServer if kind == "smtp" else SmsGateway
    columns = [] if kind == "carrier" else [column for column in defaults._meta.concrete_fields if column.editable]
    shown = {column.name: column.get_default() for column in columns if not column.primary_key}
    filled = {name: value for name, value in shown.items() if value != "" and isinstance(value, str | int)}
    found = same_entry(ways, lambda way: way.create(kind, {**filled, **fields}))
    assert found["action"] == "add"
    assert "a word" not in str(found)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("smtp", {"host": "other.example.com", "timeout": 45}), ("sms", {"country": "GB"}), ("carrier", {"prefix": "x"})],
)
def test_a_change_leaves_the_same_entry(ways, kind, fields):
    found = same_entry(ways, lambda way, row: way.change(row, fields), kind=kind)
    assert (found["action"], found["after"]) == ("change", fields)


@pytest.mark.parametrize("kind", ["smtp", "sms", "carrier"])
def test_a_deletion_leaves_the_same_entry(ways, kind):
    assert same_entry(ways, lambda way, row: way.delete(row), kind=kind)["action"] == "delete"


@pytest.mark.parametrize(
    ("deed", "fields", "action"),
    [
        ("activate", {"active": False}, "activate"),
        ("try-again", {"stopped_at": world.NOW}, "retry"),
        ("forget", {"session_limit": 3, "session_limit_at": world.NOW, "session_limit_reply": "452"}, "forget"),
    ],
)
def test_what_is_done_to_a_server_leaves_the_same_entry(ways, deed, fields, action):
    found = same_entry(ways, lambda way, row: way.do(row, deed), kind="smtp", **fields)
    assert (found["action"], found["object_type"]) == (action, "servers.smtpserver")


@pytest.mark.parametrize(
    ("kind", "fields"), [("smtp", {"timeout": 45}), ("sms", {"timeout": 45}), ("carrier", {"prefix": "x"})]
)
def test_an_old_revision_is_refused_and_the_new_one_is_taken(ways, kind, fields):
    for way in ways:
        emptied()
        row = made(kind)
        assert way.change(row, fields, revision=row.revision).status_code < 400
        refused = way.change(row, {name: value * 2 for name, value in fields.items()}, revision=row.revision)
        assert way.is_stale(refused), refused.content
        assert way.change(row, fields, revision=row.revision + 1).status_code < 400


def test_a_changed_carrier_gateway_makes_no_form_of_the_sms_gateway_an_old_one(ways):
    console, http = ways
    row = made("sms")
    assert http.create("carrier", CARRIER).status_code == 201
    assert console.change(row, {"timeout": 45}, revision=row.revision).status_code == 302


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("smtp", {"host": "a b"}),
        ("smtp", {"from_email": "nobody"}),
        ("smtp", {"timeout": 601}),
        ("smtp", {"authentication": True}),
        ("smtp", {"name": "taken"}),
        ("sms", {"virtual_number": "+1"}),
        ("sms", {"https": True, "base_url": "http://sms.example.com"}),
        ("carrier", {"domain": "localhost"}),
        ("carrier", {"prefix": "a b"}),
    ],
)
def test_the_same_values_are_refused_in_the_same_words(ways, kind, fields):
    found = []
    for way in ways:
        emptied()
        world.smtp_server(name="taken", active=False)
        answer = way.change(made(kind), fields)
        assert answer.status_code == 422
        found.append(way.problems(answer))
    assert found[0] == found[1]
    assert not AuditEntry.objects.exists()
