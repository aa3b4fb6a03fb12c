"""A very full database, made small."""

import pytest
from django.utils import timezone

from devices.models import Device
from devices.scope import EVERYBODY
from dispatch.dashboard import figures
from dispatch.models import Attempt, Delivery, Event
from foundation.sql.ids import moment_of
from tests.db import world
from xmnotify.quickstart import demo, scale

pytestmark = pytest.mark.django_db


def make(deliveries=2000, devices=30):
    scale.make(lambda words: None, deliveries=deliveries, devices=devices, now=timezone.now())


@pytest.fixture
def _demo():
    demo.seed(smtp_port=2525, sms_port=2526)


@pytest.mark.usefixtures("_demo")
def test_every_delivery_has_an_event_its_attempts_and_an_id_of_its_time():
    make()
    assert Delivery.objects.count() == Event.objects.count() == 2000
    assert Device.objects.filter(serial__startswith="SCALE").exclude(person=None).count() == 30
    states = set(Delivery.objects.values_list("state", flat=True))
    assert states == {"due", "held", "failed", "expired", "skipped", "cancelled", "sent"}
    for row in Delivery.objects.select_related("event", "text", "person", "device")[::97]:
        assert abs((moment_of(row.pk) - row.created_at).total_seconds()) < 0.01
        assert row.event.received_at == row.created_at
        assert (row.event.person, row.event.device) == (row.person, row.device)
        assert row.attempts.count() == row.attempt_count
        assert bool(row.text) == bool(row.attempt_count)
    assert Attempt.objects.filter(outcome="rejected").count() == Delivery.objects.filter(state="failed").count() > 0


@pytest.mark.usefixtures("_demo")
def test_the_figures_of_two_weeks_are_counted():
    make()
    days = figures.days(figures.hours(scope=EVERYBODY, now=timezone.now()), now=timezone.now())
    assert all(day.sent["smtp"] > 100 and day.failed for day in days[:-1])


@pytest.mark.usefixtures("_demo")
def test_it_is_made_once():
    make(10, 2)
    with pytest.raises(scale.NotEmptyError, match="already"):
        make(10, 2)


def test_nothing_is_queued_for_a_server_in_earnest():
    with pytest.raises(scale.NotEmptyError, match="demo mail server"):
        make(10, 2)
    demo.seed(smtp_port=2525)
    demo.SmtpServer.objects.update(active=False)
    world.smtp_server(name="Corporate relay")
    with pytest.raises(scale.NotEmptyError, match="of yours"):
        make(10, 2)
    assert not Delivery.objects.exists()
