"""Peers whose sessions have limits, that break off for one recipient, or that offer PIPELINING and do not do it."""

from __future__ import annotations

import pytest

from tests.wire.halves import EndOnly, FirstOnly, LastOnly, heard_as
from tests.wire.mails import Came, channel, come, person, send, wire
from tests.wire.scripted import Peer, Received, Script, Talk, honest
from transports.smtp.config import Pipelining
from transports.types import LearnedKind

PLAIN = ("SIZE 1000000",)
PIPELINED = ("PIPELINING", "SIZE 1000000")
TIMEOUT = 0.5
both = pytest.mark.parametrize("features", [PLAIN, PIPELINED], ids=["plain", "pipelined"])


def of_mails(received: Received) -> list[str]:
    return [address for to, _ in received.mails for address in to]


def people(count: int) -> list[str]:
    return [person(number).address for number in range(count)]


# --- limits of a session


def limited(received: Received, verb: str, reply: str, *, after: int, features: tuple[str, ...]) -> Script:
    """After so many mails every `verb` gets `reply`; the connection stays open."""

    def script(talk: Talk) -> None:
        mine = Received()
        full = {verb: lambda _: reply if len(mine.mails) >= after else ""}
        try:
            honest(mine, features=features, answers=full)(talk)
        finally:
            received.mails += mine.mails

    return script


LIMITS = [
    ("DATA", "452 4.4.5 Maximum number of messages per session exceeded."),
    ("MAIL", "452 4.4.5 Maximum number of messages per session exceeded."),
    ("MAIL", "451 4.3.0 try again"),
    ("DATA", "451 later"),
    ("MAIL", "450 4.7.1 Too many messages in this session"),
    ("MAIL", "421 4.7.0 too many messages in this connection"),
    ("MAIL", "554 5.7.0 Too many messages per connection, reconnect"),
    ("RCPT", "452 4.5.3 Too many recipients this session"),
]


@both
@pytest.mark.parametrize(("verb", "reply"), LIMITS)
def test_a_limit_of_the_session_costs_nobody_a_try(features: tuple[str, ...], verb: str, reply: str) -> None:
    received = Received()
    with Peer(limited(received, verb, reply, after=10, features=features)) as peer:
        came = send(peer, 35)
        assert peer.connections == 4
    assert came.brief() == ["Sent"] * 35
    assert of_mails(received) == people(35)
    (learned,) = came.learned
    assert (learned.kind, learned.value, learned.reply) == (LearnedKind.SESSION_LIMIT, 10, reply)


@both
@pytest.mark.parametrize("verb", ["MAIL", "DATA"])
def test_the_same_reply_to_the_first_mail_of_a_connection_is_judged_as_it_stands(
    features: tuple[str, ...], verb: str
) -> None:
    with Peer(honest(Received(), features=features, answers={verb: "451 4.3.0 later"})) as peer:
        came = send(peer, 2)
        assert peer.connections == 1
    assert came.brief()[0].startswith("Deferred ")
    assert came.learned == ()


@both
def test_what_a_fresh_connection_refuses_too_was_no_limit_of_the_session(features: tuple[str, ...]) -> None:
    """As greylisting at DATA: it is charged, and nothing is learned of it."""
    later = "451 4.7.1 Greylisted, come back"
    answers = {"DATA": ("", later, later, "")}
    with Peer(honest(Received(), features=features, answers=answers)) as peer:
        came = send(peer, 4)
        assert peer.connections == 2
    assert came.brief() == ["Sent", "Deferred greylisted message", "Sent", "Sent"]
    assert came.learned == ()


@both
def test_a_limit_of_the_session_where_nobody_can_connect_again_is_a_server_that_is_down(
    features: tuple[str, ...],
) -> None:
    answers = {"BANNER": ("", "554 no"), "MAIL": ("", "452 4.4.5 too many per session")}
    with Peer(honest(Received(), features=features, answers=answers)) as peer:
        came = send(peer, 3)
    assert came.brief() == ["Sent", "Deferred greeting_refused server"]
    assert came.learned == ()


# --- one recipient for whom the server breaks off


