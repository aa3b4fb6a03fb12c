"""What is done every few seconds, by a clock that nobody sets, and what keeps it going."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError

from dispatch.upkeep import beat


@pytest.fixture
def done():
    return []


def seconds(number):
    return timedelta(seconds=number)


def test_each_job_comes_at_its_interval_whatever_the_wall_clock_does(clock, done):
    beats = beat.Beat(
        [beat.Job("a", lambda: done.append("a"), 2.0), beat.Job("b", lambda: done.append("b"), 5.0)], clock=clock
    )
    for _ in range(10):
        beats.step()
        clock.pass_time(seconds(1))
        clock.jump(-timedelta(hours=2))
    assert (done.count("a"), done.count("b")) == (5, 2)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("away"), ValueError("a bug")], ids=str)
def test_an_error_of_one_job_keeps_neither_the_others_nor_itself_from_coming(clock, done, error):
    def fail():
        done.append("a")
        raise error

    beats = beat.Beat([beat.Job("a", fail, 2.0), beat.Job("b", lambda: done.append("b"), 2.0)], clock=clock)
    beats.step()
    clock.pass_time(seconds(2))
    beats.step()
    assert done == ["a", "b"] * 2


@pytest.fixture
def begun(monkeypatch, clock):
    """Beats as `start` begins them; each is one job that waits until it is let go or killed."""
    ways = []

    def jobs(*, clock):
        way = {"came": threading.Event(), "go": threading.Event(), "die": False}
        ways.append(way)

        def run():
            way["came"].set()
            way["go"].wait(10)
            if way["die"]:
                raise SystemExit

        return [beat.Job("wait", run, 0.001)]

    monkeypatch.setattr(beat, "jobs", jobs)
    monkeypatch.setattr(beat, "_current", None)
    yield ways
    beat.end()
    for way in ways:
        way["go"].set()


@pytest.mark.filterwarnings("ignore:Exception in thread beat")
@pytest.mark.django_db(transaction=True)
def test_a_beat_whose_thread_died_is_replaced(begun, clock):
    beat.start(clock=clock)
    assert begun[0]["came"].wait(10)
    beat.start(clock=clock)
    assert len(begun) == 1
    begun[0]["die"] = True
    begun[0]["go"].set()
    beat._current[1].join(10)
    beat.start(clock=clock)
    assert begun[1]["came"].wait(10)


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_stands_still_is_replaced_and_ends_when_it_goes_on(begun, clock):
    beat.start(clock=clock)
    assert begun[0]["came"].wait(10)
    stuck = beat._current[1]
    clock.pass_time(seconds(beat.STUCK_AFTER + 1))
    beat.start(clock=clock)
    assert begun[1]["came"].wait(10)
    begun[0]["go"].set()
    stuck.join(10)
    assert not stuck.is_alive()
