"""No server has all threads of a worker."""

import time
from contextlib import ExitStack

import pytest
from django.conf import settings

from dispatch import places


def test_the_lanes_of_one_server_leave_threads_to_the_others():
    with ExitStack() as held:
        got = [held.enter_context(places.of_server(1)) for _ in range(places.MOST + 1)]
        assert got == [True] * places.MOST + [False]
        assert held.enter_context(places.of_server(2))
    assert places.MOST <= settings.CELERY_WORKER_CONCURRENCY * 2 // 3


def test_a_place_is_free_again_after_its_drain_whatever_became_of_it():
    for _ in range(places.MOST + 1):
        with pytest.raises(OSError, match="lost"), places.of_server(1):
            raise OSError("lost")
    with ExitStack() as held:
        assert all(held.enter_context(places.of_server(1)) for _ in range(places.MOST))


@pytest.fixture
def load(monkeypatch):
    """What share of a core this process uses, as if it had just been measured."""

    def say(share):
        monkeypatch.setattr(places, "_load", places._Load(at=time.monotonic() + 1000, share=share))

    return say


@pytest.fixture
def two_lanes():
    for _ in range(2):
        places.lane_taken(3)
    yield 3
    for _ in range(2):
        places.lane_released(3)


def test_the_last_lane_of_a_server_has_to_look_when_a_ring_was_turned_away_meanwhile(load):
    for server in (5, 5, 6):
        places.lane_taken(server)
    load(0.9)
    assert places.is_crowded(5)
    assert [places.lane_released(server) for server in (5, 6, 5)] == [False, False, True]
    places.lane_taken(5)
    assert not places.lane_released(5)


def test_a_ring_for_which_there_is_no_thread_is_turned_away():
    places.lane_taken(7)
    with ExitStack() as held:
        for _ in range(places.MOST + 1):
            held.enter_context(places.of_server(7))
    assert places.lane_released(7)


def test_a_busy_process_takes_no_more_lanes_of_a_server_and_gives_one_away_at_a_time(load, two_lanes):
    load(0.9)
    assert places.is_crowded(two_lanes)
    assert [places.must_shed(two_lanes) for _ in range(3)] == [True, False, False]
    load(0.9)
    assert places.must_shed(two_lanes)


def test_a_process_whose_lanes_mostly_wait_takes_more_and_keeps_them(load, two_lanes):
    load(0.5)
    assert not places.is_crowded(two_lanes)
    assert not places.must_shed(two_lanes)


def test_the_first_lane_of_a_server_is_taken_and_kept_however_busy_the_process(load):
    load(1.0)
    assert not places.is_crowded(4)
    places.lane_taken(4)
    assert not places.must_shed(4)
    places.lane_released(4)


def test_the_share_of_a_core_is_measured_anew_after_a_while():
    load = places._Load(at=time.monotonic() - 1, spent=time.process_time() - 0.95)
    assert load.is_saturated()
    load.at, load.spent = time.monotonic() - 1, time.process_time()
    assert not load.is_saturated()
