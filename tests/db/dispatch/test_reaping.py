"""Who is dead, and what becomes of what it held; no clock time decides it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.db.models import F

from dispatch.models import Delivery, Lane, Worker
from dispatch.outbox import lanes
from dispatch.sending import reaping
from dispatch.upkeep.reaper import Reaper
from dispatch.wakeup import workers
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
LOOK = timedelta(seconds=2)


@pytest.fixture
def server():
    return world.smtp_server(connections=2)


@pytest.fixture
def worker():
    return Worker.objects.create(id=uuid4(), name="machine:1", started_at=world.NOW)


@pytest.fixture
def reaper():
    return Reaper()


@pytest.fixture
def hold(server, worker, clock):
    """The worker takes a lane and claims two deliveries; one of them it begins."""

    def take():
        flow.deliveries(2, server_id=server.pk)
        held = lanes.take(server.pk, limits=server.limits(), worker=worker.pk, now=clock.now())
        claims = flow.claim(server.pk, lease=held.lease, now=clock.now(), until=clock.now() + server.limits().lease)
        flow.begin(claims[:1], lease=held.lease, now=clock.now())
        return held

    return take


def look_for(duration, *, reaper, clock, each=lambda: None):
    """The sweep looks every two seconds; how many it took back."""
    found, until = reaper.look(clock=clock), clock.monotonic() + duration.total_seconds()
    while clock.monotonic() < until:
        clock.pass_time(LOOK)
        each()
        found += reaper.look(clock=clock)
    return found


def pulse():
    Worker.objects.update(pulse=F("pulse") + 1)


def test_a_worker_whose_counter_stands_still_is_dead_within_20_seconds(reaper, clock, hold):
    hold()
    assert look_for(timedelta(seconds=12), reaper=reaper, clock=clock) == 0
    assert look_for(timedelta(seconds=6), reaper=reaper, clock=clock) == 3
    assert flow.states() == {"due": 2}
    assert sorted(Delivery.objects.values_list("tries", "attempt_count")) == [(0, 0), (0, 1)]
    assert set(Lane.objects.values_list("lease", "worker")) == {(None, None)}
    assert workers.lost() == ["machine:1"]


def test_a_worker_with_a_pulse_keeps_what_it_holds_whatever_the_clock_says(reaper, clock, hold):
    hold()

    def each():
        pulse()
        clock.jump(timedelta(hours=2))

    assert look_for(timedelta(seconds=50), reaper=reaper, clock=clock, each=each) == 0
    assert flow.states() == {"claimed": 2}


def test_a_worker_that_nobody_registered_is_given_the_same_time(reaper, clock, hold, worker):
    hold()
    worker.delete()
    assert look_for(timedelta(seconds=12), reaper=reaper, clock=clock) == 0
    assert look_for(timedelta(seconds=6), reaper=reaper, clock=clock) == 3


def test_a_sweep_that_was_blind_counts_anew(reaper, clock, hold, monkeypatch):
    hold()
    look_for(timedelta(seconds=12), reaper=reaper, clock=clock)
    with monkeypatch.context() as broken:
        broken.setattr(Worker.objects, "values_list", _fail)
        with pytest.raises(OperationalError):
            reaper.look(clock=clock)
    assert look_for(timedelta(seconds=14), reaper=reaper, clock=clock) == 0


def test_a_sweep_that_could_not_write_at_once_counts_anew(reaper, clock, hold, monkeypatch):
    """Another program held the lock: the workers could not show life either."""
    hold()
    look_for(timedelta(seconds=12), reaper=reaper, clock=clock)
    with monkeypatch.context() as locked:
        locked.setattr("dispatch.upkeep.reaper._AT_ONCE", timedelta(seconds=-1))
        assert reaper.look(clock=clock) == 0
        clock.pass_time(timedelta(seconds=30))
        assert reaper.look(clock=clock) == 0
    assert look_for(timedelta(seconds=14), reaper=reaper, clock=clock) == 0
    assert flow.states() == {"claimed": 2}


def test_a_process_that_can_not_show_life_hands_nothing_over(server, clock, channel, monkeypatch):
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to("user0@example.com")
    monkeypatch.setattr(workers._self, "pulsed_at", workers._clock.elapsed() - 13)
    flow.send(server, clock)
    assert channel.handed_over == []
    assert list(Delivery.objects.values_list("state", "tries")) == [("due", 0)]
    monkeypatch.setattr(workers._self, "pulsed_at", workers._clock.elapsed())
    flow.send(server, clock)
    assert flow.states() == {"sent": 1}


def _fail(*_names):
    raise OperationalError


def test_a_worker_that_moves_on_at_the_last_moment_keeps_what_it_holds(reaper, clock, hold, worker):
    hold()
    assert not workers.lose(worker.pk, pulse=worker.pulse + 1)
    assert flow.states() == {"claimed": 2}


def test_a_lease_that_nobody_renews_ends_though_its_worker_lives(reaper, clock, hold, server):
    """A drain that could not give back what it held, as when the database was away."""
    hold()
    lease = server.limits().lease
    assert look_for(lease - LOOK, reaper=reaper, clock=clock, each=pulse) == 0
    assert look_for(LOOK, reaper=reaper, clock=clock, each=pulse) == 3
    assert flow.states() == {"due": 2}


def test_a_lease_that_was_written_by_a_clock_two_hours_ahead_ends_all_the_same(reaper, clock, hold, server):
    clock.jump(timedelta(hours=2))
    hold()
    clock.jump(-timedelta(hours=2))
    assert look_for(server.limits().lease, reaper=reaper, clock=clock, each=pulse) == 3


def test_a_process_that_certainly_ended_is_forgotten(hold, worker, clock):
    hold()
    assert reaping.free_worker(worker.pk, now=clock.now()) == 2
    assert not Worker.objects.exists()
    assert set(Lane.objects.values_list("lease", "worker")) == {(None, None)}


def test_a_lost_worker_is_told_of_for_an_hour(reaper, clock, worker):
    look_for(timedelta(seconds=20), reaper=reaper, clock=clock)
    assert workers.lost() == ["machine:1"]
    clock.pass_time(timedelta(minutes=50))
    reaper.look(clock=clock)
    assert workers.lost() == ["machine:1"]
    clock.pass_time(timedelta(minutes=10))
    reaper.look(clock=clock)
    assert not Worker.objects.exists()
