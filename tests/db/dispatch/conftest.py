"""What the tests of the flow share: a clock in their hand, a scripted channel, and no broker."""

import pytest

from tests.db import world
from tests.hand_clock import HandClock
from transports.fake import FakeChannel


@pytest.fixture(autouse=True)
def rings(monkeypatch):
    """The servers that were rung for, in order."""
    heard = []
    monkeypatch.setattr("dispatch.doorbell.ring", heard.append)
    monkeypatch.setattr("dispatch.doorbell.call", lambda server_id, *, lanes: heard.extend([server_id] * lanes))
    return heard


@pytest.fixture
def clock():
    return HandClock(world.NOW)


@pytest.fixture
def channel(monkeypatch):
    """The channel that every server leads to."""
    scripted = FakeChannel()
    monkeypatch.setattr("servers.factory.build_channel", lambda server, **_: scripted)
    return scripted
