"""Whatever is done to a delivery or broadcast in any state, the table allows it, and all that it allows is done."""

import ast
import re
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction

from dispatch.broadcasts import planning
from dispatch.models import Attempt, Broadcast, Delivery, Event, Withheld
from dispatch.outbox import deliveries, interventions, removal, withheld
from dispatch.outbox.interventions import NotAllowedError
from dispatch.rules import states
from dispatch.rules.alike import Blame, Refused
from dispatch.rules.states import BroadcastChange, BroadcastState, Change, DeliveryState
from dispatch.sending import reaping
from dispatch.upkeep import clocks, receipts, sweep
from servers.values import ServerKind
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW
from tests.hand_clock import HandClock
from transports.nexmo.receipts import PartReceipt
from transports.types import ChannelKind, Deferred, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

pytestmark = pytest.mark.django_db

LEASE = UUID(int=7)
REFUSED = Reason(ReasonCode.REFUSED_ALIKE, Scope.MESSAGE, "554 no", reply="554")
NOBODY = {"all": [{"field": "device.serialNumber", "op": "is", "value": "nobody's"}]}
LATER = NOW + timedelta(days=10)
UNREADABLE = (DeliveryState.HELD, ReasonCode.SECRET_UNREADABLE.value)
OUTCOMES = (
    Sent("part"),
    Deferred(Reason(ReasonCode.TEMPORARY, Scope.MESSAGE)),
    Rejected(Reason(ReasonCode.PERMANENT, Scope.MESSAGE)),
    Unknown(Reason(ReasonCode.NO_ANSWER, Scope.MESSAGE)),
)


class Stage:
    """One delivery of a broadcast or of a text, in the state that it is put into."""

    def __init__(self, *, of_broadcast):
        self.server = world.smtp_server()
        self.version = world.template().current_id
        self.broadcast = Broadcast.objects.create(created_at=NOW, state="running", audience=NOBODY)
        (self.pk,) = flow.deliveries(1, server_id=self.server.pk, template_version_id=self.version)
        self.of_broadcast = of_broadcast
        if of_broadcast:
            Event.objects.update(broadcast=self.broadcast)

    def put(self, state, *, code):
        claimed = state == DeliveryState.CLAIMED
        Attempt.objects.all().delete()
        Broadcast.objects.update(state="running")
        Delivery.objects.update(
            state=state,
            reason_code=code,
            sent_at=NOW if state in states.DATED else None,
            lease=LEASE if claimed else None,
            lease_until=NOW + timedelta(hours=1) if claimed else None,
            provider_id="part",
            attempt_count=1,
        )

    def state(self):
        return Delivery.objects.get().state

    def claim(self):
        Delivery.objects.update(server=self.server.pk)
        flow.claim(self.server.pk, lease=LEASE)

    def settle(self, outcome):
        Delivery.objects.update(hold_unknown=True)
        (row,) = Delivery.objects.values("id", "event_id", "tries", "attempt_count")
        claim = deliveries.Claim(
            **row,
            broadcast_id=None,
            template_version_id=None,
            channel=ChannelKind.SMTP,
            to=flow.planned(1, event_id=None, server_id=None).to,
            language="",
            time_zone="",
            person_id=None,
            device_id=None,
            via_id=None,
            hold_unknown=True,
            lapsed=False,
            text_id=None,
        )
        deliveries.settle([flow.settled(claim, outcome)], lease=LEASE, server_id=self.server.pk, server_name="Mail")

    def withhold(self):
        Withheld.objects.all().delete()
        blame = Blame.BROADCAST if self.of_broadcast else Blame.VERSION
        refused = Refused(to="a", at=NOW.isoformat(), broadcast=str(self.broadcast.pk), version=self.version)
        withheld.begin(blame, refused, REFUSED, channel=ChannelKind.SMTP, server_name="Mail", now=NOW)

    def withhold_all(self):
        self.withhold()
        withheld.sweep(now=NOW)

    def put_aside(self):
        self.withhold()
        rows = Delivery.objects.filter(state="claimed").values_list("pk", flat=True)
        state = DeliveryState.PAUSED if self.of_broadcast else DeliveryState.HELD
        for pk in rows:
            deliveries.put_aside(pk, lease=LEASE, state=state, code=withheld.CODE, detail="no")

    def decide(self, decision):
        self.withhold()
        withheld.decide(Withheld.objects.get(), decision, now=NOW)

    def decide_again(self, decision):
        Withheld.objects.all().delete()
        Withheld.objects.create(broadcast=self.broadcast, server_name="Mail", since=NOW)
        withheld.decide(Withheld.objects.get(), decision, now=NOW)

    def receipt(self, *, delivered):
        reason = None if delivered else Reason(ReasonCode.PERMANENT, Scope.RECIPIENT, "gone")
        receipt = PartReceipt(
            reference=self.pk, part="part", status="x", code="", delivered=delivered, reason=reason, at=NOW
        )
        receipts.note(receipt, gateway_id=self.server.pk, now=NOW)

    def expire(self):
        deliveries.expire([self.pk], now=LATER)

    def allowed(self, intervene):
        with suppress(NotAllowedError):
            intervene(self.pk, now=NOW)


