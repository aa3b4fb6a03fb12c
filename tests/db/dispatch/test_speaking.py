"""Which templates of a type are sent, channel by channel."""

import pytest
from django.apps import apps
from django.utils import timezone

from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery
from dispatch.rules.clock import SystemClock
from templates_app.install import install
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
PREDEFINED = "Jailbroken or Rooted Device"
NOTES = [
    "Template 'Jailbroken' is sent by smtp.",
    f"Template {PREDEFINED!r} is sent by sms.",
    f"Template {PREDEFINED!r}: secure_hub is left out, it has no active server.",
]


@pytest.fixture(autouse=True)
def _own_mail_beside_the_predefined_template():
    install(apps)
    world.smtp_server()
    world.sms_gateway()
    world.template()
    world.device(owner=world.person(mobile="+447700900123"))


def sent():
    return sorted(Delivery.objects.values_list("channel", "template_version__template__name"))


def test_an_own_template_takes_over_its_channel_and_leaves_the_others():
    assert flow.post().notes == NOTES
    assert sent() == [("sms", PREDEFINED), ("smtp", "Jailbroken")]


def test_so_it_is_in_a_broadcast():
    everybody = {"all": [{"field": "device.serialNumber", "op": "is_set"}]}
    answer = flow.post(device=None, audience=everybody, now=timezone.now())
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    assert answer.notes[1:] == NOTES
    assert sent() == [("sms", PREDEFINED), ("smtp", "Jailbroken")]


def test_an_event_that_names_a_template_is_sent_by_it_alone():
    assert flow.post(template=PREDEFINED).notes == NOTES[2:]
    assert sent() == [("sms", PREDEFINED), ("smtp", PREDEFINED)]
