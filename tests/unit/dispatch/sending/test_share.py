"""No server has all threads of a worker, and no worker all lanes of a server."""

from contextlib import ExitStack

import pytest
from django.conf import settings

from dispatch.sending import share as places


def test_the_lanes_of_one_server_leave_threads_to_the_others():
    with ExitStack() as held:
        got = [held.enter_context(places.of_server(1)) for _ in range(places.MOST + 1)]
        assert [place is not None for place in got] == [True] * places.MOST + [False]
        assert held.enter_context(places.of_server(2))
    assert places.MOST <= settings.CELERY_WORKER_CONCURRENCY * 2 // 3


def test_a_place_is_free_again_after_its_drain_whatever_became_of_it():
    for _ in range(places.MOST + 1):
        with pytest.raises(OSError, match="lost"), places.of_server(1):
            raise OSError("lost")
    with ExitStack() as held:
        assert all(held.enter_context(places.of_server(1)) for _ in range(places.MOST))


@pytest.mark.parametrize(
    ("lanes", "workers", "share"), [(4, 1, 4), (4, 2, 2), (5, 2, 3), (1, 2, 1), (40, 1, 16), (40, 8, 5)]
)
def test_a_process_takes_its_share_of_the_lanes_rounded_up(lanes, workers, share):
    assert places.share(lanes, workers=workers) == share


def test_a_lane_beyond_the_share_is_not_counted_from_then_on_and_the_others_stay():
    with places.of_server(3) as first, places.of_server(3) as second, places.of_server(3) as third:
        assert [place.is_beyond(2) for place in (third, first, second)] == [True, False, False]


def test_the_last_lane_of_a_server_has_to_look_when_a_wake_up_was_turned_away_meanwhile():
    with places.of_server(5) as first, places.of_server(6) as other, places.of_server(5) as second:
        with places.of_server(5) as third:
            assert third.is_beyond(2)
        assert [place.was_last() for place in (first, other, second)] == [False, False, True]
    with places.of_server(5) as again:
        assert not again.was_last()


def test_a_wake_up_for_which_there_is_no_thread_is_turned_away():
    with ExitStack() as held:
        *others, last = [held.enter_context(places.of_server(7)) for _ in range(places.MOST)]
        held.enter_context(places.of_server(7))
        for place in others:
            place.leave()
        assert last.was_last()