STEPS = {
    "claim": (Change.CLAIM, Stage.claim),
    **{
        f"settle as {type(outcome).__name__}": (Change.SETTLE, partial(Stage.settle, outcome=outcome))
        for outcome in OUTCOMES
    },
    "give back": (Change.GIVE_BACK, lambda stage: deliveries.give_back([stage.pk], lease=LEASE)),
    "give all back": (Change.GIVE_BACK, lambda stage: deliveries.give_back_all(LEASE)),
    "reap": (Change.GIVE_BACK, lambda stage: reaping.reap([LEASE], now=NOW)),
    "put aside": (Change.PUT_ASIDE, Stage.put_aside),
    "withhold": (Change.WITHHOLD, Stage.withhold_all),
    "expire": (Change.EXPIRE, Stage.expire),
    "sweep": (Change.EXPIRE, lambda stage: sweep.expire(now=LATER)),
    "delivered": (Change.FOLLOW_RECEIPTS, partial(Stage.receipt, delivered=True)),
    "undelivered": (Change.FOLLOW_RECEIPTS, partial(Stage.receipt, delivered=False)),
    "release": (Change.RELEASE, partial(Stage.decide, decision=Withheld.Decision.SEND)),
    "cancel what is withheld": (Change.CANCEL, partial(Stage.decide, decision=Withheld.Decision.CANCEL)),
    "retry": (Change.RETRY, lambda stage: stage.allowed(interventions.retry)),
    "retry many": (Change.RETRY, lambda stage: interventions.retry_all([stage.pk], now=NOW)),
    "cancel": (Change.CANCEL, lambda stage: stage.allowed(interventions.cancel)),
    "cancel many": (Change.CANCEL, lambda stage: interventions.cancel_all([stage.pk], now=NOW)),
    "mark as sent": (Change.MARK_SENT, lambda stage: stage.allowed(interventions.mark_sent)),
    "mark many as sent": (Change.MARK_SENT, lambda stage: interventions.mark_sent_all([stage.pk], now=NOW)),
    "remove the person": (Change.CANCEL, lambda stage: removal.of_deliveries([stage.pk], now=NOW)),
    "reroute": (None, lambda stage: deliveries.reroute(ServerKind.SMTP, source=stage.server.pk, target=None)),
    "set the clock back": (None, lambda stage: clocks.set_back(timedelta(hours=1), now=NOW)),
}


@cache
def seen(name):
    """What a step does to a delivery in each state, for whatever reason it is in it."""
    _, step = STEPS[name]
    found = set()
    for of_broadcast in (False, True):
        with transaction.atomic():
            stage = Stage(of_broadcast=of_broadcast)
            for state, code in [*((state, withheld.CODE) for state in DeliveryState), UNREADABLE]:
                stage.put(state, code=code)
                step(stage)
                if stage.state() != state:
                    found.add((state.value, stage.state()))
            transaction.set_rollback(True)
    return found


def pairs(change):
    return {(before.value, after.value) for before in change.before for after in change.after}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_changes_what_the_table_allows_it(name):
    change, _ = STEPS[name]
    found = seen(name)
    assert found <= (pairs(change) if change else set())
    assert found or not change


