"""Every page of the console in every look, found by walking through the addresses; with things to show on each."""

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from console.accounts import second_factor
from console.models import SecondFactor
from devices import import_runs
from devices import models as devices
from devices.imports import Kind
from devices.scope import EVERYBODY
from dispatch.models import Broadcast, Delivery
from foundation.audit import Action, Actor, record
from servers.models import ServerTest, ServerTestStage
from tests.browser import looks
from tests.db import world
from tests.db.console.test_every_page import address, patterns
from tests.db.dispatch import flow
from tests.db.dispatch.test_log import hold

OWN = ["/admin/profile/", "/admin/second_factor/", "/admin/password_change/", "/help/permissions/", "/nowhere/"]
PARTS = 8


@pytest.fixture
def objects(transactional_db, admin_user, monkeypatch):
    """One of everything that a page is about; answers the ids by the kind of address."""
    now = timezone.now()
    world.all_is_well(monkeypatch)
    server = world.smtp_server(name="Corporate relay", authentication=True, username="relay", last_test_at=now)
    apns = world.apns(certificate_expires_at=now)
    template = world.template(html="<h1>Hello</h1><p>Your device is <b>jailbroken</b>.</p>")
    person = world.person(displayname="Ada Lovelace")
    device = world.device(owner=person, carrier="Vodafone")
    users = devices.Group.objects.create(name="Sales")
    person.groups.add(users)
    held, failed, _queued = flow.deliveries(3, server_id=server.pk, now=now)
    hold(held, server=server)
    reason = {"reason_code": "address_unknown", "reason_detail": "550 5.1.1 no such user"}
    Delivery.objects.filter(pk=failed).update(state="failed", **reason)
    test = ServerTest.objects.create(
        server=server, actor="admin", to="a@example.com", started_at=now, ends_by=now, finished_at=now
    )
    ServerTestStage.objects.create(test=test, number=1, name="banner", ok=False, duration_ms=1, detail="no banner")
    eve = User.objects.create_user("eve", first_name="Eve", email="eve@example.com", is_staff=True)
    group = Group.objects.create(name="Helpdesk")
    eve.groups.add(group)
    SecondFactor.objects.create(user=eve, secret=second_factor.new_secret())
    record(Actor("ada"), action=Action.CHANGE, instance=server, before={"host": "a"}, after={"host": "b"})
    checked = import_runs.receive(
        [b"serial,platform\nS7,ios\nS8,beos\n"], name="a.csv", kind=Kind.DEVICES, owner=admin_user
    )
    import_runs.carry_out(checked, scope=EVERYBODY)
    everybody = {"all": [{"field": "user.loginname", "op": "is_set"}]}
    own = {"smtp": {"subject": "Closed", "message": "We are closed."}}
    going = Broadcast.objects.create(
        created_at=now, state="running", audience=everybody, texts=own, sent_by="ada", sent_from="192.0.2.1"
    )
    uids = map(str, (test.pk, checked.pk, held, failed, going.pk))
    return [server.pk, template.pk, apns.pk, person.pk, device.pk, users.pk, eve.pk, group.pk, *uids]


def pages(client, objects, *, part):
    """The addresses of a part that answer with a page, one object a kind."""
    for pattern in [*patterns()][part::PARTS]:
        kind = pattern.pattern.converters.get("pk")
        wanted = str if type(kind).__name__ == "UUIDConverter" else int
        for pk in [pk for pk in objects if isinstance(pk, wanted)] if kind else [None]:
            path = address(pattern, pk=pk)
            answer = client.get(path)
            if answer.status_code == 200 and not answer.streaming and b'id="content-start"' in answer.content:
                yield path
                break
    yield from OWN[part::PARTS]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_has_no_fault_in_any_look(staff_page, client, objects, show, part):
    every = sorted(set(pages(client, objects, part=part)))
    assert len(every) >= 3
    for path in every:
        staff_page.goto(path)
        for fold in staff_page.locator("main details:not(.menu) > summary").all():
            fold.click()
        looks.check(staff_page, show=show, name=f"page{path.replace('/', '-')}".rstrip("-"))
