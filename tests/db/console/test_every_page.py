"""What holds for every page of the console, found by walking through the addresses."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import URLPattern, get_resolver, reverse
from django.utils.timezone import now

from api.access import keys
from api.kit.callers import ApiScope
from console.kit.views import ConsoleView
from devices import models as devices
from dispatch.models import Delivery, Event
from foundation.audit import Action, Actor, record
from servers.models import ServerTest, ServerTestStage
from tests.db import world

pytestmark = pytest.mark.django_db
PUBLIC = {"healthz", "readyz", "nexmo-receipt"}
READING = {"template-preview", "template-preview-frame"}  # a POST, for what is typed is long, that changes nothing
OWN = {f"{page}-{what}" for page in ("devices", "users") for what in ("columns", "filter-add", "filter-delete")}
"""A POST changes what the person alone has: chosen columns, saved filters."""
AS_FRAGMENT = {"HX-Request": "true"}  # parts of a page lead anyone else to the whole page first
MARKUP = "<img src=x onerror=alert(1)>"
ANY_UUID = "01a20457-3f09-746b-90d3-dba1359cf3e3"


def patterns(resolver=None, prefix=""):
    """Every address outside the API and Django's own admin."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            if path not in {"api/", "admin/"}:
                yield from patterns(pattern, path)
        elif pattern.name not in PUBLIC:
            yield pattern


def address(pattern, **values):
    kinds = {name: type(kind).__name__ for name, kind in pattern.pattern.converters.items()}
    default = {"IntConverter": 1, "UUIDConverter": ANY_UUID, "StringConverter": "x", "SlugConverter": "x"}
    return reverse(pattern.name, kwargs={name: values.get(name, default[kind]) for name, kind in kinds.items()})


EVERY = [pytest.param(pattern, id=address(pattern)) for pattern in patterns()]


@pytest.mark.parametrize("pattern", EVERY)
def test_it_is_made_of_the_view_that_checks_permissions(pattern):
    assert issubclass(pattern.callback.view_class, ConsoleView)


@pytest.mark.parametrize("pattern", EVERY)
def test_it_leads_a_stranger_to_the_log_in_whatever_the_method(client, pattern):
    for method in (client.get, client.post):
        answer = method(address(pattern), headers=AS_FRAGMENT)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")


@pytest.mark.parametrize("pattern", EVERY)
def test_who_may_only_look_changes_nothing(client, pattern):
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    status = client.post(address(pattern)).status_code
    assert pattern.name in OWN or status in ({200} if pattern.name in READING else {403, 405})


@pytest.mark.parametrize("pattern", EVERY)
def test_it_is_refused_without_its_permissions(client, pattern):
    nobody = User.objects.create_user("nobody", is_staff=True)
    nobody.user_permissions.add(Permission.objects.get(codename="view_lane"))  # which no page asks for
    client.force_login(nobody)
    refused = client.get(address(pattern), headers=AS_FRAGMENT).status_code == 403
    assert refused or not pattern.callback.view_class.permissions


def test_no_page_shows_markup_that_came_from_outside(admin_client):
    """From the API, an event, a device, a server's reply or another administrator."""
    values = _evil_world()
    shown = 0
    for pattern in patterns():
        taken = [pk for pk in values if _takes(pattern, pk)]
        for path in [address(pattern, pk=pk) for pk in taken] or [address(pattern)]:
            answer = admin_client.get(path)
            if not answer.get("Content-Type", "").startswith("text/html"):
                continue
            page = answer.content.decode()
            assert "<img src=x" not in page, path
            shown += "&lt;img src=x" in page
    assert shown > 10


def _takes(pattern, pk):
    kind = pattern.pattern.converters.get("pk")
    return kind is not None and (type(kind).__name__ == "UUIDConverter") == isinstance(pk, str)


def _evil_world():
    """Answers the ids of what was made."""
    server = world.smtp_server(
        name=MARKUP, description=MARKUP, stopped_at=now(), trouble_code="policy", trouble_detail=MARKUP
    )
    template = world.template(name=MARKUP, subject=MARKUP, message=MARKUP, recipient="a@example.com", html=MARKUP)
    person = world.person(loginname=MARKUP, displayname=MARKUP)
    device = world.device(serial=MARKUP, owner=person, model=MARKUP)
    moment = now()
    event = Event.objects.create(type=MARKUP, source=MARKUP, origin="test", occurred_at=moment, received_at=moment)
    delivery = Delivery.objects.create(
        event=event,
        channel="smtp",
        server_kind="smtp",
        server=server,
        address_kind="mail",
        address=f"{MARKUP}@x",
        address_name=MARKUP,
        state="failed",
        reason_code="policy",
        reason_detail=MARKUP,
        due_at=moment,
        expires_at=moment,
        created_at=moment,
    )
    user = User.objects.create_user(MARKUP, first_name=MARKUP, email="a@example.com", is_staff=True)
    group = Group.objects.create(name=MARKUP)
    users = devices.Group.objects.create(name=MARKUP)
    person.groups.add(users)
    keys.create(MARKUP, scopes=[ApiScope.EVENTS])
    test = ServerTest.objects.create(
        server=server, actor=MARKUP, to="a@example.com", started_at=now(), ends_by=now(), finished_at=now()
    )
    ServerTestStage.objects.create(
        test=test, number=1, name="banner", ok=False, duration_ms=1, detail=MARKUP, cause=MARKUP, hint=MARKUP
    )
    before, after = {"host": MARKUP}, {"host": MARKUP * 2}
    record(Actor(MARKUP), action=Action.CHANGE, instance=server, before=before, after=after)
    objects = (server, template, person, device, user, group, users)
    return [*{made.pk for made in objects}, str(test.pk), str(event.pk), str(delivery.pk)]


NOT_READ = {404, 405}
"""Where there is nothing of that id, or no GET, the query is not looked at."""


UNSEEN = "%0D%0A%ED%A0%80%E2%80%8B"
EXTREMES = [
    "since=0001-01-01&until=9999-12-31",
    "since=9999-12-31&until=0001-01-01",
    "since=2026-02-30&until=99999-01-01",
    *(f"{{}}={value}" for value in ("%00", "9" * 400, "-1", "x" * 3_000, "1e999", UNSEEN)),
]


@pytest.mark.parametrize("pattern", EVERY)
def test_no_query_is_a_fault(admin_client, monkeypatch, pattern):
    names = ("recipient", "actor", "action", "kind", "name", "state", "channel", "template", "server", "event", "after")
    names += ("before", "page", "q", "o", "days", "hours", "format", "next", "object", "version", "user", "device")
    names += ("since", "until")
    monkeypatch.setattr("console.kit.registry.health", list)  # a third of each page, which no query reaches
    admin_client.raise_request_exception = False
    if admin_client.get(address(pattern)).status_code in NOT_READ:
        return
    for extreme in EXTREMES:
        query = "&".join(extreme.format(name) for name in names) if "{}" in extreme else extreme
        answer = admin_client.get(f"{address(pattern)}?{query}")
        assert answer.status_code < 500, query
