"""Which refusals are alike, and whose trouble they are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.rules import alike
from dispatch.rules.alike import Blame, Refused
from transports.types import AddressKind, Reason, ReasonCode, Recipient, Scope

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANNA = Recipient(AddressKind.MAIL, "anna.maier@example.org", "Anna Maier")
BOB = Recipient(AddressKind.MAIL, "bob@mail.example.com", "Bob O'Hara")


def reason(detail, *, reply="554", enhanced="", scope=Scope.MESSAGE):
    return Reason(ReasonCode.PERMANENT, scope, detail, reply=reply, enhanced=enhanced)


def refused(number, *, at=NOW, broadcast=None, version=None):
    to = alike.digest(f"user{number}@example.com")
    return Refused(to=to, at=at.isoformat(), broadcast=broadcast, version=version)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Message for <anna.maier@example.org> rejected", "Message for <bob@mail.example.com> rejected"),
        ("Dear Anna Maier, no mail today", "Dear Bob O'Hara, no mail today"),
        ("4bXyZ1kLmN0 rejected by rule 17", "9cQqAb22zz1 rejected by rule 18"),
        ("1tABcd-0003Xy-2B: no", "1tQRst-0004Zz-9Q: no"),
        ("Rejected, see https://mx.example/why?id=77", "Rejected, see https://mx.example/why?id=78"),
        ("qKpLmNoP refused, 203.0.113.5 is listed", "xYzAbCdE refused, 203.0.113.6 is listed"),
        ("rejected (queue ABCDEFGHIJKL)", "rejected (queue QRSTUVWXYZAB)"),
        ("REJECTED: policy", "Rejected: Policy."),
    ],
)
def test_refusals_are_alike_whatever_addresses_names_numbers_and_ids_are_in_them(first, second):
    assert alike.words_of(reason(first), to=ANNA) == alike.words_of(reason(second), to=BOB)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (reason("spam"), reason("virus")),
        (reason("no", reply="554"), reason("no", reply="550")),
        (reason("no", enhanced="5.7.1"), reason("no", enhanced="5.6.0")),
    ],
)
def test_other_words_or_codes_are_another_refusal(one, other):
    assert alike.words_of(one, to=ANNA) != alike.words_of(other, to=ANNA)


@given(st.text(max_size=300))
def test_any_words_can_be_compared(text):
    assert alike.words_of(reason(text), to=ANNA) == alike.words_of(reason(text), to=ANNA)


@pytest.mark.parametrize(
    ("given_reason", "counts"),
    [
        (reason("5.7.1 rejected", enhanced="5.7.1"), True),
        (reason("no"), True),
        (reason("5.1.1 no such user", enhanced="5.1.1"), False),
        (reason("4.2.2 over quota", enhanced="4.2.2"), False),
        (reason("mailbox full"), False),
        (reason("no", scope=Scope.RECIPIENT), False),
        (reason("no", scope=Scope.SERVER), False),
        (reason("12 octets, the server takes 10", reply=""), False),
    ],
)
def test_only_what_the_peer_says_of_the_message_counts_not_of_an_address_or_mailbox(given_reason, counts):
    assert alike.is_counted(given_reason) is counts


def count(*several, lasting=False):
    found = {}
    for each in several:
        found = alike.counted(found, "554 no", each, now=datetime.fromisoformat(each["at"]), lasting=lasting)
    return found["554 no"]


def test_three_addresses_within_an_hour_are_enough():
    assert not count(refused(1), refused(2))["full"]
    assert count(refused(1), refused(2), refused(3))["full"]
    assert not count(refused(1), refused(2), refused(2), refused(1))["full"]


def test_what_is_older_than_an_hour_does_not_count():
    several = [refused(number, at=NOW + number * timedelta(minutes=31)) for number in range(9)]
    assert not count(*several)["full"]
    closer = [refused(number, at=NOW + number * timedelta(minutes=29)) for number in range(3)]
    assert count(*closer)["full"]


def test_enough_stays_enough_for_an_hour_and_as_long_as_the_trouble_lasts():
    three = [refused(number) for number in range(3)]
    soon, late = refused(4, at=NOW + timedelta(minutes=59)), refused(4, at=NOW + timedelta(hours=5))
    assert count(*three, soon)["full"]
    assert not count(*three, late)["full"]
    assert count(*three, late, lasting=True)["full"]


def test_few_kinds_are_remembered_the_newest():
    found = {}
    for number in range(20):
        at = NOW + timedelta(minutes=number)
        found = alike.counted(found, f"words {number}", refused(1, at=at), now=at, lasting=False)
    assert set(found) == {f"words {number}" for number in range(20 - alike.MOST_KINDS, 20)}


def test_what_an_accepted_message_followed_is_over():
    found = {"old": {"by": [], "at": NOW.isoformat(), "full": True}}
    assert alike.since(found, None) == found
    assert alike.since(found, NOW - timedelta(seconds=1)) == found
    assert alike.since(found, NOW + timedelta(seconds=1)) == {}
    assert alike.since(None, NOW) == {}


@pytest.mark.parametrize(
    ("subjects", "blamed"),
    [
        ([(None, None)] * 3, Blame.SERVER),
        ([("b1", 1)] * 3, Blame.BROADCAST),
        ([("b1", 1), ("b2", 1), (None, 1)], Blame.VERSION),
        ([("b1", 1), ("b2", 2), (None, 1)], Blame.SERVER),
        ([("b1", 1), ("b1", 2)], Blame.BROADCAST),
        ([(None, 1), (None, None)], Blame.SERVER),
    ],
)
def test_all_of_one_broadcast_or_text_are_its_own_trouble(subjects, blamed):
    by = [refused(number, broadcast=one, version=two) for number, (one, two) in enumerate(subjects)]
    assert alike.blame(by) is blamed
