"""Counts by the hour, and what the dashboard reads."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.scope import EVERYBODY
from dispatch.dashboard import counting
from dispatch.dashboard import figures as queries
from dispatch.models import Delivery, Event, HourFigures
from dispatch.rules.states import DeliveryState
from foundation.sql.ids import first_id
from tests.db.world import NOW, carrier_gateway, smtp_server

pytestmark = pytest.mark.django_db
S = DeliveryState
HOUR = timedelta(hours=1)


def deliveries(*states, at=NOW, took=timedelta(seconds=2), server=None):
    """One delivery a state, accepted at `at`, with the id it would have got then."""
    event = Event.objects.create(type="x", origin="test", occurred_at=at, received_at=at)
    return Delivery.objects.bulk_create(
        Delivery(
            id=UUID(int=first_id(at).int | (uuid4().int & ((1 << 74) - 1))),
            event=event,
            channel="smtp",
            server_kind="smtp",
            server=server,
            address_kind="mail",
            address="anna@example.com",
            state=state,
            created_at=at,
            due_at=at,
            expires_at=at + timedelta(days=3),
            sent_at=at + took if state in {S.SENT, S.DELIVERED} else None,
            reason_code="address_unknown" if state == S.FAILED else "",
        )
        for state in states
    )


def full():
    """Some thousand deliveries over two days, most of them sent, and statistics that know it."""
    for hours in range(48):
        deliveries(*[S.SENT] * 96, S.DUE, S.FAILED, at=NOW - hours * HOUR)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def figures():
    return {row.start: row.counts.get("smtp", {}) for row in HourFigures.objects.all() if row.counts}


def test_the_first_id_of_a_moment_is_not_above_the_ids_made_then():
    made = Event.objects.create(type="x", origin="test", occurred_at=NOW, received_at=NOW)
    from_id = made.id.int >> 80
    assert first_id(NOW).int >> 80 == int(NOW.timestamp() * 1000)
    assert from_id > first_id(NOW - timedelta(days=365)).int >> 80


def test_deliveries_are_counted_by_the_hour_of_their_acceptance():
    deliveries(S.SENT, S.SENT, S.FAILED, at=NOW + timedelta(minutes=59))
    deliveries(S.SENT, at=NOW - timedelta(seconds=1))
    counting.count(now=NOW + HOUR)
    assert figures() == {NOW: {"sent": 2, "failed": 1}, NOW - HOUR: {"sent": 1}}


def test_an_sms_through_a_carrier_counts_as_an_sms():
    carried, _mail = deliveries(S.SENT, S.FAILED)
    Delivery.objects.filter(pk=carried.pk).update(channel="sms", via=carrier_gateway())
    counting.count(now=NOW + HOUR)
    assert HourFigures.objects.get(start=NOW).counts == {"sms": {"sent": 1}, "smtp": {"failed": 1}}


def test_the_current_hour_is_counted_again_and_an_old_finished_one_is_not():
    deliveries(S.FAILED, at=NOW - 5 * HOUR)
    counting.count(now=NOW)
    deliveries(S.FAILED, at=NOW - 5 * HOUR)
    deliveries(S.FAILED, at=NOW)
    counting.count(now=NOW + timedelta(minutes=1))
    assert figures() == {NOW: {"failed": 1}, NOW - 5 * HOUR: {"failed": 1}}


def test_an_old_hour_with_messages_still_waiting_is_counted_again():
    (waiting,) = deliveries(S.DUE, at=NOW - 5 * HOUR)
    counting.count(now=NOW)
    Delivery.objects.filter(pk=waiting.pk).update(state=S.CANCELLED)
    counting.count(now=NOW + HOUR)
    assert figures()[NOW - 5 * HOUR] == {"cancelled": 1}


def test_a_slow_count_rests_in_proportion_to_what_it_cost():
    deliveries(S.SENT, at=NOW)
    counting.count(now=NOW)
    HourFigures.objects.update(took_ms=60_000)
    assert counting.count(now=NOW + timedelta(minutes=5)) == 0
    assert counting.count(now=NOW + timedelta(minutes=21)) > 0


def test_the_hours_of_two_weeks_are_made_up_for_in_steps(monkeypatch):
    monkeypatch.setattr(counting, "_MOST_SECONDS", 0.0)
    deliveries(S.SENT, at=NOW - timedelta(days=10))
    assert counting.count(now=NOW) == 1
    while counting.count(now=NOW):
        pass
    assert figures() == {NOW - timedelta(days=10): {"sent": 1}}


def test_figures_of_the_last_day_and_of_two_weeks():
    deliveries(S.SENT, S.SENT, S.DELIVERED, S.FAILED, S.DUE, at=NOW - HOUR)
    deliveries(S.SENT, S.FAILED, at=NOW - timedelta(days=3), took=timedelta(seconds=9))
    while counting.count(now=NOW):
        pass
    hours = queries.hours(scope=EVERYBODY, now=NOW)
    now = queries.now_figures(hours, scope=EVERYBODY, now=NOW)
    assert (now.sent, now.failed, now.queued) == (3, 1, 1)
    assert now.latency.median == timedelta(seconds=2)
    days = queries.days(hours, now=NOW)
    assert len(days) == 14
    assert [(day.sent, day.failed, day.median) for day in days if day.sent] == [
        ({"smtp": 1}, 1, 9.0),
        ({"smtp": 3}, 1, 2.0),
    ]
    assert now.anything_sent


def test_latency_of_nothing_is_nothing():
    assert counting.latency([(NOW, None)]) is None
    found = counting.latency([(NOW, NOW + timedelta(seconds=n)) for n in range(100)])
    assert (found.median, found.slow) == (timedelta(seconds=50), timedelta(seconds=95))


def test_a_message_that_waits_too_long_for_its_server_is_noticed_and_a_broadcast_is_not():
    server = smtp_server()
    old, broadcast = deliveries(S.DUE, S.DUE, at=NOW - HOUR, server=server)
    assert list(queries.waiting_long(now=NOW)) == [(server.name, NOW - HOUR)]
    Delivery.objects.filter(pk=old.pk).update(state=S.CANCELLED)
    Delivery.objects.filter(pk=broadcast.pk).update(priority=9)
    assert not list(queries.waiting_long(now=NOW))
    assert queries.waiting_for(server, scope=EVERYBODY) == 1


def test_counting_an_hour_reads_one_range_of_the_primary_key():
    rows = Delivery.objects.filter(id__gte=first_id(NOW), id__lt=first_id(NOW + HOUR))
    full()
    plan = rows.order_by().explain()
    assert "dispatch_delivery_pkey" in plan or "sqlite_autoindex_dispatch_delivery_1" in plan


def test_queued_and_failed_messages_are_counted_by_their_partial_indexes():
    full()
    with CaptureQueriesContext(connection) as caught:
        queries.now_figures(queries.hours(scope=EVERYBODY, now=NOW), scope=EVERYBODY, now=NOW)
        queries.recent_failures(scope=EVERYBODY)
    selects = [query["sql"] for query in caught if "state = '" in query["sql"]]
    assert len(selects) == 4
    with connection.cursor() as cursor:
        for sql in selects:
            cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{sql}")
            plan = str(cursor.fetchall())
            waiting = "delivery_due" in plan or "delivery_expiry" in plan
            assert waiting if "'due'" in sql else ("delivery_trouble" in plan)
