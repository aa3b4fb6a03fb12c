"""Events that several threads post at the same moment are taken in together, and each has its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import DataError, OperationalError, connection

from dispatch.intake import accept as ingest
from dispatch.intake import reception
from dispatch.intake.accept import Accepted, ConflictError, EventIn, Posted
from dispatch.intake.subjects import RefusedError, SubjectIn
from dispatch.models import Event
from dispatch.outbox import store as intake
from foundation.sql import trouble
from tests import waiting
from tests.db import world
from tests.db.world import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def small_world():
    world.smtp_server()
    world.template()
    world.device(owner=world.person())


@pytest.fixture
def taken(monkeypatch):
    """The sources of the events that were taken in together, one list a time."""
    found = []

    def accept_all(posted, **named):
        found.append(sorted(item.event.source for item in posted))
        return accept(posted, **named)

    accept = ingest.accept_all
    monkeypatch.setattr(ingest, "accept_all", accept_all)
    return found


def posted(source, *, key="", body="", **fields):
    fields = {"device": SubjectIn("serial", "S1"), **fields}
    return Posted(EventIn(occurred_at=NOW, type="device.jailbroken", source=source, **fields), key, body)


@pytest.fixture
def busy():
    """The lock of the counter at which the tests hand in."""
    return reception._counters.setdefault("test", reception._Counter()).busy


def in_line():
    return len(reception._counters["test"].waiting)


def hand_in(item):
    try:
        return reception.take_in(item, origin="test", now=NOW)
    finally:
        connection.close()


def outcome(future):
    return future.exception(timeout=waiting.PATIENCE) or future.result()


@pytest.fixture
def bring(busy, monkeypatch):
    """Hand each in by its own thread, in this order, while the counter is busy; the answers, or what was raised."""
    monkeypatch.setattr(reception, "PATIENCE", 60)

    def of(*items):
        with ThreadPoolExecutor(len(items)) as pool:
            with busy:
                handed_in = []
                for number, item in enumerate(items, start=1):
                    handed_in.append(pool.submit(hand_in, item))
                    waiting.until(lambda number=number: in_line() == number)
            return [outcome(each) for each in handed_in]

    return of


def test_those_that_wait_are_taken_in_together(small_world, taken, bring):
    answers = bring(posted("a"), posted("b"), posted("c"))
    assert taken == [["a", "b", "c"]]
    assert [Event.objects.get(pk=answer.id).source for answer in answers] == ["a", "b", "c"]
    assert [answer.deliveries for answer in answers] == [1, 1, 1]


def test_each_has_its_own_answer(small_world, taken, bring):
    good, refused, first, again, other = bring(
        posted("good"),
        posted("refused", device=SubjectIn("serial", "nobody's")),
        posted("first", key="k", body="1"),
        posted("first", key="k", body="1"),
        posted("other", key="k", body="2"),
    )
    assert len(taken) == 1
    assert isinstance(good, Accepted)
    assert isinstance(refused, RefusedError)
    assert refused.field == "device.serial"
    assert first.id == again.id
    assert [first.replayed, again.replayed].count(True) == 1
    assert isinstance(other, ConflictError)
    assert Event.objects.count() == 2


def test_what_another_caller_posts_does_not_wait_for_it(small_world, taken, busy):
    with busy:
        answer = reception.take_in(posted("a"), origin="key:2", now=NOW)
    assert Event.objects.get(pk=answer.id).origin == "key:2"


def test_what_changes_a_device_goes_past_the_counter_alone(small_world, taken, busy):
    new = SubjectIn("serial", "S2", {"model": "M"})
    with busy:
        hand_in(posted("saving", device=new, keep=True))
    assert taken == [["saving"]]


def test_nobody_waits_long_for_others_that_are_held_up(small_world, taken, busy, monkeypatch):
    monkeypatch.setattr(reception, "PATIENCE", 0.05)
    with busy:
        answer = hand_in(posted("a"))
        assert in_line() == 0
    assert Event.objects.get(pk=answer.id).source == "a"


def test_those_that_are_being_taken_in_wait_for_their_answer(small_world, taken, monkeypatch):
    monkeypatch.setattr(reception, "PATIENCE", 0.05)
    go_on = threading.Event()

    def store(*args, **named):
        assert go_on.wait(timeout=waiting.PATIENCE)
        return stored(*args, **named)

    stored = intake.store
    monkeypatch.setattr(intake, "store", store)
    with ThreadPoolExecutor(2) as pool:
        counter = reception._counters.setdefault("test", reception._Counter())
        with counter.busy:
            counter.waiting.append(behind := reception._Waiting(posted("behind"), now=NOW))
            first = pool.submit(hand_in, posted("first"))
            waiting.until(lambda: in_line() == 2)
        waiting.until(lambda: taken)
        assert in_line() == 0
        go_on.set()
        assert isinstance(outcome(first), Accepted)
    assert isinstance(behind.answer, Accepted)
    assert taken == [["behind", "first"]]


def test_one_that_can_not_be_stored_takes_no_other_with_it(small_world, taken, bring, monkeypatch):
    def store(events, **named):
        if any(event.source == "bad" for event in events):
            raise DataError
        return stored(events, **named)

    stored = intake.store
    monkeypatch.setattr(intake, "store", store)
    first, bad, last = bring(posted("first"), posted("bad"), posted("last"))
    assert isinstance(first, Accepted)
    assert isinstance(bad, DataError)
    assert isinstance(last, Accepted)
    assert sorted(taken) == [["bad"], ["bad", "first", "last"], ["first"], ["last"]]
    assert sorted(Event.objects.values_list("source", flat=True)) == ["first", "last"]


def test_where_the_database_is_lost_nothing_is_taken_in_a_second_time(small_world, taken, bring, monkeypatch):
    def store(*_, **__):
        raise OperationalError("gone at the commit")

    monkeypatch.setattr(intake, "store", store)
    monkeypatch.setattr(trouble, "connection", SimpleNamespace(is_usable=lambda: False, vendor="postgresql"))
    answers = bring(posted("a"), posted("b"))
    assert [type(answer) for answer in answers] == [OperationalError, OperationalError]
    assert taken == [["a", "b"]]


def test_where_the_database_is_there_a_refusal_of_one_takes_no_other_with_it(small_world, taken, bring, monkeypatch):
    def store(events, **named):
        if any(event.source == "blocked" for event in events):
            raise OperationalError("canceling statement due to lock timeout")
        return stored(events, **named)

    stored = intake.store
    monkeypatch.setattr(intake, "store", store)
    good, blocked = bring(posted("good"), posted("blocked"))
    assert isinstance(good, Accepted)
    assert isinstance(blocked, OperationalError)


def test_what_fails_after_it_is_stored_is_not_stored_again(small_world, taken, bring, monkeypatch):
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", lambda _: 1 / 0)
    answers = bring(posted("a"), posted("b"))
    assert sorted(Event.objects.values_list("pk", flat=True)) == sorted(answer.id for answer in answers)


def test_nothing_is_left_waiting(small_world, taken, bring, monkeypatch):
    monkeypatch.setattr(intake, "store", lambda *_, **__: 1 / 0)
    bring(posted("a"), posted("b"))
    assert in_line() == 0
