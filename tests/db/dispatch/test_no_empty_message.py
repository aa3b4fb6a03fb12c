"""A message that would say nothing, or reach nobody, is not sent, and whoever posted the event learns why."""

import pytest
from django.utils import timezone

from dispatch.broadcasts import planning
from dispatch.intake.subjects import RefusedError, SubjectIn
from dispatch.models import Broadcast, Delivery
from dispatch.rules.clock import SystemClock
from templates_app.texts.content import Channel, Content, Wording
from tests.db import world
from tests.db.dispatch import flow
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db
SMTP = ChannelKind.SMTP
EVERYBODY = {"all": [{"field": "user.loginname", "op": "is_set"}]}
INVITED = {"type_code": "enrollment.invitation", "subject": "Enroll", "message": "Open ${enrollment.url}"}


def adhoc(*, message="Hello", recipient=""):
    return world.template(
        name="To you", type_code="adhoc", subject=message and "s", message=message, recipient=recipient
    )


def outcomes():
    return sorted(Delivery.objects.values_list("address", "state", "reason_code", "reason_detail"))


def invite(**fields):
    return flow.post(type="enrollment.invitation", device=None, user=SubjectIn("loginname", "u1"), **fields)


def test_an_enrollment_message_without_its_link_is_skipped_with_the_macro():
    world.smtp_server()
    world.template(**INVITED)
    world.person()
    answer = invite()
    assert (answer.deliveries, answer.skipped) == (0, 1)
    assert outcomes() == [("u1@example.com", "skipped", "value_missing", "empty: enrollment.url")]


@pytest.mark.parametrize(
    "supplied",
    [{"data": {"enrollment": {"url": "https://e.example/1"}}}, {"secrets": {"enrollment.url": "https://e.example/1"}}],
)
def test_an_enrollment_message_with_its_link_is_sent_and_the_link_is_a_secret(supplied, clock, channel):
    server = world.smtp_server()
    world.template(**INVITED)
    world.person()
    invite(**supplied)
    flow.send(server, clock)
    assert b"Open https://e.example/1" in channel.handed_over[0].payload
    (delivery,) = Delivery.objects.select_related("event", "text")
    assert delivery.text.text == "Open ******"
    assert "e.example" not in str(delivery.event.payload)


def test_only_those_whose_language_needs_the_value_are_skipped():
    world.smtp_server()
    template = world.template(**INVITED)
    texts = (Wording("", "Enroll", "Open ${enrollment.url}"), Wording("de", "Los", "${enrollment.url 'frag nach'}"))
    channel = Channel(SMTP, active=True, recipient="${user.mail}", wordings=texts)
    world.write(template, Content((channel,)))
    world.person(language="de")
    assert invite().deliveries == 1


def test_a_broadcast_skips_it_too():
    world.smtp_server()
    world.template(**INVITED)
    world.person()
    flow.post(type="enrollment.invitation", device=None, audience=EVERYBODY, now=timezone.now())
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    assert outcomes() == [("u1@example.com", "skipped", "value_missing", "empty: enrollment.url")]


@pytest.mark.parametrize("named", [{"device": SubjectIn("serial", "S1")}, {"user": SubjectIn("loginname", "u1")}])
def test_an_ad_hoc_event_goes_to_those_it_names_and_its_recipients(named):
    world.smtp_server()
    world.device(owner=world.person())
    adhoc()
    flow.post(**{"type": "adhoc", "device": None, "recipients": {SMTP: ["boss@example.com"]}, **named})
    assert [address for address, *_ in outcomes()] == ["boss@example.com", "u1@example.com"]


def test_an_ad_hoc_event_goes_to_its_audience():
    world.smtp_server()
    world.person()
    adhoc()
    flow.post(type="adhoc", device=None, audience=EVERYBODY, now=timezone.now())
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    assert [address for address, *_ in outcomes()] == ["u1@example.com"]


def test_a_template_s_own_recipients_are_those_of_an_ad_hoc_event():
    world.smtp_server()
    world.device(owner=world.person())
    adhoc(recipient="team@example.com")
    flow.post(type="adhoc", device=None)
    flow.post(type="adhoc")
    assert [address for address, *_ in outcomes()] == ["team@example.com", "team@example.com"]


def test_an_ad_hoc_event_that_names_nobody_is_refused_beside_one_that_does():
    world.smtp_server()
    adhoc()
    flow.post(type="adhoc", device=None, recipients={SMTP: ["boss@example.com"]})
    with pytest.raises(RefusedError, match="needs recipients, or a device, a user or an audience") as refused:
        flow.post(type="adhoc", device=None)
    assert (refused.value.field, refused.value.code) == ("recipients", "required")


def test_a_channel_without_any_text_is_left_out_with_a_note():
    world.smtp_server()
    world.device(owner=world.person())
    adhoc(message="")
    answer = flow.post(type="adhoc")
    assert answer.deliveries == 0
    assert answer.notes[0] == "Template 'To you': smtp is left out, it has no text."
