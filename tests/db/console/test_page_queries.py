"""Every page of navigation and Settings makes a fixed, small number of queries, however much there is to show."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from api.access import keys
from api.kit.callers import ApiScope
from console.kit import registry
from dispatch.models import Delivery
from foundation.audit import Action, Actor, record
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
MOST = 45


def more(round_):
    """One more of everything that a page lists."""
    name = f"{round_:03}"
    server = world.smtp_server(name=f"Server {name}", active=round_ == 0)
    person = world.person(loginname=f"p{name}", mail=f"p{name}@example.com")
    world.device(serial=f"D{name}", owner=person, carrier=f"Carrier {name}")
    world.template(name=f"Template {name}")
    ids = flow.deliveries(3, server_id=server.pk)
    Delivery.objects.filter(pk=ids[0]).update(state="failed", reason_code="policy")
    Delivery.objects.filter(pk=ids[1]).update(state="held", reason_code="no_answer")
    group = Group.objects.create(name=f"Role {name}")
    user = User.objects.create_user(f"user{name}", is_staff=True)
    user.groups.add(group)
    keys.create(f"Key {name}", scopes=[ApiScope.EVENTS])
    record(Actor("ada"), action=Action.CHANGE, instance=server, before={"host": "a"}, after={"host": name})


def counted(client):
    user = User(is_superuser=True, is_active=True)
    found = {}
    for page in [*registry.entries(user), *registry.tiles(user)]:
        path = reverse(page.view)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        found[path] = len(queries)
    return found


def test_every_list_asks_as_many_queries_for_much_as_for_little(admin_client, monkeypatch):
    # What a page does again only after some time would be counted on one page or another, as the machine is fast.
    monkeypatch.setattr("console.accounts.sessions._MINUTE", 1_000_000)  # that a session is in use
    monkeypatch.setattr("xmnotify.operations.readiness._TRIED_EVERY", 1_000_000)  # whether rows could be stored
    for number in range(2):
        more(number)
    counted(admin_client)  # some things are cached once
    few = counted(admin_client)
    for number in range(2, 14):
        more(number)
    counted(admin_client)
    assert counted(admin_client) == few
    assert max(few.values()) <= MOST, few
