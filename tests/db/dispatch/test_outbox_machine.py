"""The outbox against a model of it: whatever workers, lost workers and sweeps do, the rows say what the model says."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dispatch.models import Attempt, Delivery
from dispatch.outbox import deliveries, store
from dispatch.sending import reaping
from dispatch.sending.settle import judged
from dispatch.upkeep import sweep
from servers.values import Limits
from tests.db.dispatch import flow
from tests.db.world import NOW
from transports.types import Deferred, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

pytestmark = pytest.mark.django_db

SERVER = 1
LIMITS = Limits(timeout=timedelta(seconds=30), max_attempts=3)
OUTCOMES = {
    "sent": Sent(),
    "deferred": Deferred(Reason(ReasonCode.TEMPORARY, Scope.MESSAGE)),
    "rejected": Rejected(Reason(ReasonCode.PERMANENT, Scope.MESSAGE)),
    "unknown": Unknown(Reason(ReasonCode.NO_ANSWER, Scope.MESSAGE)),
}


@dataclass
class Row:
    """What the model knows of one delivery."""

    number: int
    expires_at: object
    due_at: object = NOW
    state: str = "due"
    tries: int = 0
    attempts: list[str] = field(default_factory=list)
    lapsed: bool = False
    lease: UUID | None = None
    until: object = None
    begun: bool = False

    def free(self, state="due"):
        self.state, self.lease, self.until, self.begun = state, None, None, False

    def tried(self, outcome, *, charged=True, limit=LIMITS.max_attempts):
        self.attempts.append(outcome)
        self.tries += charged
        over = outcome == "rejected" or (charged and self.tries >= limit)
        self.free("sent" if outcome == "sent" else "failed" if over else "due")


class OutboxMachine(RuleBasedStateMachine):
    @initialize()
    def begin_world(self):
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.event = flow.event()
        self.now = NOW
        self.rows = {}
        self.workers = {}

    def teardown(self):
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @rule(count=st.integers(1, 4), life=st.integers(1, 600))
    def add(self, count, life):
        expires_at = self.now + timedelta(seconds=life)
        number = len(self.rows)
        planned = [
            flow.planned(number + step, event_id=self.event.pk, server_id=SERVER, expires_at=expires_at)
            for step in range(count)
        ]
        store.add(planned, now=self.now)
        for step, row in enumerate(planned):
            self.rows[row.id] = Row(number + step, expires_at, due_at=self.now)

    @rule(seconds=st.integers(1, 130))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(most=st.integers(1, 5))
    def claim(self, most):
        lease = uuid4()
        until = self.now + LIMITS.lease
        claims = deliveries.claim_due(SERVER, most=most, lease=lease, lease_until=until, now=self.now)
        due = [
            (row.due_at, key)
            for key, row in self.rows.items()
            if row.state == "due" and row.due_at <= self.now < row.expires_at
        ]
        expected = [key for _, key in sorted(due)[:most]]
        lapsed = [position for position, key in enumerate(expected) if self.rows[key].lapsed]
        if lapsed:
            expected = expected[: lapsed[0] or 1]
        assert {claim.id for claim in claims} == set(expected)
        for claim in claims:
            row = self.rows[claim.id]
            assert (claim.tries, claim.attempt_count, claim.lapsed) == (row.tries, len(row.attempts), row.lapsed)
            row.state, row.lease, row.until = "claimed", lease, until
        if claims:
            self.workers[lease] = claims

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def begin(self, data):
        lease, claims = self.worker(data)
        begun = flow.begin(claims, lease=lease, now=self.now, timeout=LIMITS.timeout)
        expected = {
            claim.id
            for claim in claims
            if self.rows[claim.id].lease == lease
            and self.rows[claim.id].until > self.now + LIMITS.timeout
            and not self.rows[claim.id].begun
        }
        assert begun == expected
        for key in begun:
            self.rows[key].begun = True

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), outcome=st.sampled_from(sorted(OUTCOMES)))
    def settle(self, data, outcome):
        lease, claims = self.worker(data)
        chosen = data.draw(st.lists(st.sampled_from(claims), min_size=1, unique_by=lambda claim: claim.id))
        ours = [claim for claim in chosen if self.rows[claim.id].lease == lease]
        settlements = [self.judged(claim, outcome) for claim in chosen]
        changed = deliveries.settle(settlements, lease=lease, server_id=SERVER, server_name="Mail")
        assert changed == len(ours)
        for claim in ours:
            self.rows[claim.id].tried(outcome)
            self.rows[claim.id].lapsed = False
        for settlement in settlements:
            if settlement.due_at and settlement.id in {claim.id for claim in ours}:
                self.rows[settlement.id].due_at = settlement.due_at

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def renew(self, data):
        lease, claims = self.worker(data)
        ours = [claim.id for claim in claims if self.rows[claim.id].lease == lease]
        until = self.now + LIMITS.lease
        assert deliveries.renew([claim.id for claim in claims], lease=lease, lease_until=until) == len(ours)
        for key in ours:
            self.rows[key].until = until

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def give_back(self, data):
        lease, claims = self.worker(data)
        ours = [claim.id for claim in claims if self.rows[claim.id].lease == lease]
        assert deliveries.give_back([claim.id for claim in claims], lease=lease) == len(ours)
        for key in ours:
            self.rows[key].free()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def reap(self, data):
        lease, _ = self.worker(data)
        over = [key for key, row in self.rows.items() if row.state == "claimed" and row.lease == lease]
        assert reaping.reap([lease], now=self.now) == len(over)
        for key in over:
            row = self.rows[key]
            if row.begun or row.lapsed:
                row.tried(
                    "unknown" if row.begun else "deferred", charged=row.lapsed, limit=reaping.NO_SERVER.max_attempts
                )
                row.due_at = Delivery.objects.get(id=key).due_at
                assert row.state == "failed" or row.due_at > self.now
            else:
                row.free()
            row.lapsed = True

    @rule()
    def expire(self):
        over = [key for key, row in self.rows.items() if row.state == "due" and row.expires_at <= self.now]
        assert sweep.expire(now=self.now) == len(over)
        for key in over:
            self.rows[key].free("expired")

    @invariant()
    def the_rows_say_what_the_model_says(self):
        if not hasattr(self, "rows"):
            return
        stored = {
            row[0]: row[1:]
            for row in Delivery.objects.values_list(
                "id", "state", "lapsed", "lease", "due_at", "tries", "attempt_count"
            )
        }
        assert stored == {
            key: (row.state, row.lapsed, row.lease, row.due_at, row.tries + row.begun, self.counted(key))
            for key, row in self.rows.items()
        }
        written = {key: [] for key in self.rows}
        for key, number, outcome in Attempt.objects.order_by("number").values_list("delivery", "number", "outcome"):
            written[key].append(outcome)
            assert number == len(written[key])
        assert written == {key: row.attempts for key, row in self.rows.items()}

    def counted(self, key):
        return len(self.rows[key].attempts) + self.rows[key].begun

    def worker(self, data):
        """A worker, perhaps one whose lease is long over."""
        return data.draw(st.sampled_from(list(self.workers.items())))

    def judged(self, claim, outcome):
        return judged(
            claim,
            OUTCOMES[outcome],
            limits=LIMITS,
            now=self.now,
            started_at=self.now,
            duration=timedelta(),
            jitter=lambda: 0.5,
        )


def test_the_outbox_does_what_its_model_does():
    run_state_machine_as_test(
        OutboxMachine,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
