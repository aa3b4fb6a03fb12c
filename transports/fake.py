"""A `Channel` that does what it is told, for tests and for trying things out without a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from transports.types import (
    Deferred,
    HandingOver,
    Learned,
    Message,
    Outcome,
    Reason,
    ReasonCode,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
    unannounced,
)

Answer = Callable[[Wire, Recipient], Outcome]


def take_everything(wire: Wire, recipient: Recipient) -> Outcome:
    return Sent(provider_id=str(wire.key))


class FakeChannel:
    """`answer` decides about each recipient; `refusals` are what the next calls of `connect` return, None for success.

    `handed_over` lists the wires in the order they were sent, `connections` counts those that were opened, `learned`
    is what each of them says it found out.
    """

    def __init__(self, *, answer: Answer = take_everything, refusals: Iterable[Deferred | None] = ()) -> None:
        self.handed_over: list[Wire] = []
        self.connections = 0
        self.learned: list[Learned] = []
        self.answer = answer
        self.refusals = deque(refusals)

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """See `Channel`. An address without text is refused."""
        if not to or not all(recipient.address for recipient in to):
            return Rejected(Reason(ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT, "no address"))
        return Wire(message.key, to, f"{message.subject}\n\n{message.text}".encode())

    def connect(self) -> FakeConnection | Deferred:
        """See `Channel`."""
        refusal = self.refusals.popleft() if self.refusals else None
        if refusal is not None:
            return refusal
        self.connections += 1
        return FakeConnection(self)


class FakeConnection:
    """See `Connection`."""

    def __init__(self, channel: FakeChannel) -> None:
        self._channel = channel
        self.closed = False

    @property
    def learned(self) -> tuple[Learned, ...]:
        """See `Connection`."""
        return tuple(self._channel.learned)

    def send(self, wires: Iterable[Wire], *, handing_over: HandingOver = unannounced) -> Iterator[tuple[Wire, Result]]:
        """See `Connection`."""
        for wire in wires:
            if self.closed:
                return
            self.closed = True  # unless all goes well
            handing_over(wire, range(len(wire.to)))
            self._channel.handed_over.append(wire)
            outcomes = tuple(self._channel.answer(wire, recipient) for recipient in wire.to)
            self.closed = any(_ends_connection(outcome) for outcome in outcomes)
            said = [outcome.reason.detail for outcome in outcomes if not isinstance(outcome, Sent)]
            yield wire, Result(outcomes, dialogue="\n".join(said))

    def close(self) -> None:
        """See `Connection`."""
        self.closed = True


def _ends_connection(outcome: Outcome) -> bool:
    if isinstance(outcome, Sent):
        return False
    return isinstance(outcome, Unknown) or outcome.reason.scope is Scope.SERVER
