"""Somebody sets the clock: what is noticed, what expires, and what is due when."""

from datetime import timedelta

import pytest

from dispatch.models import Delivery, SweepRecord
from dispatch.upkeep import beat, clocks
from foundation.sql.ids import first_id
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow
from transports.types import Sent

pytestmark = pytest.mark.django_db
HOURS, MINUTE = timedelta(hours=2), timedelta(minutes=1)


@pytest.fixture
def server():
    return world.smtp_server()


@pytest.fixture
def watch(clock):
    """It has looked once already."""
    made = clocks.ClockWatch()
    made.look(clock=clock)
    return made


@pytest.fixture
def sweeper(clock, monkeypatch):
    """It has looked once already, and has no pulse of its own."""
    monkeypatch.setattr("dispatch.wakeup.workers.enter", lambda *, drains: None)
    made = beat.Sweeper(clock=clock)
    made.look()
    return made


def reported_jump():
    return timedelta(seconds=SweepRecord.objects.get().jumped_seconds)


class TestWhatIsNoticed:
    @pytest.mark.parametrize("jump", [HOURS, -HOURS, -MINUTE, clocks.FORWARD], ids=str)
    def test_a_clock_that_was_set(self, watch, clock, jump):
        clock.jump(jump)
        watch.look(clock=clock)
        assert watch.jump == jump

    @pytest.mark.parametrize("jump", [timedelta(seconds=-59), timedelta(minutes=9), timedelta()], ids=str)
    def test_not_one_that_was_put_right_by_a_little(self, watch, clock, jump):
        clock.jump(jump)
        watch.look(clock=clock)
        assert (watch.jump, watch.behind) == (timedelta(), timedelta())

    def test_not_a_machine_that_slept(self, watch, clock):
        clock.suspend(timedelta(hours=9))
        watch.look(clock=clock)
        assert watch.jump == timedelta()
        assert watch.may_expire()

    def test_not_a_sweep_that_took_long(self, watch, clock):
        clock.pass_time(timedelta(hours=9))
        watch.look(clock=clock)
        assert watch.jump == timedelta()

    def test_a_clock_that_is_set_right_again_is_right(self, watch, clock):
        clock.jump(HOURS)
        watch.look(clock=clock)
        assert not watch.may_expire()
        clock.jump(-HOURS)
        watch.look(clock=clock)
        assert watch.jump == timedelta()
        assert watch.may_expire()
        assert watch.behind == HOURS

    def test_it_is_told_of_for_15_minutes(self, watch, clock):
        clock.jump(HOURS)
        watch.look(clock=clock)
        clock.pass_time(clocks.DISTRUSTED - timedelta(seconds=1))
        watch.look(clock=clock)
        assert not watch.may_expire()
        clock.pass_time(timedelta(seconds=1))
        watch.look(clock=clock)
        assert watch.may_expire()

    def test_a_clock_set_back_while_nobody_swept(self, clock):
        clocks.show_life(jump=timedelta(), now=clock.now() + HOURS)
        watch = clocks.ClockWatch()
        watch.look(clock=clock)
        assert (watch.jump, watch.behind) == (-HOURS, HOURS)

    def test_a_jump_forward_is_still_told_of_after_a_restart(self, clock):
        clocks.show_life(jump=HOURS, now=clock.now())
        watch = clocks.ClockWatch()
        watch.look(clock=clock)
        assert not watch.may_expire()


def test_a_clock_that_is_set_between_a_look_and_a_sweep_expires_nothing(sweeper, clock, server):
    flow.deliveries(1, server_id=server.pk, now=clock.now(), expires_at=clock.now() + timedelta(hours=1))
    clock.jump(HOURS)
    sweeper.sweep()
    assert flow.states() == {"due": 1}


class TestAClockSetForward:
    def test_nothing_expires_for_15_minutes_and_nothing_if_it_is_set_right(self, server, sweeper, clock):
        flow.deliveries(3, server_id=server.pk, now=clock.now(), expires_at=clock.now() + timedelta(hours=1))
        clock.jump(HOURS)
        sweeper.look()
        sweeper.sweep()
        assert reported_jump() == HOURS
        assert flow.states() == {"due": 3}
        clock.jump(-HOURS)
        sweeper.look()
        sweeper.sweep()
        assert reported_jump() == timedelta()
        assert flow.states() == {"due": 3}

    def test_what_is_over_expires_then(self, server, sweeper, clock):
        flow.deliveries(3, server_id=server.pk, now=clock.now(), expires_at=clock.now() + timedelta(hours=1))
        clock.jump(HOURS)
        sweeper.look()
        clock.pass_time(clocks.DISTRUSTED)
        sweeper.look()
        sweeper.sweep()
        assert flow.states() == {"expired": 3}


@pytest.mark.django_db(transaction=True)
class TestAClockSetBack:
    @pytest.fixture
    def ahead(self, clock, sweeper):
        clock.jump(HOURS)
        sweeper.look()

    def test_what_was_accepted_before_is_due_now(self, ahead, server, sweeper, channel, clock):
        world.template(recipient="a@example.com", message="Hello")
        world.device()
        flow.post(now=clock.now())
        Delivery.objects.update(id=first_id(clock.now()))
        clock.jump(-HOURS)
        assert flow.send(server, clock) == 0
        sweeper.look()
        channel.answer = lambda wire, to: Sent()
        assert flow.send(server, clock) == 1

    def test_a_retry_that_was_planned_before_comes_when_it_should(self, server, sweeper, channel, clock):
        world.template(recipient="a@example.com", message="Hello")
        world.device()
        flow.post(now=clock.now())
        clock.jump(HOURS)
        sweeper.look()
        channel.answer = lambda wire, to: flow.GREYLISTED
        assert flow.send(server, clock) == 1
        wait = Delivery.objects.get().due_at - clock.now()
        clock.jump(-HOURS)
        sweeper.look()
        assert Delivery.objects.get().due_at == clock.now() + wait

    def test_what_was_planned_by_the_right_clock_stays(self, server, sweeper, clock):
        flow.deliveries(1, server_id=server.pk, now=clock.now())
        later = clock.now() + timedelta(hours=6)
        Delivery.objects.update(id=first_id(clock.now() - timedelta(hours=3)), due_at=later)
        clock.jump(-HOURS)
        sweeper.look()
        assert Delivery.objects.get().due_at == later

    def test_a_server_that_paused_is_tried_now(self, ahead, server, sweeper, clock):
        until = clock.now() + MINUTE
        Server.objects.update(paused_until=until, pause_count=1, rate_free_at=until)
        clock.jump(-HOURS)
        sweeper.look()
        assert Server.objects.values_list("paused_until", "rate_free_at").get() == (clock.now(), None)

    def test_also_after_a_restart(self, ahead, server, clock):
        flow.deliveries(2, server_id=server.pk, now=clock.now())
        for number, row in enumerate(Delivery.objects.all()):
            Delivery.objects.filter(pk=row.pk).update(id=first_id(clock.now() + timedelta(milliseconds=number)))
        clock.jump(-HOURS)
        beat.Sweeper(clock=clock).look()
        assert set(Delivery.objects.values_list("due_at", flat=True)) == {clock.now()}
        assert reported_jump() == -HOURS

    def test_a_look_that_fails_is_made_up_for(self, ahead, server, sweeper, clock, monkeypatch):
        Server.objects.update(paused_until=clock.now() + MINUTE)
        clock.jump(-HOURS)
        with monkeypatch.context() as broken:
            broken.setattr(clocks, "set_back", lambda by, *, now: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                sweeper.look()
        sweeper.look()
        assert Server.objects.get().paused_until == clock.now()
