"""When a worker is woken: immediately for what comes alone, seldom in a flood."""

import pytest

from dispatch.wakeup import wake_ups

SERVER = 987_654


@pytest.fixture
def line():
    return Line()


class Line:
    """Events at times of our own; `woken` are the milliseconds at which a worker was."""

    def __init__(self):
        self.windows, self.woken = wake_ups.Windows(), []

    def event(self, *, at):
        while (due := self.windows.next_at()) is not None and due <= at / 1000:
            self.windows.ripe(now=due)
            self.woken.append(due * 1000)
        if self.windows.ask(SERVER, now=at / 1000):
            self.woken.append(at)

    def waits(self, *times):
        """The longest that one of these events waits for a wake-up after it."""
        for at in (*times, times[-1] + 1000):
            self.event(at=at)
        return max(min(woken for woken in self.woken if woken >= at - 0.001) - at for at in times)


def test_events_that_come_one_after_the_other_are_woken_for_immediately(line):
    for at in (0, 8, 16, 24):
        line.event(at=at)
    assert line.woken == [0, 8, 16, 24]


@pytest.mark.parametrize("after", [1.5, 3, 4, 6])
def test_an_event_that_is_posted_once_the_last_ones_mail_is_there_waits_for_the_shortest_window_at_most(line, after):
    """Milliseconds from a wake-up to the next post; this doubled the window from event to event once."""
    at = 0.0
    for _ in range(50):
        line.event(at=at)
        due = line.windows.next_at()
        woken = at if due is None else due * 1000
        assert woken - at <= 5.001
        at = woken + after


def test_twenty_events_a_second_are_woken_for_immediately(line):
    assert line.waits(*range(0, 1000, 50)) == 0


def test_an_event_right_after_another_is_woken_for_at_the_end_of_the_window(line):
    for at in (0, 1, 2, 100):
        line.event(at=at)
    assert [round(at) for at in line.woken] == [0, 5, 100]


def test_a_flood_costs_a_wake_up_every_50_milliseconds(line):
    for at in range(1000):
        line.event(at=at)
    assert 20 <= len(line.woken) <= 25
    assert round(line.woken[-1] - line.woken[-2]) == 50


def test_after_a_flood_the_next_event_is_woken_for_immediately(line):
    for at in (*range(200), 300, 306):
        line.event(at=at)
    assert line.woken[-2:] == [300, 306]
