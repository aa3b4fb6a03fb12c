"""From an event to the mail that a carrier turns into an SMS."""

import pytest

from dispatch.intake import accept
from dispatch.models import Delivery
from dispatch.rules.clock import SystemClock
from dispatch.sending.drain import drain
from foundation.audit import Actor
from servers.carriers import edits
from servers.models import SmsGateway
from servers.queries import active_routes
from servers.values import ServerKind
from simulators.smtp import SmtpSimulator
from tests.db import world

pytestmark = pytest.mark.django_db(transaction=True)
ACTOR = Actor("somebody")
NUMBER = "+14155552671"
AT_CARRIER = "4155552671@sms.att.example"


@pytest.fixture
def peer():
    with SmtpSimulator() as simulator:
        yield simulator


@pytest.fixture
def sms():
    """A gateway that uses carrier gateways, and a phone of AT&T."""
    world.template(kind="sms", recipient="${user.mobile}", subject="", message="Line one\r\n${user.displayname}")
    world.device(owner=world.person(mobile=NUMBER), carrier="AT&T Wireless", phone_number=NUMBER)
    return world.sms_gateway(use_carrier_gateways=True)


def post(**fields):
    now = SystemClock().now()
    fields = {"type": "device.jailbroken", "device": accept.SubjectIn("serial", "S1"), **fields}
    accept.accept(accept.EventIn(occurred_at=now, **fields), origin="test", now=now)
    return Delivery.objects.get()


def test_an_sms_becomes_a_bare_mail_to_the_carrier_through_the_smtp_server(peer, sms):
    server, gateway = world.smtp_server(port=peer.port, from_name="Corporate IT"), world.carrier_gateway()
    planned = post()
    assert (planned.channel, planned.server_kind, planned.via) == ("sms", "smtp", gateway)
    assert (planned.server_id, planned.address) == (server.pk, AT_CARRIER)
    assert drain(server.pk, clock=SystemClock(), stopping=lambda: False) == 1
    (mail,) = peer.inbox.mails()
    found = mail.parsed()
    assert mail.envelope.recipients == (AT_CARRIER,)
    assert (found["Subject"], found["From"], found["To"]) == (None, "noreply@example.com", AT_CARRIER)
    assert found.get_content_type() == "text/plain"
    assert found.get_content() == "Line one\r\nUser One\r\n"
    assert Delivery.objects.get().state == "sent"


def test_what_an_event_tells_of_the_device_goes_before_what_is_stored(sms):
    world.smtp_server()
    world.carrier_gateway()
    world.carrier_gateway(carrier="Orange", domain="sms.orange.example")
    supplied = {"carrier": "Orange", "phone_number": NUMBER}
    assert post(device=accept.SubjectIn("serial", "S1", supplied)).address == "4155552671@sms.orange.example"


def test_a_user_is_known_by_the_carrier_of_the_device_with_that_number(sms):
    world.smtp_server()
    world.carrier_gateway()
    world.device(serial="S2", owner=world.Person.objects.get(), carrier="Orange", phone_number="+14155552672")
    assert post(device=None, user=accept.SubjectIn("loginname", "u1")).address == AT_CARRIER


@pytest.mark.parametrize("missing", ["smtp server", "carrier gateway", "switch"])
def test_the_sms_gateway_takes_it_where_no_carrier_gateway_can(sms, missing):
    if missing != "smtp server":
        world.smtp_server()
    if missing != "carrier gateway":
        world.carrier_gateway()
    if missing == "switch":
        SmsGateway.objects.update(use_carrier_gateways=False, revision=2)
    planned = post()
    assert (planned.address, planned.server_id, planned.via_id) == (NUMBER, sms.pk, None)


def test_routes_follow_every_change_of_a_carrier_gateway(sms):
    def known():
        return {key: route.domain for key, route in active_routes()[ServerKind.SMS].carriers.items()}

    assert known() == {}
    made = world.CarrierGateway(carrier="AT&T", carrier_key="att", domain="one.example", country="US")
    edits.create(made, actor=ACTOR)
    assert known() == {("att", "US"): "one.example"}
    made.domain = "two.example"
    edits.change(made, actor=ACTOR)
    assert known() == {("att", "US"): "two.example"}
    edits.delete(made, actor=ACTOR)
    assert known() == {}


def test_the_log_and_the_delivery_page_name_the_carrier(sms, admin_client):
    world.smtp_server()
    made = world.carrier_gateway()
    planned = post()
    for path in ("/log/", f"/log/{planned.pk}/"):
        assert "via AT&amp;T" in admin_client.get(path).content.decode()
    edits.delete(made, actor=ACTOR)
    assert "via AT&amp;T" in admin_client.get("/log/").content.decode()
