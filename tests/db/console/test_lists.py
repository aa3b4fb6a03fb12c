"""Every list of the console, and what the rooms above add to one."""

from itertools import count

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse

from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from console.kit import registry
from console.kit.lists import ListPage
from console.kit.registry import Bulk, Button, Column
from devices import models as devices
from devices.models import Device, Person, SavedFilter
from dispatch.models import Broadcast, Delivery
from foundation.audit import Action, Actor, record
from foundation.models import AuditEntry
from servers.models import CarrierGateway, Server
from templates_app.models import TemplateVersion
from tests.db import world
from tests.db.console.test_every_page import patterns
from tests.db.dispatch import flow
from tests.db.list_contract import ListContract

pytestmark = pytest.mark.django_db
NUMBERS = count()


def names(kind, number):
    return [f"{kind} {next(NUMBERS):05}" for _ in range(number)]


class TestServers(ListContract):
    view = "notification-server"

    def add(self, count):
        for name in names("Server", count):
            world.smtp_server(name=name, active=False, description="For tests")

    def clear(self):
        Server.objects.all().delete()


class TestPushServices(ListContract):
    view = "secure-hub-push"

    def add(self, count):
        for name in names("Service", count):
            world.apns(name=name, active=False, description="For tests")

    def clear(self):
        Server.objects.all().delete()


class TestCarriers(ListContract):
    view = "carrier-gateways"

    def add(self, count):
        for name in names("Carrier", count):
            world.carrier_gateway(carrier=name)

    def clear(self):
        CarrierGateway.objects.all().delete()


class TestTemplates(ListContract):
    view = "notification-templates"
    unfit = {"search": "nobody's", "type": "adhoc"}

    def add(self, count):
        for name in names("Template", count):
            world.template(name=name)


class TestVersions(ListContract):
    view = "template-versions"

    def address(self):
        if not hasattr(self, "template"):
            self.template = world.template()
        return reverse(self.view, args=[self.template.pk])

    def add(self, count):
        newest = self.template.versions.order_by("-number").first().number
        TemplateVersion.objects.bulk_create(
            TemplateVersion(template=self.template, number=newest + each) for each in range(1, count + 1)
        )


class TestAdministrators(ListContract):
    view = "administrators"
    unfit = {"name": "nobody's"}

    def add(self, count):
        group = Group.objects.get_or_create(name="Helpdesk")[0]
        for name in names("user", count):
            User.objects.create_user(name, is_staff=True).groups.add(group)


class TestRoles(ListContract):
    view = "roles"

    def add(self, count):
        for name in names("Role", count):
            User.objects.create_user(name, is_staff=True).groups.add(Group.objects.create(name=name))

    def clear(self):
        Group.objects.all().delete()


class TestApiKeys(ListContract):
    view = "api-keys"
    unfit = {"name": "nobody's"}

    def add(self, count):
        for name in names("Key", count):
            keys.create(name, scopes=[ApiScope.EVENTS])

    def clear(self):
        ApiKey.objects.all().delete()


class TestAuditTrail(ListContract):
    view = "audit"
    unfit = {"actor": "nobody", "since": "2020-01-01"}

    def add(self, count):
        server = world.smtp_server(name=next(iter(names("Server", 1))), active=False)
        for each in range(count):
            record(Actor("ada"), action=Action.CHANGE, instance=server, before={"port": 1}, after={"port": each + 2})

    def clear(self):
        AuditEntry.objects.all().delete()


class TestDevices(ListContract):
    view = "devices"
    unfit = {"search": "nobody's", "platform": "iOS"}

    def add(self, count):
        for name in names("Device", count):
            world.device(serial=name)

    def clear(self):
        Device.objects.all().delete()


class TestUsers(ListContract):
    view = "users"
    unfit = {"search": "nobody's"}

    def add(self, count):
        for name in names("User", count):
            world.person(loginname=name)

    def clear(self):
        Person.objects.all().delete()