def breaking(received: Received, address: str, how: str, *, features: tuple[str, ...]) -> Script:
    """Hangs up at the RCPT of `address`, each time, with or without words."""

    def script(talk: Talk) -> None:
        def answer(line: str) -> str:
            if address not in line:
                return ""
            if how in {"drop", "hang"}:
                return how
            talk.say(how)
            return "drop"

        honest(received, features=features, answers={"RCPT": answer})(talk)

    return script


BREAKS = [
    ("421 4.2.0 not for this one", "Deferred service_unavailable recipient"),
    ("421 lost synchronization", "Deferred service_unavailable recipient"),
    ("drop", "Deferred disconnected recipient"),
    ("hang", "Deferred timeout recipient"),
    ("550 5.7.1 Administrative prohibition", "Rejected policy recipient"),
    ("550 5.1.1 no such user", "Rejected address_unknown recipient"),
]


@both
@pytest.mark.parametrize(("how", "wanted"), BREAKS)
@pytest.mark.parametrize("number", [0, 5, 9])
def test_a_server_that_breaks_off_for_one_recipient_takes_the_others(
    features: tuple[str, ...], how: str, wanted: str, number: int
) -> None:
    received = Received()
    with Peer(breaking(received, person(number).address, how, features=features)) as peer:
        came = send(peer, 10, timeout=TIMEOUT)
    assert came.learned == ()
    if number == 0 and "Rejected" not in wanted:  # nothing shows yet that the server takes anybody
        assert came.brief() == [wanted.replace("recipient", "server")]
        return
    assert came.brief() == ["Sent"] * number + [wanted] + ["Sent"] * (9 - number)
    assert of_mails(received) == [address for address in people(10) if address != person(number).address]


@both
@pytest.mark.parametrize(("how", "wanted"), BREAKS)
@pytest.mark.parametrize("number", [0, 5, 9])
def test_a_server_that_breaks_off_for_one_of_many_charges_that_one(
    features: tuple[str, ...], how: str, wanted: str, number: int
) -> None:
    received = Received()
    with Peer(breaking(received, person(number).address, how, features=features)) as peer:
        chosen = channel(peer, timeout=TIMEOUT)
        came = come(chosen, [wire(chosen, 0, to=tuple(person(each) for each in range(10)))])
    found = came.brief()
    if number == 0 and "Rejected" not in wanted:
        assert (
            found
            == [wanted.replace("recipient", "server")]
            + [wanted.replace("recipient", "server").replace("Deferred", "Deferred*")] * 9
        )
        return
    assert found[number] == wanted
    assert [each for each in found if "*" not in each and each != "Sent"] == [wanted]
    assert found[:number] == ["Sent"] * number
    assert of_mails(received) == [address for address, each in zip(people(10), found, strict=True) if each == "Sent"]
    assert "RCPT TO:<user" in came.results[0].dialogue or how in {"drop", "hang"}


@both
def test_a_server_that_breaks_off_for_everybody_is_down(features: tuple[str, ...]) -> None:
    with Peer(honest(Received(), features=features, answers={"RCPT": ("", "421 4.3.2 going down")})) as peer:
        came = send(peer, 10)
    assert came.brief() == [
        "Sent",
        "Deferred service_unavailable recipient",
        "Deferred service_unavailable server",
    ]


# --- pipelining that is offered and not done


def with_groups_refused(received: Received, reply: str) -> Script:
    """Tells a group from single commands by how it came in."""

    def script(talk: Talk) -> None:
        grouped = {"MAIL": lambda _: reply if talk._buffer else ""}
        honest(received, features=PIPELINED, answers=grouped)(talk)

    return script


def assert_one_by_one(came: Came, received: Received, *, count: int) -> None:
    assert came.brief() == ["Sent"] * count
    assert of_mails(received) == people(count)
    (learned,) = came.learned
    assert learned.kind is LearnedKind.NO_PIPELINING
    assert learned.reply


@pytest.mark.parametrize("kind", [LastOnly, FirstOnly])
def test_a_server_that_reads_one_command_of_a_group_gets_them_one_by_one(kind: type[Talk]) -> None:
    received = Received()
    with Peer(heard_as(kind, received)) as peer:
        came = send(peer, 5, timeout=TIMEOUT)
        assert peer.connections == 2
    assert_one_by_one(came, received, count=5)


