"""Servers that behave in a way of their own, as scripted peers on loopback: what comes of a whole queue."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from dispatch.models import Attempt, Delivery, Withheld
from dispatch.rules.clock import SystemClock
from dispatch.sending import streaks
from dispatch.sending.drain import drain
from dispatch.upkeep import sweep
from servers.models import SmtpServer
from tests.db import world
from tests.db.dispatch import flow
from tests.wire.scripted import Peer, Received, honest
from transports.smtp.channel import SmtpChannel
from transports.smtp.config import Pipelining

pytestmark = pytest.mark.django_db(transaction=True)
FULL = "452 4.4.5 Maximum number of messages per session exceeded."


@pytest.fixture(autouse=True)
def _nothing_remembered():
    streaks.forget()


def limited(received, *, most):
    """Takes `most` mails on each connection, then refuses DATA and leaves it open."""

    def script(talk):
        taken = []
        answers = {
            "DATA": lambda _line: FULL if len(taken) >= most else "",
            "END": lambda _line: taken.append(1) or "",
        }
        honest(received, answers=answers)(talk)

    return script


def post(count, *, port, **fields):
    server = world.smtp_server(port=port, max_recipients=1, **fields)
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*(f"user{number}@example.com" for number in range(count)), now=timezone.now())
    return server


def at_once(count, call):
    def run():
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(run) for _ in range(count)]]


def work(server, *, lanes=1):
    return at_once(lanes, lambda: drain(server.pk, clock=SystemClock(), stopping=lambda: False))


def test_a_limit_of_the_session_costs_no_mail_and_is_remembered():
    received = Received()
    with Peer(limited(received, most=10)) as peer:
        server = post(200, port=peer.port, connections=4, retries=1)
        work(server, lanes=4)
        work(server)
        opened = peer.connections
        flow.post_to("later@example.com", now=timezone.now())
        work(server)
    assert flow.states() == {"sent": 201}
    assert set(Delivery.objects.values_list("tries", "attempt_count")) == {(1, 1)}
    assert len({to for to, _mail in received.mails}) == len(received.mails) == 201
    stored = SmtpServer.objects.get()
    assert (stored.session_limit, stored.session_limit_reply) == (10, FULL)
    assert opened >= 20
    assert stored.paused_until is None


def test_a_remembered_limit_is_never_met_again():
    received = Received()
    with Peer(limited(received, most=10)) as peer:
        server = post(60, port=peer.port, connections=1)
        SmtpServer.objects.update(session_limit=10, session_limit_at=timezone.now())
        work(server)
    assert flow.states() == {"sent": 60}
    assert Counter(command[:4].upper() for command in received.commands)["DATA"] == 60


def test_pipelining_that_was_seen_to_be_broken_is_not_tried_by_the_next_connection(monkeypatch):
    kept = []
    monkeypatch.setattr(
        "servers.smtp.channel.SmtpChannel", lambda config, **how: kept.append(config) or SmtpChannel(config, **how)
    )
    with Peer(honest(Received())) as peer:
        server = post(3, port=peer.port)
        SmtpServer.objects.update(unpipelined_at=timezone.now())
        work(server)
        SmtpServer.objects.update(unpipelined_at=timezone.now() - timedelta(days=8))
        flow.post_to("later@example.com", now=timezone.now())
        work(server)
    assert [config.pipelining for config in kept] == [Pipelining.OFF, Pipelining.AUTOMATIC]
    assert flow.states() == {"sent": 4}


@pytest.mark.parametrize("end", ["drop", "hang"])
def test_answers_that_are_lost_pause_the_server_after_three(end):
    received = Received()
    with Peer(honest(received, answers={"END": end})) as peer:
        server = post(8, port=peer.port, connections=1, timeout=1)
        work(server)
        work(server)
    assert len(received.mails) == 3
    stored = SmtpServer.objects.get()
    assert stored.trouble_code == "answers_lost"
    assert stored.paused_until > timezone.now()
    assert Counter(Delivery.objects.values_list("tries", flat=True)) == {0: 5, 1: 3}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"unknown"}


@pytest.mark.parametrize("max_recipients", [1, 50])
def test_what_every_mail_is_refused_with_fails_two_of_a_broadcast_text_or_queue(max_recipients):
    queued = iter(range(1000))
    words = "554-Transaction {0}ABC came to nothing\n554 Ask the postmaster, see https://postmaster.example/?c={0}"
    with Peer(honest(Received(), answers={"END": lambda _line: words.format(next(queued))})) as peer:
        server = post(60, port=peer.port, connections=4)
        SmtpServer.objects.update(max_recipients=max_recipients)
        work(server, lanes=4)
        sweep.sweep(now=timezone.now())
    found = flow.states()
    assert found["failed"] == 2
    assert found == {"failed": 2, "held": 58}
    assert Withheld.objects.get().template_version is not None
    assert SmtpServer.objects.get().paused_until is None


def test_a_wrong_password_is_tried_once_however_many_lanes_and_mails_there_are():
    """The lanes that are taken before the first refusal look again before they sign in."""
    tried = []
    script = honest(
        Received(), features=("AUTH PLAIN",), sign_in=lambda talk, line: tried.append(line) or "535 5.7.8 no"
    )
    with Peer(script) as peer:
        server = post(50, port=peer.port, connections=4, authentication=True, username="u", password="p")
        for _ in range(5):
            work(server)
    assert len(tried) == 1
    assert flow.states() == {"due": 50}
    assert set(Delivery.objects.values_list("tries", flat=True)) == {0}
