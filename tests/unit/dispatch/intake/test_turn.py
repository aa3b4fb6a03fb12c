"""A turn is taken by one thread at a time, which may end it early."""

import threading

from dispatch.intake.turn import Turn
from tests import waiting


def other_thread(job):
    thread = threading.Thread(target=job)
    thread.start()
    thread.join(timeout=waiting.PATIENCE)
    assert not thread.is_alive()


def test_the_next_one_goes_when_the_turn_ends_early():
    turn, went = Turn(), []

    def go():
        with turn:
            went.append(1)

    with turn:
        turn.end()
        other_thread(go)
        turn.end()
    assert went == [1]


def test_nobody_ends_the_turn_of_another():
    turn = Turn()
    with turn:
        other_thread(turn.end)
        assert not turn._lock.acquire(blocking=False)
    assert turn._lock.acquire(blocking=False)
