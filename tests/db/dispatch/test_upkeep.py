"""What passing time does: lost workers, messages that kill, expiry, servers that come and go, clocks that jump."""

from datetime import timedelta
from uuid import uuid4

import pytest

from dispatch.models import Attempt, Delivery
from dispatch.outbox import deliveries
from dispatch.rules.states import OPEN
from dispatch.sending import reaping
from dispatch.upkeep import sweep
from dispatch.upkeep.reaper import Reaper
from dispatch.wakeup import workers
from servers.models import Server, SmtpServer
from servers.values import ServerKind
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW
from transports.types import Sent

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(5)]
HOUR = timedelta(hours=1)


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=1)


@pytest.fixture
def five(server):
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)


class Killed(BaseException):
    """The worker process ends here: not even what it knows is written."""


@pytest.fixture
def lethal(monkeypatch):
    """A switch: once on, the worker writes nothing more."""
    switch = {"dead": False}
    for name in ("settle", "give_back"):
        honest = getattr(deliveries, name)

        def write(*args, honest=honest, **fields):
            if switch["dead"]:
                raise Killed
            return honest(*args, **fields)

        monkeypatch.setattr(deliveries, name, write)

    def kill():
        switch["dead"] = True
        raise Killed

    switch["kill"] = kill
    return switch


def until_quiet(server, clock, lethal):
    """Workers drain and die, sweeps repair, until nothing is to be sent."""
    deaths, reaper = 0, Reaper()
    for _ in range(100):
        lethal["dead"] = False
        reaper.look(clock=clock)
        sweep.sweep(now=clock.now())
        try:
            flow.send(server, clock)
        except Killed:
            deaths += 1
        if not Delivery.objects.filter(state__in=OPEN).exists():
            return deaths
        clock.pass_time(timedelta(minutes=10))
    raise AssertionError(flow.states())


class TestALostWorker:
    def test_what_it_had_not_begun_is_due_again_untouched(self, server, clock):
        flow.deliveries(3, server_id=server.pk)
        lease = uuid4()
        flow.claim(server.pk, lease=lease)
        assert reaping.reap([uuid4()], now=NOW) == 0
        assert reaping.reap([lease], now=NOW) == 3
        assert set(Delivery.objects.values_list("state", "tries", "attempt_count", "lapsed")) == {("due", 0, 0, True)}
        assert not Attempt.objects.exists()

    def test_what_it_had_begun_has_an_unknown_outcome_and_is_tried_again(self, server):
        (row,) = flow.deliveries(1, server_id=server.pk)
        lease = uuid4()
        flow.begin(flow.claim(server.pk, lease=lease), lease=lease)
        reaping.reap([lease], now=NOW + flow.LEASE)
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.tries, delivery.attempt_count) == ("due", 0, 1)
        assert delivery.due_at >= NOW + flow.LEASE + timedelta(minutes=1)
        assert flow.log(row) == [(1, "unknown", "lease_lapsed")]

    def test_what_it_had_begun_waits_for_a_person_where_the_template_says_so(self, server):
        flow.deliveries(1, server_id=server.pk, hold_unknown=True)
        lease = uuid4()
        flow.begin(flow.claim(server.pk, lease=lease), lease=lease)
        reaping.reap([lease], now=NOW + flow.LEASE)
        assert Delivery.objects.values_list("state", "reason_code").get() == ("held", "lease_lapsed")

    def test_what_it_had_not_begun_waits_for_no_person_however_often_that_happens(self, server):
        flow.deliveries(1, server_id=server.pk, hold_unknown=True)
        for _ in range(2):
            lease = uuid4()
            flow.claim(server.pk, lease=lease)
            reaping.reap([lease], now=NOW)
        assert Delivery.objects.values_list("state", "tries", "reason_code").get() == ("due", 1, "lease_lapsed")

    def test_its_messages_are_sent_though_no_sweep_came_for_a_minute(self, server, five, channel, clock, lethal):
        channel.answer = lambda wire, to: lethal["kill"]()
        with pytest.raises(Killed):
            flow.send(server, clock)
        channel.answer = lambda wire, to: Sent()
        until_quiet(server, clock, lethal)
        assert flow.states() == {"sent": 5}

    def test_a_worker_that_wakes_after_its_lease_was_taken_back_changes_nothing(self, server, five, channel, clock):
        def sleep_through(wire, to):
            clock.pass_time(timedelta(minutes=5))
            reaping.free_worker(workers.this_id(), now=clock.now())
            return Sent()

        channel.answer = sleep_through
        assert flow.send(server, clock) == 0
        assert flow.states() == {"due": 5}
        assert set(Attempt.objects.values_list("outcome", "code")) == {("unknown", "lease_lapsed")}


class TestAMessageThatKillsItsWorkerEveryTime:
    @pytest.mark.parametrize("where", ["prepare", "answer"], ids=["before it is begun", "while it is sent"])
    def test_costs_no_other_message_a_try_and_ends_at_last(self, server, five, channel, clock, lethal, where):
        killer = PEOPLE[2]
        honest = {"prepare": channel.prepare, "answer": channel.answer}[where]

        def deadly(first, second):
            recipients = second if isinstance(second, tuple) else (second,)
            if killer in {recipient.address for recipient in recipients}:
                lethal["kill"]()
            return honest(first, second)

        setattr(channel, where, deadly)
        deaths = until_quiet(server, clock, lethal)
        assert flow.states() == {"sent": 4, "failed": 1}
        assert set(Delivery.objects.filter(state="sent").values_list("tries", flat=True)) == {1}
        dead = Delivery.objects.get(state="failed")
        assert (dead.address, dead.reason_code, dead.tries) == (killer, "lease_lapsed", 6)
        assert deaths == 7


