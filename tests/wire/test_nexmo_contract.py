from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from simulators.faults import Drop, Fault, Reply, SmsStep
from simulators.nexmo import NexmoSimulator
from simulators.nexmo_account import Account
from tests.channel_contract import ChannelContract, Fate
from transports.net.guard import Policy
from transports.nexmo.channel import NexmoChannel
from transports.nexmo.config import NexmoConfig, SignatureMethod, Signer
from transports.types import AddressKind, Recipient

FAULTS = {
    Fate.REFUSE: (SmsStep.TAKE, Reply(6)),
    Fate.DEFER: (SmsStep.TAKE, Reply(5)),
    Fate.GO_DOWN: (SmsStep.TAKE, Reply(503)),
    Fate.FALL_SILENT: (SmsStep.ANSWER, Drop()),
}


class NexmoWorld:
    def __init__(self, simulator: NexmoSimulator, *, signer: Signer | None) -> None:
        self._simulator = simulator
        self._signer = signer
        self._cut: set[str] = set()

    def channel(self) -> NexmoChannel:
        return self._channel(self._simulator.url)

    def dead_channel(self) -> NexmoChannel:
        return self._channel("http://127.0.0.1:1")

    def recipient(self, number: int) -> Recipient:
        return Recipient(AddressKind.PHONE, f"+447700900{number:03}")

    def decide(self, number: int, fate: Fate) -> None:
        to = self.recipient(number).address.removeprefix("+")
        if fate is Fate.FALL_SILENT:
            self._cut.add(to)
        if fate in FAULTS:
            step, action = FAULTS[fate]
            self._simulator.faults.order(Fault(step, action, times=None, matching=to))

    def taken(self) -> list[Recipient]:
        return [
            Recipient(AddressKind.PHONE, f"+{text.to}")
            for text in self._simulator.phone.texts()
            if text.to not in self._cut
        ]

    def _channel(self, url: str) -> NexmoChannel:
        config = NexmoConfig("demo", "demo-secret", base_url=url, signer=self._signer, timeout=timedelta(seconds=30))
        return NexmoChannel(config, policy=Policy(private=True))


@pytest.fixture(params=[None, SignatureMethod.SHA256, SignatureMethod.SHA512], ids=["secret", "sha256", "sha512"])
def world(request: pytest.FixtureRequest) -> Iterator[NexmoWorld]:
    signer = Signer("signature & secret", request.param) if request.param else None
    account = Account(signature_secret="signature & secret", signature_method=request.param or "sha256")
    with NexmoSimulator(account=account) as simulator:
        yield NexmoWorld(simulator, signer=signer)


class TestNexmoChannel(ChannelContract):
    pass
