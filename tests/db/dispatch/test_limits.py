"""What each server allows, held against a real connection: time-out, recipients, tries, connections that end."""

from collections import Counter
from datetime import timedelta

import pytest

from dispatch.models import Attempt, Delivery
from servers.models import Server, SmtpServer
from simulators.faults import Drop, Fault, Hang, Reply, Step
from simulators.smtp import SmtpSimulator
from simulators.smtp_session import Profile
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(7)]


@pytest.fixture
def peer():
    with SmtpSimulator(profile=Profile(max_recipients=2)) as simulator:
        yield simulator


@pytest.fixture
def server(peer):
    world.template(recipient="", message="Hello")
    world.device()
    made = world.smtp_server(port=peer.port, timeout=3, max_recipients=3, retries=1)
    flow.post_to(*PEOPLE)
    return made


def received(peer):
    return Counter(to for mail in peer.inbox.mails() for to in mail.envelope.recipients)


def test_more_recipients_than_the_peer_takes_go_in_another_mail_now_and_uncharged(peer, server, clock):
    flow.send(server, clock)
    assert received(peer) == Counter(PEOPLE)
    assert max(len(mail.envelope.recipients) for mail in peer.inbox.mails()) == 2
    assert set(Delivery.objects.values_list("state", "tries")) == {("sent", 1)}


def test_a_server_is_given_no_more_recipients_in_one_mail_than_it_allows(peer, server, clock):
    SmtpServer.objects.update(max_recipients=1)
    flow.send(server, clock)
    assert received(peer) == Counter(PEOPLE)
    assert {len(mail.envelope.recipients) for mail in peer.inbox.mails()} == {1}
    assert not Attempt.objects.exclude(outcome="sent").exists()


def test_a_silent_server_is_given_up_after_its_timeout_and_its_tries(peer, server, clock):
    SmtpServer.objects.update(max_recipients=100)
    Delivery.objects.exclude(address=PEOPLE[0]).delete()
    peer.faults.order(Fault(Step.DOT, Hang(), times=None))
    for _ in range(2):
        flow.send(server, clock)
        clock.pass_time(timedelta(minutes=10))
    assert Delivery.objects.values_list("state", "tries", "reason_code").get()[:2] == ("failed", 2)
    assert all(1000 <= row.duration_ms < 5000 for row in Attempt.objects.all())


def test_what_was_dropped_after_the_text_is_sent_again_and_the_rest_goes_on(peer, server, clock):
    SmtpServer.objects.update(max_recipients=1)
    peer.faults.order(Fault(Step.DOT, Drop(), skip=2))
    flow.send(server, clock)
    assert flow.states() == {"sent": 6, "due": 1}
    clock.pass_time(timedelta(minutes=2))
    flow.send(server, clock)
    assert received(peer) == Counter(PEOPLE)


def test_a_server_that_refuses_connections_rests_and_loses_nothing(peer, server, clock):
    peer.refuse()
    flow.send(server, clock)
    assert Server.objects.get().paused_until == clock.now() + timedelta(seconds=15)
    assert sorted(Delivery.objects.values_list("tries", flat=True)) == [0] * 6 + [1]
    peer.accept()
    clock.pass_time(timedelta(minutes=2))
    flow.send(server, clock)
    flow.send(server, clock)
    assert received(peer) == Counter(PEOPLE)


def test_a_server_that_says_421_in_the_middle_rests_and_loses_nothing(peer, server, clock):
    SmtpServer.objects.update(max_recipients=1)
    peer.faults.order(Fault(Step.MAIL, Reply(421, "4.3.2 Shutting down"), skip=3, times=2))
    flow.send(server, clock)
    for _ in range(3):
        clock.pass_time(timedelta(minutes=2))
        flow.send(server, clock)
    assert received(peer) == Counter(PEOPLE)
    assert flow.states() == {"sent": 7}
