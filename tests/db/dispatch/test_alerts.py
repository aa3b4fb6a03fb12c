"""Administrators hear once of each outage of a server, through a channel that works."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from console.models import RoleRule
from dispatch.models import Delivery, Event
from dispatch.outbox import lanes, trouble
from dispatch.upkeep import alerts, beat
from dispatch.wakeup import workers
from servers import edits
from servers.models import Server, SmsGateway
from tests.db import world
from tests.db.dispatch import flow
from transports.types import Reason, ReasonCode, Scope

pytestmark = pytest.mark.django_db

REFUSED = Reason(ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER, "401")


@pytest.fixture(autouse=True)
def _administrators(settings):
    settings.XMNOTIFY_ADMIN_MAIL = ["ann@example.com", "bob@example.com"]
    settings.XMNOTIFY_ADMIN_MOBILE = ["+4930123456"]


@pytest.fixture
def mail():
    return world.smtp_server(max_recipients=1)


@pytest.fixture
def gateway():
    return SmsGateway.objects.create(kind="sms", name="Texts", active=True, key="k", country="DE")


def told_to():
    return sorted(Delivery.objects.filter(event__type=alerts.TYPE, state="due").values_list("address", flat=True))


def down(server, clock, *, failures):
    """The server can't be reached so many times in a row."""
    for _ in range(failures):
        held = lanes.take(server.pk, limits=server.limits(), worker=workers.this_id(), now=clock.now())
        until = trouble.pause(server.pk, flow.REFUSED.reason, retry_after=None, probing=held.probing, now=clock.now())
        lanes.release(held)
        clock.go_to(until)


def test_a_gateway_that_stopped_is_told_of_by_mail_with_its_name_and_the_reason(mail, gateway, channel, clock):
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 1
    assert told_to() == ["ann@example.com", "bob@example.com"]
    flow.send(mail, clock)
    said = channel.handed_over[0].payload.decode()
    assert said.startswith("Texts is unreachable\n\nSMS: Texts\nReason: ")
    assert "None" not in said
    assert "not known" not in said


def test_a_mail_server_that_stopped_is_told_of_by_sms(mail, gateway, clock):
    trouble.stop(mail.pk, REFUSED, now=clock.now())
    alerts.tell(now=clock.now())
    assert told_to() == ["+4930123456"]


def test_each_outage_is_told_of_once(mail, gateway, clock):
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert [alerts.tell(now=clock.now()) for _ in range(3)] == [1, 0, 0]
    edits.tested(gateway.pk, passed=True, now=clock.now())
    assert alerts.tell(now=clock.now()) == 0
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 1


def test_a_server_that_can_not_be_reached_is_told_of_after_a_few_failures_since_the_first(mail, gateway, clock):
    began = clock.now()
    down(mail, clock, failures=alerts.FAILURES - 1)
    assert alerts.tell(now=clock.now()) == 0
    down(mail, clock, failures=1)
    assert alerts.tell(now=clock.now()) == 1
    assert Event.objects.get(type=alerts.TYPE).occurred_at == began


def test_a_server_that_recovers_in_time_is_not_told_of_and_its_next_outage_is(mail, gateway, clock):
    down(mail, clock, failures=alerts.FAILURES - 1)
    trouble.recovered(mail.pk, now=clock.now())
    clock.pass_time(timedelta(minutes=2))
    down(mail, clock, failures=1)
    assert alerts.tell(now=clock.now()) == 0
    assert Server.objects.get(pk=mail.pk).troubled_at > world.NOW + timedelta(seconds=60)


def test_without_a_channel_that_works_it_is_told_of_as_soon_as_there_is_one(mail, gateway, clock):
    trouble.stop(mail.pk, REFUSED, now=clock.now())
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 0
    edits.tested(mail.pk, passed=True, now=clock.now())
    assert alerts.tell(now=clock.now()) == 1
    assert told_to() == ["ann@example.com", "bob@example.com"]


def test_a_server_that_is_not_active_is_nobodys_trouble(mail, gateway, clock):
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    Server.objects.filter(pk=gateway.pk).update(active=False)
    assert alerts.tell(now=clock.now()) == 0


def test_the_sweep_tells(mail, gateway, clock):
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    beat.Sweeper(clock=clock).sweep()
    assert Server.objects.get(pk=gateway.pk).told_at is not None


@pytest.fixture
def nobody_named(settings):
    settings.XMNOTIFY_ADMIN_GROUP, settings.XMNOTIFY_ADMIN_MAIL, settings.XMNOTIFY_ADMIN_MOBILE = "", [], []


@pytest.mark.usefixtures("nobody_named")
def test_where_nobody_is_named_it_goes_to_the_consoles_active_administrators(mail, gateway, clock):
    role = Group.objects.get(name="Administrator")
    User.objects.create_superuser("root", "root@example.com")
    User.objects.create_user("ann", "ann@example.com", is_staff=True).groups.add(role)
    User.objects.create_user("gone", "gone@example.com", is_staff=True, is_active=False).groups.add(role)
    User.objects.create_user("eve", "eve@example.com", is_staff=True)
    sales = Group.objects.create(name="Sales only")
    RoleRule.objects.create(role=sales, limited=True)
    User.objects.create_user("sam", "sam@example.com", is_staff=True).groups.add(role, sales)
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 1
    assert told_to() == ["ann@example.com", "root@example.com"]
    assert not list(alerts.findings())


@pytest.mark.usefixtures("nobody_named")
def test_while_nobody_can_be_reached_nothing_is_skipped_and_health_and_dashboard_say_so(
    mail, gateway, clock, admin_client, admin_user
):
    User.objects.update(email="")
    trouble.stop(gateway.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 0
    assert not Event.objects.exists()
    for page in ("health", "dashboard"):
        assert "no administrator has a mail address" in admin_client.get(reverse(page)).content.decode()
    User.objects.update(email="root@example.com")
    assert alerts.tell(now=clock.now()) == 1
    assert told_to() == ["root@example.com"]


@pytest.mark.usefixtures("nobody_named")
def test_a_mail_server_that_is_down_is_not_told_of_by_mail(mail, gateway, clock, admin_user):
    trouble.stop(mail.pk, REFUSED, now=clock.now())
    assert alerts.tell(now=clock.now()) == 0
    assert not Event.objects.exists()
