"""Servers that break off, or do not do what they offer, against a whole queue."""

import pytest
from django.utils import timezone

from dispatch.models import Attempt, Delivery
from servers.models import SmtpServer
from tests.db import world
from tests.db.dispatch import flow
from tests.db.dispatch.test_stubborn_servers import post, work
from tests.wire.halves import EndOnly, FirstOnly, LastOnly, heard_as
from tests.wire.scripted import Peer, Received, honest

pytestmark = pytest.mark.django_db(transaction=True)


def tries():
    return {row.address: (row.tries, row.state) for row in Delivery.objects.all()}


@pytest.mark.parametrize("together", [1, 10])
@pytest.mark.parametrize("how", ["421 4.3.2 not for this one", "drop"])
def test_a_server_that_breaks_off_at_the_sixth_of_ten_costs_the_sixth_a_try_and_nobody_else(how, together):
    received = Received()
    answers = {"RCPT": lambda line: how * ("user5@" in line)}
    with Peer(honest(received, answers=answers)) as peer:
        server = post(10, port=peer.port, connections=1)
        SmtpServer.objects.update(max_recipients=together)
        work(server)
    sixth = "user5@example.com"
    assert tries() == {f"user{number}@example.com": (1, "due" if number == 5 else "sent") for number in range(10)}
    assert sorted(to for each, _mail in received.mails for to in each) == sorted(set(tries()) - {sixth})
    assert SmtpServer.objects.get().paused_until is None


def test_many_addresses_that_a_server_breaks_off_at_do_not_starve_the_queue():
    answers = {"RCPT": lambda line: "421 4.3.2 not for this one" * any(f"user{each}@" in line for each in (3, 9, 15))}
    with Peer(honest(Received(), answers=answers)) as peer:
        server = post(20, port=peer.port, connections=1)
        work(server)
    assert flow.states() == {"sent": 17, "due": 3}
    assert set(Delivery.objects.values_list("tries", flat=True)) == {1}
    assert SmtpServer.objects.get().paused_until is None


@pytest.mark.parametrize("kind", [LastOnly, FirstOnly])
def test_a_queue_goes_out_command_by_command_where_groups_are_not_kept_step_with(kind):
    received = Received()
    with Peer(heard_as(kind, received)) as peer:
        server = post(20, port=peer.port, connections=1, timeout=1)
        work(server)
    assert flow.states() == {"sent": 20}
    assert set(Delivery.objects.values_list("tries", flat=True)) == {1}
    assert len(received.mails) == 20
    stored = SmtpServer.objects.get()
    assert stored.unpipelined_at is not None
    assert stored.unpipelined_reply
    assert stored.paused_until is None


def test_a_mail_whose_end_was_not_seen_for_what_follows_is_the_only_unknown_one():
    received = Received()
    with Peer(heard_as(EndOnly, received)) as peer:
        server = post(10, port=peer.port, connections=1, timeout=1)
        work(server)
        work(server)
    assert flow.states() == {"sent": 9, "due": 1}
    assert len(received.mails) == 9
    assert SmtpServer.objects.get().unpipelined_at is not None


def test_an_address_outside_ascii_in_a_visible_list_is_refused_alone():
    received = Received()
    with Peer(honest(received, features=("PIPELINING",))) as peer:
        server = world.smtp_server(port=peer.port)
        world.template(recipient="${user.mail}; jörg@example.org", message="Hello")
        world.device(owner=world.person(mail="anna@example.com"))
        flow.post(now=timezone.now())
        work(server)
    assert tries() == {"anna@example.com": (1, "sent"), "jörg@example.org": (1, "failed")}
    refused = Delivery.objects.get(state="failed")
    assert refused.reason_code == "smtputf8_missing"
    ((to, mail),) = received.mails
    assert to == ("anna@example.com",)
    assert mail.isascii()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            {"BANNER": "554 mx.example.net Bad DNS PTR resource record for 203.0.113.5"},
            "PTR resource record for 203.0.113.5",
        ),
        ({"BANNER": "421 mx.example.net too many connections from your host"}, "too many connections from your host"),
        ({"EHLO": "421 4.7.0 Try again later, write to abuse@example.net"}, "Try again later, write to ***"),
    ],
)
def test_the_words_of_a_refused_greeting_stand_in_the_attempt_the_banner_and_the_log(answers, said, caplog):
    with Peer(honest(Received(), answers=answers)) as peer:
        server = post(3, port=peer.port, connections=1)
        work(server)
    assert said in Attempt.objects.get().detail
    assert said in SmtpServer.objects.get().trouble_detail
    (paused,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("server.paused")]
    assert said in paused


def test_the_log_has_the_words_of_a_refusal_without_whom_it_is_about(caplog):
    refusal = "550 5.7.1 <user0@example.com>: daily sending limit reached"
    with Peer(honest(Received(), answers={"RCPT": refusal})) as peer:
        server = post(1, port=peer.port)
        work(server)
    assert "daily sending limit reached" in caplog.text
    assert "user0@" not in caplog.text
