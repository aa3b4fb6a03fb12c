"""One message through 450, a time-out and 250: over a real connection, by a clock in the test's hand."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from msgspec import structs

from dispatch.log import timeline
from dispatch.models import Attempt, Delivery
from servers.models import SmtpServer
from simulators.faults import Fault, Hang, Reply, Step
from simulators.smtp import SmtpSimulator
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def peer():
    with SmtpSimulator() as simulator:
        yield simulator


@pytest.fixture
def server(peer, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.5)
    world.template()
    world.device(owner=world.person())
    return world.smtp_server(port=peer.port, timeout=3)


def send_until_finished(server, clock):
    flow.post()
    while Delivery.objects.filter(state="due").exists():
        clock.go_to(max(clock.now(), Delivery.objects.get().due_at))
        flow.send(server, clock)


def test_a_message_is_tried_until_it_is_taken_and_the_timeline_says_why(peer, server, clock, capsys):
    peer.faults.order(Fault(Step.RCPT, Reply(450, "4.7.1 Greylisted, come back later")), Fault(Step.DOT, Hang()))
    send_until_finished(server, clock)
    (mail,) = peer.inbox.mails()
    delivery = Delivery.objects.get()
    assert str(delivery.pk) in mail.message_id
    assert (delivery.state, delivery.tries) == ("sent", 3)
    assert [row.next_try_at for row in Attempt.objects.order_by("number")] == [
        NOW + timedelta(seconds=66),
        NOW + timedelta(seconds=66 + 330),
        None,
    ]

    call_command("timeline", str(delivery.pk))
    printed = capsys.readouterr().out
    print(printed)
    durations = r"(try \d), \d+\.\d{3} s"
    assert re.sub(durations, r"\1", printed).splitlines() == [
        f"{delivery.pk} to u1@example.com: sent",
        "2026-11-22 12:00:00  accepted",
        "2026-11-22 12:00:00  try 1: deferred, 450 4.7.1 Greylisted, come back later",
        "                     next try 2026-11-22 12:01:06: 1 min, plus 10% so that not all come at once",
        "2026-11-22 12:01:06  try 2: unknown, no answer in time",
        "                     next try 2026-11-22 12:06:36: 5 min, plus 10% so that not all come at once",
        "2026-11-22 12:06:36  try 3: sent, 250 2.0.0 Accepted as 1",
    ]
    assert Attempt.objects.get(number=2).duration_ms >= 1000


def test_a_message_that_fails_says_so(peer, server, clock):
    SmtpServer.objects.update(retries=0)
    peer.faults.order(Fault(Step.RCPT, Reply(450, "4.7.1 Later"), times=None))
    send_until_finished(server, clock)
    assert list(timeline.lines(Delivery.objects.get()))[-1].strip() == "no next try: it failed for good"


def test_a_server_that_is_stopped_says_so(server, clock, channel):
    channel.refusals.append(flow.BAD_PASSWORD)
    flow.post()
    flow.send(server, clock)
    printed = list(timeline.lines(Delivery.objects.get()))
    assert printed[-1].strip() == "the next try comes when the server is back"


def test_a_wait_that_the_server_asked_for_says_so(server, clock, channel):
    channel.answer = lambda wire, to: structs.replace(flow.GREYLISTED, retry_after=timedelta(minutes=10))
    flow.post()
    flow.send(server, clock)
    assert list(timeline.lines(Delivery.objects.get()))[-1].strip() == (
        "next try 2026-11-22 12:10:00: after 10 min, as the server asked"
    )


def test_an_id_of_nothing_is_refused():
    with pytest.raises(CommandError):
        call_command("timeline", "01a2042d-8e67-768c-b61f-7e0fa6bda019")
