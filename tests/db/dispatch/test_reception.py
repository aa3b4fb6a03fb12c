"""Events that several threads bring at once are taken in together, and each has its own answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, OperationalError, connection

from dispatch import ingest, intake, reception
from dispatch.ingest import Accepted, ConflictError, EventIn, Posted
from dispatch.models import Event
from dispatch.subjects import RefusedError, SubjectIn
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


def bring(*items, origins=None):
    """Hand each in by its own thread while the counter is taken; the answers, or what was raised, in their order."""

    def hand_in(item, origin):
        try:
            return reception.take_in(item, origin=origin, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(items)) as pool:
        with reception._counter:
            handed_in = [
                pool.submit(hand_in, *each) for each in zip(items, origins or ["test"] * len(items), strict=True)
            ]
            until = time.monotonic() + 20
            while len(reception._brought) < len(items):
                assert time.monotonic() < until
                threading.Event().wait(0.001)
        return [each.exception(timeout=30) or each.result() for each in handed_in]


def test_those_that_wait_are_taken_in_together(small_world, taken):
    answers = bring(posted("a"), posted("b"), posted("c"))
    assert taken == [["a", "b", "c"]]
    assert [Event.objects.get(pk=answer.id).source for answer in answers] == ["a", "b", "c"]
    assert [answer.deliveries for answer in answers] == [1, 1, 1]


def test_each_has_its_own_answer(small_world, taken):
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


def test_what_different_callers_bring_is_kept_apart(small_world, taken):
    answers = bring(posted("a"), posted("b"), posted("c"), origins=["key:1", "key:2", "key:1"])
    assert sorted(taken) == [["a", "c"], ["b"]]
    assert [Event.objects.get(pk=answer.id).origin for answer in answers] == ["key:1", "key:2", "key:1"]


def test_what_changes_a_device_is_taken_in_alone(small_world, taken):
    new = SubjectIn("serial", "S2", {"model": "M"})
    bring(posted("a"), posted("saving", device=new, keep=True), posted("b"))
    assert sorted(taken) == [["a", "b"], ["saving"]]
    assert Event.objects.count() == 3


def test_one_that_can_not_be_stored_takes_no_other_with_it(small_world, taken, monkeypatch):
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


def test_where_the_database_went_away_nothing_is_taken_in_a_second_time(small_world, taken, monkeypatch):
    def store(*_, **__):
        raise OperationalError("gone at the commit")

    monkeypatch.setattr(intake, "store", store)
    answers = bring(posted("a"), posted("b"))
    assert [type(answer) for answer in answers] == [OperationalError, OperationalError]
    assert taken == [["a", "b"]]


def test_nothing_is_left_waiting(small_world, taken, monkeypatch):
    monkeypatch.setattr(intake, "store", lambda *_, **__: 1 / 0)
    bring(posted("a"), posted("b"))
    assert reception._brought == []
