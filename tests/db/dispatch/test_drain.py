"""From an accepted event to the mail in the peer's inbox."""

import pytest

from dispatch.intake import accept
from dispatch.models import Attempt, Delivery
from dispatch.rules.clock import SystemClock
from dispatch.sending.drain import drain
from simulators.smtp import SmtpSimulator
from tests.db import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wake_ups(monkeypatch):
    heard = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", heard.append)
    return heard


@pytest.fixture
def peer():
    with SmtpSimulator() as simulator:
        yield simulator


def post(**fields):
    clock = SystemClock()
    fields = {"type": "device.jailbroken", "device": accept.SubjectIn("serial", "S1"), **fields}
    return accept.accept(accept.EventIn(occurred_at=clock.now(), **fields), origin="test", now=clock.now())


def run(server):
    return drain(server.pk, clock=SystemClock(), stopping=lambda: False)


def test_an_event_becomes_a_delivered_mail(peer, wake_ups):
    server = world.smtp_server(port=peer.port)
    world.template()
    world.device(owner=world.person())

    accepted = post()
    assert (accepted.deliveries, accepted.skipped) == (1, 0)
    assert wake_ups == [server.pk]
    assert run(server) == 1

    mail = peer.inbox.mails()[0]
    assert mail.parsed()["Subject"] == "Hello User One"
    delivery = Delivery.objects.get()
    assert delivery.state == "sent"
    assert str(delivery.pk) in mail.parsed()["Message-ID"]
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.server_name) == (1, "sent", "Mail")
    assert delivery.text.subject == "Hello User One"
