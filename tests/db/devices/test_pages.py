"""Manage > Devices and Users."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from devices import edits
from devices.scope import EVERYBODY
from dispatch.models import Event
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db


@pytest.fixture
def known():
    now = timezone.now()
    user = edits.save_user(
        "loginname",
        "ada",
        {"displayname": "Ada", "mail": "ada@example.com", "groups": ["Sales"]},
        scope=EVERYBODY,
        country="",
    ).row
    edits.save_user("loginname", "bob", {}, scope=EVERYBODY, country="")
    for serial, fields in (
        ("S1", {"platform": "iOS", "user": "ada", "jailbroken": True, "last_access": now, "has_sim": False}),
        ("S2", {"platform": "ANDROID", "managed": False, "last_access": now - timedelta(days=8)}),
        ("S3", {"platform": "iOS", "out_of_compliance": True, "ownership": "byod", "properties": {"ROOM": "4.12"}}),
    ):
        edits.save_device("serial", serial, fields, scope=EVERYBODY, country="", now=now)
    return user


def names(answer):
    return [row.name for row in answer.context["rows"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["S1", "S2", "S3"]),
        ("?platform=iOS", ["S1", "S3"]),
        ("?status=jailbroken", ["S1"]),
        ("?status=unmanaged", ["S2"]),
        ("?status=out_of_compliance&ownership=byod&platform=iOS", ["S3"]),
        ("?inactive=7", ["S2"]),
        ("?inactive=30", []),
        ("?search=ADA%40", ["S1"]),
        ("?group=Sales", ["S1"]),
        ("?group=sales", []),
        ("?inactive=8h", ["S2"]),
        ("?push=none&platform=ANDROID", ["S2"]),
        ("?push=off", []),
        ("?property=ROOM", ["S3"]),
        ("?property=device.ROOM&value=.1", ["S3"]),
        ("?property=ROOM&value=5", []),
        ("?property=user.mail&value=ADA", ["S1"]),
        ("?property=no+name", ["S1", "S2", "S3"]),
        ("?value=4", ["S1", "S2", "S3"]),
        ("?platform=nonsense", ["S1", "S2", "S3"]),
    ],
)
def test_devices_are_filtered(admin_client, known, query, found):
    assert names(admin_client.get(reverse("devices") + query)) == found
    lines = b"".join(admin_client.get(reverse("devices-export") + query).streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["serial", *found]


def test_users_are_filtered(admin_client, known):
    assert names(admin_client.get(reverse("users"))) == ["Ada", "bob"]
    assert names(admin_client.get(reverse("users") + "?group=Sales")) == ["Ada"]
    exported = b"".join(admin_client.get(reverse("users-export") + "?search=bob").streaming_content).decode()
    assert exported.splitlines()[1:] == ["bob,,,,"]


def test_the_page_of_a_device_says_what_is_known_and_what_does_not_reach_it(admin_client, known):
    device = known.devices.get()
    shown = admin_client.get(reverse("device", args=[device.pk])).content.decode()
    for words in ("Jailbroken or rooted", "ada@example.com", "Not reached: no SIM", "Not reached: no push token"):
        assert words in shown
    assert reverse("user", args=[known.pk]) in shown


def test_the_page_of_a_user_has_the_notifications_for_those_who_may_see_deliveries(admin_client, client, known):
    server = world.smtp_server()
    (delivery,) = flow.deliveries(1, server_id=server.pk)
    Event.objects.filter(deliveries=delivery).update(person=known)
    page = reverse("user", args=[known.pk])
    assert reverse("delivery", args=[delivery]) in admin_client.get(page).content.decode()
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_person"))
    client.force_login(looker)
    assert "Notifications" not in client.get(page).content.decode().partition('id="content"')[2]
