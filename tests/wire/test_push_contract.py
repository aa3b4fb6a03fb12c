from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulators.apns import ApnsSimulator
from simulators.faults import Drop, Fault, PushStep, Reply
from simulators.fcm import FcmSimulator
from tests.channel_contract import ChannelContract, Fate
from tests.wire import push
from tests.wire.certificates import Authority
from transports.types import Channel, Recipient

FAULTS = {
    "apns": {
        Fate.REFUSE: (PushStep.TAKE, Reply(400, "BadPriority")),
        Fate.DEFER: (PushStep.TAKE, Reply(429, "TooManyRequests")),
        Fate.GO_DOWN: (PushStep.TAKE, Reply(503, "ServiceUnavailable")),
        Fate.FALL_SILENT: (PushStep.ANSWER, Drop()),
    },
    "fcm": {
        Fate.REFUSE: (PushStep.TAKE, Reply(400, "INVALID_ARGUMENT")),
        Fate.DEFER: (PushStep.TAKE, Reply(500, "INTERNAL")),
        Fate.GO_DOWN: (PushStep.TAKE, Reply(503, "UNAVAILABLE")),
        Fate.FALL_SILENT: (PushStep.ANSWER, Drop()),
    },
}


class PushWorld:
    def __init__(self, simulator: ApnsSimulator | FcmSimulator, authority: Authority, *, at_a_time: int) -> None:
        self._simulator, self._authority = simulator, authority
        self.at_a_time = at_a_time
        self._cut: set[str] = set()

    def channel(self) -> Channel:
        if isinstance(self._simulator, ApnsSimulator):
            return push.apns_channel(self._simulator.port, authority=self._authority)
        return push.fcm_channel(self._simulator, authority=self._authority)

    def dead_channel(self) -> Channel:
        if isinstance(self._simulator, ApnsSimulator):
            return push.apns_channel(1, authority=self._authority)
        return push.fcm_channel(self._simulator, authority=self._authority, base_url="https://localhost:1")

    def recipient(self, number: int) -> Recipient:
        return push.iphone(number) if isinstance(self._simulator, ApnsSimulator) else push.android(number)

    def decide(self, number: int, fate: Fate) -> None:
        faults = FAULTS["apns" if isinstance(self._simulator, ApnsSimulator) else "fcm"]
        if fate is Fate.FALL_SILENT:
            self._cut.add(self.recipient(number).address)
        if fate in faults:
            step, action = faults[fate]
            self._simulator.faults.order(Fault(step, action, times=None, matching=self.recipient(number).address))

    def taken(self) -> list[Recipient]:
        kind = self.recipient(0).kind
        return [Recipient(kind, sent.token) for sent in self._simulator.tray.pushes() if sent.token not in self._cut]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["apns", "fcm", "apns one at a time", "fcm one at a time"])
def world(request: pytest.FixtureRequest, authority: Authority) -> Iterator[PushWorld]:
    streams = 1 if "one" in request.param else 100
    make = push.apns if "apns" in request.param else push.fcm
    with make(authority.server(), streams=streams) as simulator:
        yield PushWorld(simulator, authority, at_a_time=streams)


class TestPushChannel(ChannelContract):
    pass