@pytest.mark.parametrize("change", Change)
def test_every_change_of_the_table_is_done(change):
    found = set().union(*(seen(name) for name, (other, _) in STEPS.items() if other is change))
    assert {before for before, _ in found} == set(change.before)
    assert {after for _, after in found} == set(change.after)


BROADCAST_STEPS = {
    BroadcastChange.RUN: lambda stage: planning.plan(
        stage.broadcast.pk, clock=HandClock(NOW + timedelta(hours=1)), stopping=lambda: False
    ),
    BroadcastChange.FINISH: lambda stage: planning.finish(now=NOW),
    BroadcastChange.WITHHOLD: Stage.withhold,
    BroadcastChange.PAUSE: lambda stage: withheld.pause(stage.broadcast.pk, now=NOW),
    BroadcastChange.RELEASE: partial(Stage.decide_again, decision=Withheld.Decision.SEND),
    BroadcastChange.CANCEL: partial(Stage.decide_again, decision=Withheld.Decision.CANCEL),
}


@pytest.mark.parametrize("change", BroadcastChange)
def test_a_broadcast_changes_as_the_table_says(change):
    found = set()
    stage = Stage(of_broadcast=True)
    stage.put("sent", code="")
    for state in BroadcastState:
        Broadcast.objects.update(state=state, lease_until=None)
        BROADCAST_STEPS[change](stage)
        after = Broadcast.objects.get().state
        if after != state:
            found.add((state.value, after))
    assert found == pairs(change)


ROOT = Path(__file__).resolve().parents[3]
WRITERS = {
    "broadcasts.planning.finish": BroadcastChange.FINISH,
    "broadcasts.planning._plan_some": BroadcastChange.RUN,
    "outbox.deliveries.claim_due": Change.CLAIM,
    "outbox.deliveries._CHANGE": Change.SETTLE,
    "outbox.deliveries._GIVE_BACK": Change.GIVE_BACK,
    "outbox.deliveries.put_aside": Change.PUT_ASIDE,
    "outbox.deliveries.expire": Change.EXPIRE,
    "outbox.interventions.cancel": Change.CANCEL,
    "outbox.interventions.cancel_all": Change.CANCEL,
    "outbox.interventions.mark_sent_all": Change.MARK_SENT,
    "outbox.interventions._afresh": Change.RETRY,
    "outbox.removal.of_deliveries": Change.CANCEL,
    "outbox.withheld.begin": BroadcastChange.WITHHOLD,
    "outbox.withheld.pause": BroadcastChange.PAUSE,
    "outbox.withheld.release": BroadcastChange.RELEASE,
    "outbox.withheld.cancel": BroadcastChange.CANCEL,
    "outbox.withheld._change": Change.RELEASE,
    "outbox.withheld._cancel": Change.CANCEL,
    "upkeep.receipts._change": Change.FOLLOW_RECEIPTS,
}
"""What writes the state of a delivery or a broadcast, with a change by which the steps above reach it."""


def writes_state(node):
    """Whether there is an update of a state in it, by Django or in a statement."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and ast.unparse(part.func).endswith(".update"):
            values = [ast.unparse(keyword.value) for keyword in part.keywords if keyword.arg == "state"]
        elif isinstance(part, ast.Dict):
            pairs_of = zip(part.keys, part.values, strict=True)
            values = [ast.unparse(value) for key, value in pairs_of if key and ast.unparse(key) == "'state'"]
            values = [value for value in values if "State." in value]
        else:
            text = ast.unparse(part) if isinstance(part, ast.JoinedStr | ast.Constant) else ""
            values = re.findall(r"UPDATE dispatch_(?:delivery|broadcast)\b.* SET (?:state\b|\{)", text)
        if values:
            return True
    return False


def test_every_writer_of_a_state_is_walked_above():
    found = set()
    for path in (ROOT / "dispatch").rglob("*.py"):
        if "migrations" not in path.parts:
            module = ".".join(path.relative_to(ROOT / "dispatch").with_suffix("").parts)
            for node in ast.parse(path.read_text()).body:
                if writes_state(node):
                    name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name
                    found.add(f"{module}.{name}")
    assert found == set(WRITERS)
