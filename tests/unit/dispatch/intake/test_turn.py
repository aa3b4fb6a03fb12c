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
        went.append(turn.take())
        turn.end()

    assert turn.take()
    turn.end()
    other_thread(go)
    turn.end()
    assert went == [True]


def test_nobody_ends_the_turn_of_another():
    turn = Turn()
    assert turn.take()
    other_thread(turn.end)
    assert not turn._lock.acquire(blocking=False)
    turn.end()
    assert turn._lock.acquire(blocking=False)
