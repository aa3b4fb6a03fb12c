"""What the tests of the flow share: a clock in their hand, a scripted channel, and no broker."""

import pytest

from dispatch.sending import recovery
from tests.db import world
from tests.hand_clock import HandClock
from transports.fake import FakeChannel


@pytest.fixture(autouse=True)
def wake_ups(monkeypatch):
    """The servers that were woken for, in order."""
    heard = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", heard.append)
    monkeypatch.setattr(
        "dispatch.wakeup.wake_ups.wake_more", lambda server_id, *, lanes: heard.extend([server_id] * lanes)
    )
    return heard


@pytest.fixture(autouse=True)
def _remainders(monkeypatch):
    """What a drain could not write waits until the test has it written: no thread with a connection of its own."""
    monkeypatch.setattr("dispatch.sending.recovery._start", lambda clock: None)
    yield
    recovery._mine.remainders.clear()


@pytest.fixture
def clock():
    return HandClock(world.NOW)


@pytest.fixture
def channel(monkeypatch):
    """The channel that every server leads to."""
    scripted = FakeChannel()
    monkeypatch.setattr("servers.factory.build_channel", lambda server, **_: scripted)
    return scripted
