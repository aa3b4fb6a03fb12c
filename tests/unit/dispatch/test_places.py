"""No server has all threads of a worker."""

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


def test_the_last_lane_of_a_server_knows_that_it_is():
    for _ in range(2):
        places.lane_taken(1)
    places.lane_taken(2)
    assert not places.lane_released(1)
    assert places.lane_released(1)
    assert places.lane_released(2)