class TestGroups(ListContract):
    view = "groups"
    unfit = {"name": "nobody's", "source": "hand"}

    def add(self, count):
        for name in names("Group", count):
            person = world.person(loginname=name)
            person.groups.add(devices.Group.objects.create(name=name))
            world.device(serial=name, owner=person)

    def clear(self):
        devices.Group.objects.all().delete()


class TestUsersOfAGroup(ListContract):
    view = "group"
    unfit = {"search": "nobody's"}

    def address(self):
        if not hasattr(self, "group"):
            self.group = devices.Group.objects.create(name="Sales")
        return reverse(self.view, args=[self.group.pk])

    def add(self, count):
        for name in names("User", count):
            person = world.person(loginname=name, mail=f"{name[-5:]}@example.com")
            person.groups.add(self.group)
            world.device(serial=name, owner=person)

    def clear(self):
        self.group.people.clear()


class TestSavedFilters(ListContract):
    view = "devices-filters"

    def add(self, count):
        owner, _ = User.objects.get_or_create(username="owner")
        page = self.view.partition("-")[0]
        SavedFilter.objects.bulk_create(
            SavedFilter(owner=owner, page=page, name=name, query="group=Sales", shared=True)
            for name in names("Filter", count)
        )

    def clear(self):
        SavedFilter.objects.all().delete()


class TestSavedFiltersOfUsers(TestSavedFilters, ListContract):
    view = "users-filters"


class TestDeliveryLog(ListContract):
    view = "delivery-log"
    unfit = {"recipient": "nobody@example.com", "state": "failed"}

    def add(self, count):
        server = world.smtp_server(name=next(iter(names("Server", 1))), active=False)
        flow.deliveries(count, server_id=server.pk)

    def clear(self):
        Delivery.objects.all().delete()


class TestBroadcasts(ListContract):
    view = "broadcasts"
    unfit = {"by": "nobody", "state": "cancelled"}

    def add(self, count):
        Broadcast.objects.bulk_create(
            Broadcast(name=name, audience={"devices": []}, state="finished", created_at=world.NOW, sent_by="admin")
            for name in names("Broadcast", count)
        )

    def clear(self):
        Broadcast.objects.all().delete()


def test_every_list_keeps_the_contract():
    lists = {pattern.name for pattern in patterns() if issubclass(pattern.callback.view_class, ListPage)}
    assert lists == {contract.view for contract in ListContract.__subclasses__()}
    assert lists


@pytest.fixture
def added(monkeypatch):
    """What a room above adds to the list of servers."""
    monkeypatch.setattr(registry, "_registered", registry._Registered())
    read = []

    def columns(_request, rows):
        read.append(len(rows))
        waiting = {row.pk: f"{row.pk} wait" for row in rows}
        return [Column("waiting", "Waiting", lambda row: waiting[row.pk])]

    registry.add_columns("notification-server", source=columns)
    registry.add_row_buttons(
        "notification-server",
        source=lambda _request, _rows: (
            lambda row: [
                Button("Empty it", f"/empty/{row.pk}/"),
                Button("Burn it", "/burn/", "servers.no_such_permission"),
            ]
        ),
    )
    registry.add_bulk("notification-server", Bulk("Move", "/move/", "move", "servers.change_server"))
    return read


def test_a_room_above_adds_columns_buttons_and_bulk_actions(admin_client, added):
    servers = [world.smtp_server(name=name, active=False) for name in ("One", "Two")]
    shown = admin_client.get(reverse("notification-server")).content.decode()
    assert added == [2]  # once for the page, not once a row
    for server in servers:
        assert f"{server.pk} wait" in shown
        assert f'action="/empty/{server.pk}/"' in shown
        assert f'form="bulk" name="id" value="{server.pk}"' in " ".join(shown.split())
    assert 'value="move"' in shown


def test_what_a_room_above_adds_is_for_those_who_may_press_it(client, added):
    world.smtp_server()
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(*Permission.objects.filter(codename="view_server"))
    client.force_login(looker)
    shown = client.get(reverse("notification-server")).content.decode()
    assert "Burn it" not in shown
    assert 'id="bulk"' not in shown
