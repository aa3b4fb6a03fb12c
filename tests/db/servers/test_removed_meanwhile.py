"""What was removed after it was read and before it was locked is gone, as it is for whoever comes later."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from api.access import keys
from foundation.models import AuditEntry
from servers import edits
from servers.carriers import edits as carriers
from servers.models import CarrierGateway, SmtpServer
from tests.db import world
from tests.db.api.conftest import Api

pytestmark = pytest.mark.django_db
SMTP = "/settings/notification-server/smtp/"
LIST = "/settings/notification-server/"
CARRIERS = "/settings/carrier-sms-gateway/"


@pytest.fixture
def removing(monkeypatch):
    """Have the row removed by somebody else the moment an edit of it begins."""

    def remove(row, place, edit):
        own = getattr(place, edit)

        def late(*args, **kwargs):
            type(row).objects.filter(pk=row.pk).delete()
            return own(*args, **kwargs)

        monkeypatch.setattr(place, edit, late)

    return remove


@pytest.fixture
def server():
    return SmtpServer.objects.get(pk=world.smtp_server(name="Relay").pk)


@pytest.fixture
def gateway():
    return CarrierGateway.objects.get(pk=world.carrier_gateway().pk)


@pytest.fixture
def client(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    found = Client()
    found.force_login(User.objects.create_superuser("admin"))
    return found


def typed(client, path):
    form = client.get(path).context["form"]
    return {name: value for name in form.fields if (value := form[name].value()) is not None and value is not False}


@pytest.mark.parametrize(
    ("method", "path", "edit"), [("put", "", "change"), ("delete", "", "delete"), ("post", "/activate", "activate")]
)
def test_a_server_is_not_found_over_http(server, removing, method, path, edit):
    removing(server, edits, edit)
    api = Api(keys.create("key", scopes=["admin"]))
    arguments = [{"timeout": 45}] if method == "put" else []
    answer = getattr(api, method)(f"/servers/{server.pk}{path}", *arguments)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such server.")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_carrier_gateway_is_not_found_over_http(gateway, removing, method):
    removing(gateway, carriers, {"put": "change", "delete": "delete"}[method])
    api = Api(keys.create("key", scopes=["admin"]))
    arguments = [{"prefix": "x"}] if method == "put" else []
    answer = getattr(api, method)(f"/carrier-gateways/{gateway.pk}", *arguments)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such carrier SMS gateway.")
    assert not AuditEntry.objects.exists()


def test_a_server_is_not_found_on_its_pages(server, client, removing):
    form = typed(client, f"{SMTP}{server.pk}/")
    removing(server, edits, "change")
    assert client.post(f"{SMTP}{server.pk}/", form).status_code == 404
    again = world.smtp_server(name="Another")
    removing(again, edits, "delete")
    assert client.post(f"{LIST}{again.pk}/delete/").status_code == 404
    assert not AuditEntry.objects.exists()


def test_a_carrier_gateway_is_not_found_on_its_pages(gateway, client, removing):
    form = typed(client, f"{CARRIERS}{gateway.pk}/")
    removing(gateway, carriers, "change")
    assert client.post(f"{CARRIERS}{gateway.pk}/", form).status_code == 404
    again = world.carrier_gateway()
    removing(again, carriers, "delete")
    assert client.post(f"{CARRIERS}{again.pk}/delete/").status_code == 404
    assert not AuditEntry.objects.exists()