@pytest.mark.parametrize(
    "reply",
    [
        "503 5.5.1 Error: need MAIL command",
        "503 Improper use of SMTP command pipelining",
        "554 SMTP synchronization error",
        "421 4.7.0 Improper command pipelining",
        "drop",
        "hang",
        "354 go on",
    ],
)
def test_a_server_that_refuses_groups_gets_commands_one_by_one(reply: str) -> None:
    received = Received()
    with Peer(with_groups_refused(received, reply)) as peer:
        came = send(peer, 3, timeout=TIMEOUT)
        assert peer.connections == 2
    assert_one_by_one(came, received, count=3)


def test_a_mail_whose_end_is_not_seen_for_what_follows_is_unknown_and_the_others_wait() -> None:
    received = Received()
    with Peer(heard_as(EndOnly, received)) as peer:
        came = send(peer, 3, timeout=TIMEOUT)
        again = send(peer, 3, pipelining=Pipelining.OFF)
    assert came.brief() == ["Sent", "Unknown"]
    assert [learned.kind for learned in came.learned] == [LearnedKind.NO_PIPELINING]
    assert again.brief() == ["Sent"] * 3
    assert again.learned == ()


def test_a_server_that_is_late_from_the_first_mail_on_teaches_nothing() -> None:
    with Peer(honest(Received(), features=PIPELINED, answers={"END": "hang"})) as peer:
        came = send(peer, 3, timeout=TIMEOUT)
    assert came.brief() == ["Unknown"]
    assert came.learned == ()


def test_silence_of_a_server_that_kept_step_teaches_nothing() -> None:
    with Peer(honest(Received(), features=PIPELINED, answers={"MAIL": ("", "", "", "hang")})) as peer:
        came = send(peer, 5, timeout=TIMEOUT)
        assert peer.connections == 1
    assert came.brief() == ["Sent", "Sent", "Sent", "Deferred timeout server"]
    assert came.learned == ()


def test_a_server_that_is_silent_either_way_is_not_said_to_lack_pipelining() -> None:
    with Peer(honest(Received(), features=PIPELINED, answers={"MAIL": "hang"})) as peer:
        came = send(peer, 3, timeout=TIMEOUT)
        assert peer.connections == 2
    assert came.brief() == ["Deferred timeout server"]
    assert came.learned == ()


def test_a_refusal_of_one_recipient_that_ends_the_group_teaches_nothing() -> None:
    received = Received()
    with Peer(breaking(received, person(0).address, "550 5.7.1 no", features=PIPELINED)) as peer:
        came = send(peer, 3)
        assert peer.connections == 2
    assert came.brief() == ["Rejected policy recipient", "Sent", "Sent"]
    assert came.learned == ()


def test_words_of_an_address_are_no_sign_of_broken_groups() -> None:
    answers = {"RCPT": lambda line: "550 5.1.1 <pipelining=per.session@example.org> unknown" * ("user1@" in line)}
    with Peer(honest(Received(), features=PIPELINED, answers=answers)) as peer:
        came = send(peer, 3)
    assert came.brief() == ["Sent", "Rejected address_unknown recipient", "Sent"]
    assert came.learned == ()


def test_pipelining_switched_off_is_not_used() -> None:
    received = Received()
    with Peer(heard_as(LastOnly, received)) as peer:
        came = send(peer, 3, timeout=TIMEOUT, pipelining=Pipelining.OFF)
        assert peer.connections == 1
    assert came.brief() == ["Sent"] * 3
    assert came.learned == ()


@pytest.mark.parametrize("kind", [LastOnly, FirstOnly])
def test_broken_groups_and_a_limit_of_the_session_are_both_learned(kind: type[Talk]) -> None:
    received = Received()

    def script(talk: Talk) -> None:
        mine = Received()
        full = {"DATA": lambda _: "452 4.4.5 per session" if len(mine.mails) >= 4 else ""}
        try:
            honest(mine, features=PIPELINED, answers=full)(kind(talk.connection))
        finally:
            received.mails += mine.mails

    with Peer(script) as peer:
        came = send(peer, 10, timeout=TIMEOUT)
        assert peer.connections == 4
    assert came.brief() == ["Sent"] * 10
    assert of_mails(received) == people(10)
    assert {learned.kind: learned.value for learned in came.learned} == {
        LearnedKind.NO_PIPELINING: 0,
        LearnedKind.SESSION_LIMIT: 4,
    }
