from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes, policy

import pytest

from tests.wire.mails import channel, connected, person, send, wire
from tests.wire.scripted import Answer, Peer, Received, Talk, honest
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent, Unknown

PLAIN = ("SIZE 1000000",)
PIPELINED = ("PIPELINING", "SIZE 1000000")

both = pytest.mark.parametrize("features", [PLAIN, PIPELINED], ids=["plain", "pipelined"])


@both
def test_every_mail_arrives_whole_and_in_order(features: tuple[str, ...]) -> None:
    received = Received()
    with Peer(honest(received, features=features)) as peer:
        results = send(peer, 5).results
    assert [type(result.outcomes[0]) for result in results] == [Sent] * 5
    assert [to for to, _ in received.mails] == [(f"user{number}@example.org",) for number in range(5)]
    parsed = message_from_bytes(received.mails[3][1], policy=policy.default)
    assert parsed["Subject"] == "Number 3"
    assert parsed.get_content().splitlines() == ["Hello", ".dot", "..dots"]
    assert received.commands[-1] == "QUIT"


@both
def test_each_recipient_has_an_answer_of_its_own(features: tuple[str, ...]) -> None:
    received = Received()
    refused = {
        "RCPT": lambda line: "550 5.1.1 no such user" if "user1@" in line else "450 4.2.2 full" * ("user2@" in line)
    }
    with Peer(honest(received, features=features, answers=refused)) as peer:
        chosen = channel(peer)
        connection = connected(chosen)
        to = tuple(person(number) for number in range(4))
        announced: list[Sequence[int]] = []
        pairs = connection.send([wire(chosen, 0, to=to)], handing_over=lambda _, takers: announced.append(takers))
        ((_, result),) = pairs
        connection.close()
    assert announced == [(0, 3)]
    first, second, third, fourth = result.outcomes
    assert isinstance(first, Sent)
    assert isinstance(fourth, Sent)
    assert isinstance(second, Rejected)
    assert (second.reason.code, second.reason.scope) == (ReasonCode.ADDRESS_UNKNOWN, Scope.RECIPIENT)
    assert isinstance(third, Deferred)
    assert third.reason.code is ReasonCode.MAILBOX_FULL
    assert received.mails[0][0] == ("user0@example.org", "user3@example.org")
    assert "550 5.1.1 no such user" in result.dialogue


@pytest.mark.parametrize(
    ("features", "data"), [(PLAIN, ""), (PIPELINED, "354 go on"), (PIPELINED, "554 5.5.1 no valid recipients")]
)
def test_a_mail_that_nobody_may_have_does_not_stop_the_next(features: tuple[str, ...], data: str) -> None:
    received = Received()
    answers: dict[str, Answer] = {
        "RCPT": lambda line: "550 5.1.1 no" if "user1@" in line else "",
        "DATA": ("", data, ""),
    }
    with Peer(honest(received, features=features, answers=answers)) as peer:
        results = send(peer, 3).results
    assert [type(result.outcomes[0]) for result in results] == [Sent, Rejected, Sent]
    taken = [to for to, _ in received.mails if to]
    assert taken == [("user0@example.org",), ("user2@example.org",)]


@both
def test_a_mail_refused_at_its_end_does_not_stop_the_next(features: tuple[str, ...]) -> None:
    with Peer(honest(Received(), features=features, answers={"END": ("554 5.6.0 spam", "")})) as peer:
        results = send(peer, 2).results
    refused, sent = (result.outcomes[0] for result in results)
    assert isinstance(refused, Rejected)
    assert refused.reason.scope is Scope.MESSAGE
    assert isinstance(sent, Sent)


@both
@pytest.mark.parametrize("end", ["drop", "hang"])
def test_no_answer_to_the_final_dot_is_unknown_and_nothing_follows(features: tuple[str, ...], end: str) -> None:
    received = Received()
    with Peer(honest(received, features=features, answers={"END": ("", end)})) as peer:
        results = send(peer, 4, timeout=2).results
    assert len(results) == 2
    assert isinstance(results[0].outcomes[0], Sent)
    assert isinstance(results[1].outcomes[0], Unknown)
    assert len(received.mails) == 2


@both
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_hangs_up_between_mails_is_connected_to_again(features: tuple[str, ...], verb: str) -> None:
    for gone in ("drop", "421 4.3.2 shutting down"):
        received = Received()
        with Peer(honest(received, features=features, answers={verb: ("", "", gone, "")})) as peer:
            results = send(peer, 5).results
            assert peer.connections == 2
        assert [type(result.outcomes[0]) for result in results] == [Sent] * 5
        assert len(received.mails) == 5


@both
def test_a_server_that_closes_at_the_first_mail_is_down(features: tuple[str, ...]) -> None:
    with Peer(honest(Received(), features=features, answers={"MAIL": "421 4.3.2 going down"})) as peer:
        (result,) = send(peer, 3).results
        assert peer.connections == 1
    (outcome,) = result.outcomes
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.reason.scope) == (ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER)
    assert outcome.reason.enhanced == "4.3.2"


@both
def test_a_connection_carries_no_more_mails_than_it_may(features: tuple[str, ...]) -> None:
    received = Received()
    with Peer(honest(received, features=features)) as peer:
        results = send(peer, 7, per_connection=3).results
        assert peer.connections == 3
    assert len(results) == len(received.mails) == 7
    assert received.commands.count("QUIT") == 3


def test_more_recipients_than_fit_one_write_all_get_the_mail() -> None:
    received = Received()
    with Peer(honest(received)) as peer:
        chosen = channel(peer)
        connection = connected(chosen)
        to = tuple(person(number) for number in range(1000))
        ((_, result),) = connection.send([wire(chosen, 0, to=to)])
        connection.close()
    assert len(received.mails[0][0]) == 1000
    assert all(isinstance(outcome, Sent) for outcome in result.outcomes)


@both
def test_a_worn_connection_that_cannot_be_replaced_is_a_server_that_is_down(features: tuple[str, ...]) -> None:
    received = Received()
    with Peer(honest(received, features=features, answers={"BANNER": ("", "554 no")})) as peer:
        first, second = send(peer, 3, per_connection=1).results
        assert peer.connections == 2
    assert isinstance(first.outcomes[0], Sent)
    (down,) = second.outcomes
    assert isinstance(down, Deferred)
    assert (down.reason.code, down.reason.scope) == (ReasonCode.GREETING_REFUSED, Scope.SERVER)
    assert len(received.mails) == 1


def test_pipelining_saves_round_trips() -> None:
    """From the second mail on, body and next envelope come in one piece."""
    pieces: list[bytes] = []

    def script(talk: Talk) -> None:
        receive = talk.connection.recv

        class Listening:
            def recv(self, size: int) -> bytes:
                pieces.append(receive(size))
                return pieces[-1]

            def __getattr__(self, name: str) -> object:
                return getattr(connection, name)

        connection = talk.connection
        talk.connection = Listening()  # type: ignore[assignment]
        honest(Received(), features=PIPELINED)(talk)

    with Peer(script) as peer:
        results = send(peer, 10).results
    assert len(results) == 10
    envelopes = [piece for piece in pieces if b"MAIL FROM" in piece]
    assert len(envelopes) == 10
    assert all(b"RCPT TO" in piece and piece.endswith(b"DATA\r\n") for piece in envelopes)
    assert sum(b"\r\n.\r\nMAIL FROM" in piece for piece in envelopes) == 8
