"""What every Channel keeps to. A test class inherits `ChannelContract` and gives it a `world` fixture."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

import pytest

from tests import waiting
from transports.types import (
    Channel,
    Connection,
    Deferred,
    Message,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
)


class Fate(Enum):
    """What the peer does with a recipient."""

    TAKE = auto()
    REFUSE = auto()
    DEFER = auto()
    GO_DOWN = auto()
    FALL_SILENT = auto()


class World(Protocol):
    """A peer and the channel that leads to it.

    Where a connection has more than one message under way, `at_a_time` says how many; those may be taken behind one
    that meets trouble, and have a result then.
    """

    def channel(self) -> Channel: ...
    def dead_channel(self) -> Channel: ...
    def recipient(self, number: int) -> Recipient: ...
    def decide(self, number: int, fate: Fate) -> None: ...
    def taken(self) -> list[Recipient]: ...


def message(number: int) -> Message:
    return Message(UUID(int=number + 1), f"Subject {number}", f"Text {number}\n", datetime(2026, 11, 22, tzinfo=UTC))


def wires(world: World, channel: Channel, *, numbers: range) -> list[Wire]:
    prepared = [channel.prepare(message(number), (world.recipient(number),)) for number in numbers]
    found = [wire for wire in prepared if isinstance(wire, Wire)]
    assert len(found) == len(prepared), prepared
    return found


def connect(channel: Channel) -> Connection:
    connection = channel.connect()
    assert not isinstance(connection, Deferred), connection
    return connection


def send(world: World, count: int) -> list[Result]:
    channel = world.channel()
    connection = connect(channel)
    prepared = wires(world, channel, numbers=range(count))
    results = in_order(prepared, connection.send(prepared))
    connection.close()
    return results


def in_order(prepared: Sequence[Wire], pairs: Iterable[tuple[Wire, Result]]) -> list[Result]:
    """The results in the order of their wires, which are the very objects that were given."""
    found = {id(wire): result for wire, result in pairs}
    return [found[id(wire)] for wire in prepared if id(wire) in found]


def at_a_time(world: World) -> int:
    return getattr(world, "at_a_time", 1)


class ChannelContract:
    def test_the_same_message_is_prepared_to_the_same_bytes(self, world: World) -> None:
        first, again = (world.channel().prepare(message(1), (world.recipient(1),)) for _ in range(2))
        assert isinstance(first, Wire)
        assert first == again
        assert first.key == message(1).key
        assert first.to == (world.recipient(1),)

    def test_what_is_no_address_is_refused_before_anything_is_sent(self, world: World) -> None:
        broken = Recipient(world.recipient(1).kind, "")
        assert isinstance(world.channel().prepare(message(1), (broken,)), Rejected)

    def test_every_message_gets_its_own_result(self, world: World) -> None:
        results = send(world, 5)
        assert [tuple(type(outcome) for outcome in result.outcomes) for result in results] == [(Sent,)] * 5
        assert set(world.taken()) == {world.recipient(number) for number in range(5)}

    def test_equal_wires_each_get_a_result(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        prepared = [wire for _ in range(2) for wire in wires(world, channel, numbers=range(1))]
        assert len(in_order(prepared, connection.send(prepared))) == 2
        connection.close()

    def test_a_peer_that_does_as_it_says_teaches_nothing(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        list(connection.send(wires(world, channel, numbers=range(5))))
        assert connection.learned == ()
        connection.close()

    def test_each_message_is_announced_once_before_the_peer_has_it(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        prepared = wires(world, channel, numbers=range(5))
        announced: list[tuple[int, bool]] = []

        def handing_over(wire: Wire, to: Sequence[int]) -> None:
            announced.append((id(wire), any(wire.to[position] in world.taken() for position in to)))

        list(connection.send(prepared, handing_over=handing_over))
        connection.close()
        assert announced == [(id(wire), False) for wire in prepared]

    def test_what_may_not_be_handed_over_is_not_and_ends_the_connection(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        prepared = wires(world, channel, numbers=range(3))

        def handing_over(wire: Wire, to: Sequence[int]) -> None:
            if wire is prepared[1]:
                raise RuntimeError("not now")

        with pytest.raises(RuntimeError, match="not now"):
            list(connection.send(prepared, handing_over=handing_over))
        assert list(connection.send(prepared)) == []
        connection.close()
        assert world.taken() == [world.recipient(0)]

    def test_a_connection_can_be_used_again(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        for start in (0, 2):
            assert len(list(connection.send(wires(world, channel, numbers=range(start, start + 2))))) == 2
        connection.close()
        assert len(world.taken()) == 4

    def test_nothing_to_send_gives_no_result(self, world: World) -> None:
        assert send(world, 0) == []

    def test_a_refused_recipient_does_not_stop_the_others(self, world: World) -> None:
        world.decide(1, Fate.REFUSE)
        world.decide(2, Fate.DEFER)
        results = send(world, 4)
        assert [type(result.outcomes[0]) for result in results] == [Sent, Rejected, Deferred, Sent]
        for result in results[1:3]:
            (outcome,) = result.outcomes
            assert not isinstance(outcome, Sent)
            assert outcome.reason.scope is not Scope.SERVER
            assert result.dialogue

    def test_a_server_that_goes_down_ends_the_connection(self, world: World) -> None:
        world.decide(1, Fate.GO_DOWN)
        channel = world.channel()
        connection = connect(channel)
        prepared = wires(world, channel, numbers=range(4))
        pairs = list(connection.send(prepared))
        results = in_order(prepared, pairs)
        assert [type(result.outcomes[0]) for result in results[:2]] == [Sent, Deferred]
        (down,) = results[1].outcomes
        assert isinstance(down, Deferred)
        assert down.reason.scope is Scope.SERVER
        assert list(connection.send(wires(world, channel, numbers=range(4)))) == []
        connection.close()
        assert world.taken() == [wire.to[0] for wire, result in pairs if isinstance(result.outcomes[0], Sent)]
        assert len(results) <= 1 + at_a_time(world)

    def test_no_answer_after_handing_over_is_unknown_and_ends_the_connection(self, world: World) -> None:
        world.decide(1, Fate.FALL_SILENT)
        results = send(world, 4)
        assert [type(result.outcomes[0]) for result in results[:2]] == [Sent, Unknown]
        assert world.recipient(2) not in world.taken() or len(results) > 2
        assert len(results) <= 1 + at_a_time(world)

    def test_results_that_nobody_asks_for_are_not_sent(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        results: Iterator[tuple[Wire, Result]] = iter(connection.send(wires(world, channel, numbers=range(10))))
        assert isinstance(next(results)[1].outcomes[0], Sent)
        del results
        connection.close()
        assert world.recipient(9) not in world.taken()

    def test_a_dead_peer_is_deferred_for_the_whole_server(self, world: World) -> None:
        refused = world.dead_channel().connect()
        assert isinstance(refused, Deferred)
        assert refused.reason.scope is Scope.SERVER

    def test_closing_twice_and_sending_after_it_does_nothing(self, world: World) -> None:
        channel = world.channel()
        connection = connect(channel)
        connection.close()
        connection.close()
        assert list(connection.send(wires(world, channel, numbers=range(1)))) == []
        assert world.taken() == []

    def test_threads_share_a_channel(self, world: World) -> None:
        channel = world.channel()
        found: list[Result] = []

        def run(start: int) -> None:
            connection = connect(channel)
            prepared = wires(world, channel, numbers=range(start, start + 5))
            found.extend(in_order(prepared, connection.send(prepared)))
            connection.close()

        threads = [threading.Thread(target=run, args=(start,)) for start in range(0, 20, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.PATIENCE)
        assert len(found) == len(set(world.taken())) == 20
