"""Signs of life of the workers and of the sweep, as a web process reads them."""

from datetime import timedelta

import pytest
from celery.signals import worker_ready

from dispatch import tasks
from dispatch.models import SweepRecord, Worker
from dispatch.upkeep import beat, clocks
from dispatch.wakeup import liveness, publisher, workers
from xmnotify.celery import app

pytestmark = pytest.mark.django_db
QUEUES = ("drain", "control")
HOURS = timedelta(hours=2)


@pytest.fixture
def published(monkeypatch):
    """The tasks that were published: (task, queue)."""
    found = []
    monkeypatch.setattr(publisher, "publish", lambda task, *, queue, **named: found.append((task, queue)))
    return found


@pytest.fixture
def process(monkeypatch):
    """This process as a worker that drains; the thread of its pulse ends at once, as by a bug."""
    monkeypatch.setattr(workers, "_self", workers._Self(drains=True))
    monkeypatch.setattr(workers, "_pulse_on", lambda: None)
    return workers._self


def canary_arrives(queue, clock):
    liveness.beat(queue, now=clock.now())


def test_a_queue_is_silent_90_seconds_after_its_last_sign_of_life(clock):
    assert liveness.silent(QUEUES, clock=clock) == ["drain", "control"]
    for queue in QUEUES:
        canary_arrives(queue, clock)
    clock.pass_time(timedelta(seconds=89))
    assert liveness.silent(QUEUES, clock=clock) == []
    canary_arrives("drain", clock)
    clock.pass_time(timedelta(seconds=1))
    assert liveness.silent(QUEUES, clock=clock) == ["control"]


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forward", "back"])
def test_a_queue_with_a_sign_of_life_just_now_is_not_silent_because_the_clock_was_set(clock, jump):
    canary_arrives("drain", clock)
    assert liveness.silent(["drain"], clock=clock) == []
    clock.jump(jump)
    assert liveness.silent(["drain"], clock=clock) == []


def test_a_queue_that_falls_silent_is_found_though_the_clock_was_set_back(clock):
    canary_arrives("drain", clock)
    liveness.silent(["drain"], clock=clock)
    clock.jump(-HOURS)
    clock.pass_time(liveness.SILENT)
    assert liveness.silent(["drain"], clock=clock) == ["drain"]


def test_a_process_that_looks_for_the_first_time_takes_no_time_to_come_for_a_sign_of_life(clock):
    canary_arrives("drain", clock)
    clock.jump(-HOURS)
    assert liveness.silent(["drain"], clock=clock) == ["drain"]
    canary_arrives("drain", clock)
    assert liveness.silent(["drain"], clock=clock) == []


def test_a_sweep_is_silent_30_seconds_after_its_last_sign_of_life(clock):
    assert liveness.sweep_is_silent(None, clock=clock)
    clocks.show_life(jump=timedelta(), now=clock.now())
    assert not liveness.sweep_is_silent(SweepRecord.objects.get(), clock=clock)
    clock.pass_time(liveness.SWEEP_SILENT)
    assert liveness.sweep_is_silent(SweepRecord.objects.get(), clock=clock)


def test_a_worker_that_starts_shows_life_at_once_and_not_at_the_next_beat(published, process, monkeypatch):
    monkeypatch.setattr(app.amqp.queues, "_consume_from", {"drain": None})
    worker_ready.send(sender=type("Consumer", (), {"app": app}))
    assert published == [("dispatch.canary", "drain")]
    tasks.canary(about="drain")
    assert liveness.counts(QUEUES) == {"drain": 1, "control": 0}


def test_a_canary_that_reaches_an_idle_worker_gives_it_its_pulse_back(process, clock):
    Worker.objects.create(id=process.id, name="machine:1", drains=True, lost=True, started_at=clock.now())
    tasks.canary(about="drain")
    assert workers.lost() == []
    assert process.thread is not None
    assert Worker.objects.get().drains


def test_a_canary_flies_through_a_queue_once_the_last_one_has_arrived(published, clock):
    watcher = beat.Watcher(clock=clock)
    watcher.watch()
    upkeep = [("dispatch.count", "control"), ("dispatch.purge", "control")]
    every = [("dispatch.canary", "drain"), ("dispatch.canary", "control"), *upkeep]
    assert published == every
    canary_arrives("drain", clock)
    clock.pass_time(timedelta(seconds=beat.WATCH_EVERY))
    watcher.watch()
    assert published[len(every) :] == [("dispatch.canary", "drain")]


def test_a_canary_that_went_with_its_broker_is_followed_by_another(published, clock):
    watcher = beat.Watcher(clock=clock)
    watcher.watch()
    clock.pass_time(timedelta(seconds=beat.LOST_AFTER))
    watcher.watch()
    assert len(published) == 8
