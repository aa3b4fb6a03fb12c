"""When a worker is woken: at once for what comes alone, seldom in a flood."""

import pytest

from dispatch import doorbell

SERVER = 987_654


@pytest.fixture
def bell():
    return Bell()


class Bell:
    """Rings at times of our own; `heard` are the milliseconds at which a worker was asked."""

    def __init__(self):
        self.windows, self.heard = doorbell.Windows(), []

    def ring(self, *, at):
        for due in sorted(self.windows.due.values()):
            if due <= at / 1000 and self.windows.ripe(now=due):
                self.heard.append(due * 1000)
        if SERVER not in self.windows.due and self.windows.ask(SERVER, now=at / 1000):
            self.heard.append(at)


def test_events_that_come_one_after_the_other_are_rung_for_at_once(bell):
    for at in (0, 8, 16, 24):
        bell.ring(at=at)
    assert bell.heard == [0, 8, 16, 24]


def test_an_event_right_after_another_is_rung_for_at_the_end_of_the_window(bell):
    for at in (0, 1, 2, 100):
        bell.ring(at=at)
    assert [round(at) for at in bell.heard] == [0, 5, 100]


def test_a_flood_is_rung_for_every_50_milliseconds(bell):
    for at in range(1000):
        bell.ring(at=at)
    assert 20 <= len(bell.heard) <= 25
    assert round(bell.heard[-1] - bell.heard[-2]) == 50


def test_after_a_flood_the_next_event_is_rung_for_at_once(bell):
    for at in (*range(200), 300, 306):
        bell.ring(at=at)
    assert bell.heard[-2:] == [300, 306]
