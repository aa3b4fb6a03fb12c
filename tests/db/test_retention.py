"""What is too old goes in steps, with all that belongs to it; what is not, stays; and what went says so."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from console.models import Failures
from dispatch.models import Attempt, Broadcast, Delivery, DeliveryText, Event, HourFigures, Receipt
from dispatch.rules.states import DeliveryState
from dispatch.upkeep.retention import EVENTS
from foundation import retention
from foundation.models import AuditEntry, Purge
from foundation.sql.ids import first_id
from servers.models import ServerTest
from tests.db.api.conftest import Api, keys

pytestmark = pytest.mark.django_db
NOW = timezone.now()
S = DeliveryState


def uid(at):
    return UUID(int=first_id(at).int | 7 << 76 | 2 << 62 | (uuid4().int & ((1 << 60) - 1)))


def event(*states, age, shared_text=False):
    """One with a delivery a state, each with a text, a try and a receipt, accepted `age` days ago."""
    at = NOW - timedelta(days=age)
    broadcast = Broadcast.objects.create(created_at=at)
    made = Event.objects.create(
        id=uid(at), type="x", origin="test", occurred_at=at, received_at=at, broadcast=broadcast
    )
    text = DeliveryText.objects.create(id=uuid4(), text="shared") if shared_text else None
    for state in states:
        own = uid(at)
        row = Delivery(
            id=own,
            event=made,
            broadcast=broadcast,
            channel="smtp",
            server_kind="smtp",
            address_kind="mail",
            address="anna@example.com",
            state=state,
            created_at=at,
            due_at=at,
            expires_at=at + timedelta(days=3),
            sent_at=at if state == S.SENT else None,
            reason_code="address_unknown" if state == S.FAILED else "",
            text=text or DeliveryText.objects.create(id=own, text="own"),
        )
        Delivery.objects.bulk_create([row])
        Attempt.objects.create(delivery=row, number=1, started_at=at, duration_ms=1, server_name="m", outcome="sent")
        Receipt.objects.create(delivery=row, part="p", status="delivered", received_at=at)
    return made


def purge(now=NOW):
    while not retention.step(now=now, seconds=60):
        pass


def test_old_events_go_with_all_that_belongs_to_them_and_newer_ones_stay():
    old = [event(S.SENT, S.FAILED, age=401), event(age=500), event(S.SENT, S.SENT, age=402, shared_text=True)]
    young = event(S.SENT, age=399)
    HourFigures.objects.create(start=NOW - timedelta(days=401), counted_at=NOW)
    purge()
    assert list(Event.objects.all()) == [young]
    assert [model.objects.count() for model in (Delivery, DeliveryText, Attempt, Receipt, Broadcast)] == [1] * 5
    assert not HourFigures.objects.exists()
    assert Purge.objects.get(what=EVENTS).removed >= len(old)


@pytest.mark.parametrize("state", [S.DUE, S.PAUSED, S.HELD])
def test_what_something_waits_for_stays(state):
    waiting = event(S.SENT, age=500)
    Delivery.objects.update(state=state, reason_code="no_answer")
    purge()
    assert list(Event.objects.all()) == [waiting]
    assert Delivery.objects.count() == 1


def test_a_text_stays_as_long_as_a_delivery_has_it(monkeypatch):
    event(S.SENT, S.SENT, S.SENT, age=500, shared_text=True)
    monkeypatch.setattr("dispatch.upkeep.retention._DELIVERIES", 1)
    retention.step(now=NOW, seconds=0)
    for left in (2, 1):
        retention._kinds[EVENTS].remove(NOW - timedelta(days=400))
        assert (Delivery.objects.count(), DeliveryText.objects.count()) == (left, 1)
    purge()
    assert not DeliveryText.objects.exists()


def test_a_step_ends_with_its_time_and_the_next_goes_on_until_the_day_is_done():
    event(S.SENT, age=500)
    assert not retention.step(now=NOW, seconds=0)
    assert Event.objects.exists()
    purge()
    assert not Event.objects.exists()
    event(S.SENT, age=500)
    purge(NOW + timedelta(hours=23))
    assert Event.objects.exists()
    purge(NOW + timedelta(hours=25))
    assert not Event.objects.exists()


def test_audit_sessions_failed_log_ins_and_tests_have_their_ends():
    for age in (1094, 1096):
        entry = AuditEntry.objects.create(actor="a", action="add", object_type="x")
        AuditEntry.objects.filter(pk=entry.pk).update(at=NOW - timedelta(days=age))
    for age in (-1, 1):
        Session.objects.create(session_key=str(age), session_data="", expire_date=NOW - timedelta(days=age))
    for age in (89, 91):
        Failures.objects.create(counted=f"account:{age}", last_at=NOW - timedelta(days=age))
    for age in (6, 8):
        at = NOW - timedelta(days=age)
        ServerTest.objects.create(actor="user:1", to="a@example.com", started_at=at, ends_by=at)
    purge()
    kept = [model.objects.count() for model in (AuditEntry, Session, Failures, ServerTest)]
    assert kept == [1, 1, 1, 1]


def test_what_is_gone_says_on_which_day_it_went(admin_client):
    event(S.SENT, age=500)
    delivery, happened = Delivery.objects.get().pk, Event.objects.get().pk
    caller = Api(keys.create("reader", scopes=["read"]))
    missing = admin_client.get(f"/log/{uid(NOW)}/")
    purge()
    page = admin_client.get(f"/log/{delivery}/")
    day = f"{Purge.objects.get(what=EVENTS).ended_at:%Y-%m-%d}"
    assert (missing.status_code, page.status_code) == (404, 404)
    assert "removed by retention" not in missing.content.decode()
    assert f"It was removed by retention on {day}" in page.content.decode()
    for path in (f"/deliveries/{delivery}", f"/events/{happened}"):
        assert f"removed by retention on {day}." in caller.get(path).json()["detail"]
    assert "There is no such event." in caller.get(f"/events/{uid(NOW)}").json()["detail"]


def test_an_id_that_tells_no_time_is_of_no_age():
    purge()
    assert retention.removed_at(EVENTS, UUID(int=2**128 - 1)) is None