class TestExpiry:
    @pytest.mark.parametrize("state", ["due", "paused", "held"])
    def test_what_was_not_sent_in_its_time_ends(self, server, state):
        flow.deliveries(1, server_id=server.pk)
        Delivery.objects.update(state=state, reason_code="greylisted" if state == "held" else "")
        assert sweep.expire(now=NOW + timedelta(days=3) - timedelta(seconds=1)) == 0
        assert sweep.expire(now=NOW + timedelta(days=3)) == 1
        assert Delivery.objects.get().state == "expired"
        assert Delivery.objects.get().reason_code == ("greylisted" if state == "held" else "expired")

    def test_takes_any_number(self, server, monkeypatch):
        monkeypatch.setattr(sweep, "CHUNK", 2)
        flow.deliveries(5, server_id=server.pk, expires_at=NOW)
        assert sweep.expire(now=NOW) == 5

    def test_leaves_what_a_worker_holds_or_has_finished(self, server):
        flow.deliveries(2, server_id=server.pk)
        flow.claim(server.pk, most=1)
        Delivery.objects.filter(state="due").update(state="sent", sent_at=NOW)
        assert sweep.expire(now=NOW + timedelta(days=9)) == 0

    def test_what_an_event_says_of_its_end_goes_before_the_template(self, server):
        world.template(recipient="", lifetime=timedelta(hours=5))
        world.device()
        flow.post_to(PEOPLE[0])
        flow.post_to(PEOPLE[1], expires_at=NOW + HOUR)
        expiries = dict(Delivery.objects.values_list("address", "expires_at"))
        assert expiries == {PEOPLE[0]: NOW + 5 * HOUR, PEOPLE[1]: NOW + HOUR}


class TestServersComeAndGo:
    def test_without_an_active_server_a_message_waits_and_says_so(self, channel, clock):
        world.template(recipient="")
        world.device()
        assert flow.post_to(PEOPLE[0]).deliveries == 1
        waiting = Delivery.objects.exclude(state="skipped").values_list("channel", "state", "server", "reason_code")
        assert list(waiting) == [("smtp", "due", None, "no_active_server")]

    def test_what_waits_moves_to_the_server_that_becomes_active(self, five, server, channel, clock, wake_ups):
        Server.objects.update(active=False)
        sweep.sweep(now=clock.now())
        assert set(Delivery.objects.values_list("server", "reason_code")) == {(None, "no_active_server")}
        new = world.smtp_server(name="New")
        wake_ups.clear()
        sweep.sweep(now=clock.now())
        assert set(Delivery.objects.values_list("server", "reason_code")) == {(new.pk, "")}
        assert wake_ups == [new.pk]
        flow.send(new, clock)
        assert flow.states() == {"sent": 5}

    def test_what_waits_for_the_old_server_moves_at_once_to_the_new_one(self, five, server, channel, clock):
        Server.objects.update(active=False)
        new = world.smtp_server(name="New")
        assert sweep.reroute() == 5
        assert set(Delivery.objects.values_list("server", flat=True)) == {new.pk}
        assert sweep.reroute() == 0

    def test_what_waits_for_a_deleted_server_moves_too(self, five, server):
        SmtpServer.objects.all().delete()
        new = world.smtp_server(name="New")
        assert sweep.reroute() == 5
        assert set(Delivery.objects.values_list("server", flat=True)) == {new.pk}

    def test_a_server_gets_only_its_kind(self, server):
        flow.deliveries(1, server_id=None, server_kind=ServerKind.FCM, wait_code="no_active_server")
        assert sweep.reroute() == 0
        assert Delivery.objects.get().server_id is None

    def test_an_inactive_server_is_not_drained(self, five, server, channel, clock, wake_ups):
        Server.objects.update(active=False)
        wake_ups.clear()
        assert flow.send(server, clock) == 0
        assert channel.connections == 0

    def test_the_sweep_wakes_for_each_server_with_work_due_and_no_other(self, server, wake_ups):
        flow.deliveries(1, server_id=server.pk)
        flow.deliveries(1, server_id=server.pk + 1, now=NOW + HOUR)
        flow.deliveries(1, server_id=server.pk + 2, expires_at=NOW)
        assert sweep.wake_where_due(now=NOW) == 1
        assert wake_ups == [server.pk]


class TestAClockThatJumps:
    def test_an_hour_ahead_in_the_middle_loses_nothing(self, server, five, channel, clock, lethal):
        def jump(wire, to):
            clock.jump(HOUR)
            sweep.sweep(now=clock.now())
            channel.answer = lambda wire, to: Sent()
            return Sent()

        channel.answer = jump
        flow.send(server, clock)
        until_quiet(server, clock, lethal)
        assert flow.states() == {"sent": 5}
        assert len({(row.delivery_id, row.number) for row in Attempt.objects.all()}) == Attempt.objects.count()

    def test_an_hour_back_delays_by_an_hour_at_most(self, server, five, channel, clock, lethal):
        clock.jump(-HOUR)
        assert flow.send(server, clock) == 0
        clock.pass_time(HOUR)
        until_quiet(server, clock, lethal)
        assert flow.states() == {"sent": 5}
        assert set(Delivery.objects.values_list("tries", flat=True)) == {1}

    def test_an_hour_back_in_the_middle_of_a_drain_changes_nothing(self, server, five, channel, clock):
        def jump(wire, to):
            if to.address == PEOPLE[1]:
                clock.jump(-HOUR)
            return Sent()

        channel.answer = jump
        assert flow.send(server, clock) == 5
        assert flow.states() == {"sent": 5}
        assert all(row.duration_ms >= 0 for row in Attempt.objects.all())
