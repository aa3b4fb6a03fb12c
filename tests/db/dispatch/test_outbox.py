"""The one writer of deliveries: what each of its writes may change, and what not."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from dispatch.models import Attempt, Delivery, Priority
from dispatch.outbox import deliveries
from dispatch.rules.settlement import AttemptRecord, Settlement
from foundation.sql import dialect, statements
from foundation.sql.statements import Statement
from servers.values import ServerKind
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW
from transports.types import Reason, ReasonCode, Scope

pytestmark = pytest.mark.django_db

SERVER = 1
SECOND = timedelta(seconds=1)


def sent(claim):
    return Settlement(
        id=claim.id,
        state="sent",
        tries=claim.tries + 1,
        attempt_count=claim.attempt_count + 1,
        sent_at=NOW,
        attempt=AttemptRecord(started_at=NOW, duration_ms=3, outcome="sent"),
    )


def settle(claims, *, lease, **fields):
    return deliveries.settle(
        [sent(claim) for claim in claims], lease=lease, server_id=SERVER, server_name="Mail", **fields
    )


def ids(claims):
    return [claim.id for claim in claims]


def explained(monkeypatch):
    """The list to which the plan of each statement over rows of deliveries is added from now on, before it is run."""
    plans, rows, in_one_round_trip = [], statements.run, statements.in_one_round_trip
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"

    def look_at(batch):
        for each in batch:
            if "dispatch_delivery" in each.text:
                plan = in_one_round_trip(
                    [*dialect.without(*dialect.SORTING), Statement(f"{explain} {each.text}", each.values)]
                )
                plans.append("\n".join(str(row[-1]) for row in plan[-1]))

    def explained_rows(statement, values):
        look_at([Statement(statement, values)])
        return rows(statement, values)

    def explained_in_one_round_trip(batch):
        look_at(batch)
        return in_one_round_trip(batch)

    monkeypatch.setattr(statements, "run", explained_rows)
    monkeypatch.setattr(statements, "in_one_round_trip", explained_in_one_round_trip)
    return plans


def plan_of_a_claim(monkeypatch):
    plans = explained(monkeypatch)
    assert flow.claim(SERVER, most=50)
    (plan,) = plans
    return plan


class TestClaim:
    def test_takes_what_is_due_for_its_server_and_nothing_else(self):
        mine = flow.deliveries(2, server_id=SERVER)
        flow.deliveries(1, server_id=2)
        flow.deliveries(1, server_id=None)
        flow.deliveries(1, server_id=SERVER, expires_at=NOW)
        flow.deliveries(1, server_id=SERVER, now=NOW + SECOND)
        flow.deliveries(1, server_id=SERVER, skip=Reason(ReasonCode.NO_SIM, Scope.RECIPIENT))
        assert ids(flow.claim(SERVER)) == mine
        assert flow.claim(SERVER) == []

    def test_charges_nothing(self):
        flow.deliveries(1, server_id=SERVER)
        (claim,) = flow.claim(SERVER)
        assert (claim.tries, claim.attempt_count, claim.lapsed) == (0, 0, False)
        assert Delivery.objects.values_list("tries", "attempt_count", "begun_at").get() == (0, 0, None)

    def test_takes_the_most_urgent_first_and_no_more_than_asked(self):
        late = flow.deliveries(3, server_id=SERVER, priority=Priority.BROADCAST)
        event = flow.deliveries(3, server_id=SERVER, priority=Priority.EVENT)
        pin = flow.deliveries(1, server_id=SERVER, priority=Priority.SYSTEM)
        assert [ids(flow.claim(SERVER, most=2)) for _ in range(6)] == [
            pin,
            event[:2],
            event[2:],
            late[:2],
            late[2:],
            [],
        ]

    def test_takes_the_oldest_due_first(self):
        newer = flow.deliveries(1, server_id=SERVER, now=NOW)
        older = flow.deliveries(1, server_id=SERVER, now=NOW - SECOND)
        assert [ids(flow.claim(SERVER, most=1)) for _ in range(2)] == [older, newer]

    def test_takes_a_delivery_whose_lease_once_lapsed_alone(self):
        rows = flow.deliveries(5, server_id=SERVER)
        Delivery.objects.filter(id=rows[2]).update(lapsed=True)
        assert [ids(flow.claim(SERVER)) for _ in range(4)] == [rows[:2], [rows[2]], rows[3:], []]

    def test_takes_two_that_lapsed_one_after_the_other(self):
        rows = flow.deliveries(2, server_id=SERVER)
        Delivery.objects.update(lapsed=True)
        assert [ids(flow.claim(SERVER)) for _ in range(2)] == [rows[:1], rows[1:]]

    def test_finds_them_by_the_partial_index_among_many_finished_ones(self, monkeypatch):
        rows = flow.deliveries(4000, server_id=SERVER)
        Delivery.objects.filter(id__in=rows[:3000]).update(state="sent", sent_at=NOW)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")  # so few rows it would read whole
        plan = plan_of_a_claim(monkeypatch)
        assert plan.count("delivery_due") == 2, plan
        assert "Seq Scan on dispatch_delivery" not in plan, plan
        assert "SCAN dispatch_delivery" not in plan, plan

    def test_finds_them_by_the_partial_index_where_statistics_know_of_none(self, monkeypatch):
        flow.deliveries(1000, server_id=SERVER)
        Delivery.objects.update(state="sent", sent_at=NOW)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        flow.deliveries(4000, server_id=SERVER)
        plan = plan_of_a_claim(monkeypatch)
        assert plan.count("delivery_due") == 2, plan
        assert "delivery_expiry" not in plan, plan


class TestBegin:
    def test_counts_one_try(self):
        flow.deliveries(1, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        assert flow.begin(claims, lease=lease) == {claims[0].id}
        assert Delivery.objects.values_list("tries", "attempt_count", "begun_at").get() == (1, 1, NOW)

    def test_under_a_lapsed_lease_changes_nothing(self):
        flow.deliveries(2, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        assert flow.begin(claims, lease=lease, now=NOW + flow.LEASE) == set()
        assert set(Delivery.objects.values_list("tries", "begun_at")) == {(0, None)}

    def test_counts_a_try_once(self):
        flow.deliveries(1, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        flow.begin(claims, lease=lease)
        assert flow.begin(claims, lease=lease) == set()
        assert Delivery.objects.get().tries == 1

    def test_needs_more_than_one_timeout_of_the_lease(self):
        flow.deliveries(1, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        late = NOW + flow.LEASE - timedelta(seconds=30)
        assert flow.begin(claims, lease=lease, now=late) == set()
        assert flow.begin(claims, lease=lease, now=late - SECOND) == set(ids(claims))

    def test_under_another_lease_changes_nothing(self):
        flow.deliveries(1, server_id=SERVER)
        assert flow.begin(flow.claim(SERVER), lease=uuid4()) == set()
        assert Delivery.objects.get().tries == 0


class TestSettle:
    def test_writes_the_state_and_one_attempt_each(self):
        flow.deliveries(2, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        flow.begin(claims, lease=lease)
        assert settle(claims, lease=lease) == 2
        assert flow.states() == {"sent": 2}
        assert set(Delivery.objects.values_list("lease", "lease_until", "begun_at", "tries")) == {(None, None, None, 1)}
        assert set(Attempt.objects.values_list("number", "outcome", "server_id", "server_name", "duration_ms")) == {
            (1, "sent", SERVER, "Mail", 3)
        }

    def test_under_a_lapsed_lease_that_was_taken_back_changes_nothing(self):
        flow.deliveries(1, server_id=SERVER)
        lost, lease = uuid4(), uuid4()
        claims = flow.claim(SERVER, lease=lost)
        deliveries.give_back(ids(claims), lease=lost, lapsed=True)
        flow.claim(SERVER, lease=lease, now=NOW + flow.LEASE)
        before = Delivery.objects.values().get()
        assert settle(claims, lease=lost) == 0
        assert deliveries.renew(ids(claims), lease=lost, lease_until=NOW + timedelta(days=1)) == 0
        assert flow.begin(claims, lease=lost) == set()
        assert deliveries.give_back(ids(claims), lease=lost) == 0
        assert Delivery.objects.values().get() == before
        assert not Attempt.objects.exists()

    def test_leaves_the_rest_to_be_renewed(self):
        flow.deliveries(3, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        flow.begin(claims, lease=lease)
        until = NOW + timedelta(hours=1)
        settle(claims[:1], lease=lease)
        assert deliveries.renew(ids(claims), lease=lease, lease_until=until) == 2
        assert set(Delivery.objects.values_list("state", "lease_until")) == {("sent", None), ("claimed", until)}

    def test_writes_some_of_a_group_when_the_others_are_lost(self):
        flow.deliveries(2, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        deliveries.give_back([claims[0].id], lease=lease)
        assert settle(claims, lease=lease) == 1
        assert Attempt.objects.get().delivery_id == claims[1].id


class TestPlans:
    def test_what_is_begun_and_settled_is_found_without_reading_all_of_it_for_each_row(self, monkeypatch):
        flow.deliveries(3000, server_id=SERVER)
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        plans = explained(monkeypatch)
        assert len(flow.begin(claims, lease=lease)) == len(claims)
        assert settle(claims, lease=lease) == len(claims)
        for plan in plans:
            if connection.vendor == "postgresql":
                assert "Seq Scan on dispatch_delivery" not in plan, plan
            else:
                assert plan.startswith("SCAN json_each"), plan
                assert plan.count("SEARCH d USING INDEX sqlite_autoindex_dispatch_delivery_1 (id=?)") == 1, plan


class TestGiveBack:
    def test_leaves_no_trace(self):
        flow.deliveries(2, server_id=SERVER)
        before = list(Delivery.objects.order_by("id").values())
        lease = uuid4()
        claims = flow.claim(SERVER, lease=lease)
        flow.begin(claims[:1], lease=lease)
        assert deliveries.give_back(ids(claims), lease=lease) == 2
        assert list(Delivery.objects.order_by("id").values()) == before


class TestReroute:
    def test_moves_what_is_due_of_one_kind_in_chunks(self):
        flow.deliveries(5, server_id=None, wait_code="no_active_server")
        flow.deliveries(1, server_id=None, server_kind=ServerKind.SMS, wait_code="no_active_server")
        assert deliveries.reroute(ServerKind.SMTP, source=None, target=SERVER, chunk=2) == 5
        assert set(Delivery.objects.filter(server=SERVER).values_list("reason_code", flat=True)) == {""}
        assert Delivery.objects.get(server=None).reason_code == "no_active_server"

    def test_keeps_the_reason_of_an_earlier_try(self):
        flow.deliveries(1, server_id=2)
        Delivery.objects.update(reason_code="greylisted")
        for target in (None, SERVER):
            deliveries.reroute(ServerKind.SMTP, source=Delivery.objects.get().server_id, target=target)
            assert Delivery.objects.values_list("server", "reason_code").get() == (target, "greylisted")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "claimed"},
        {"lease": uuid4()},
        {"lease_until": NOW},
        {"state": "sent"},
        {"state": "failed"},
        {"state": "held"},
        {"event": None},
        {"server_kind": "pigeon"},
        {"priority": 3},
    ],
    ids=str,
)
def test_the_database_refuses_a_row_that_breaks_a_rule(change):
    flow.deliveries(1, server_id=SERVER)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.update(**change)


def test_the_database_refuses_a_second_lane_of_a_slot():
    server = world.smtp_server()
    server.lanes.create(slot=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        server.lanes.create(slot=0)
