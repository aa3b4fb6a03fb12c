"""Steps of which tests of the flow consist: post, send, claim, look."""

from datetime import timedelta
from uuid import uuid4

from dispatch.intake import accept
from dispatch.models import Attempt, Delivery, Event
from dispatch.outbox import deliveries as outbox
from dispatch.outbox import store
from dispatch.rules.plan import Planned
from dispatch.sending.drain import drain
from dispatch.sending.settle import judged
from foundation.sql.ids import new_uid
from servers.values import Limits, ServerKind
from tests.db.world import NOW
from transports.types import AddressKind, ChannelKind, Deferred, Reason, ReasonCode, Recipient, Rejected, Scope, Unknown

LEASE = timedelta(seconds=120)

GREYLISTED = Deferred(Reason(ReasonCode.GREYLISTED, Scope.RECIPIENT, "450 4.7.1 come back later", reply="450"))
UNKNOWN_USER = Rejected(Reason(ReasonCode.ADDRESS_UNKNOWN, Scope.RECIPIENT, "550 5.1.1 no such user", reply="550"))
SHUTTING_DOWN = Deferred(Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, "421 4.3.2 shutting down", reply="421"))
REFUSED = Deferred(Reason(ReasonCode.CONNECTION_REFUSED, Scope.SERVER, "connection refused"))
BAD_PASSWORD = Deferred(Reason(ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER, "535 5.7.8 no", reply="535"))
NO_ANSWER = Unknown(Reason(ReasonCode.NO_ANSWER, Scope.MESSAGE, "lost after the final dot"))


def post(*, now=NOW, **fields):
    fields = {"type": "device.jailbroken", "device": accept.SubjectIn("serial", "S1"), **fields}
    keys = {name: fields.pop(name) for name in ("idempotency_key", "body_hash") if name in fields}
    return accept.accept(accept.EventIn(occurred_at=now, **fields), origin="test", now=now, **keys)


def post_to(*addresses, now=NOW, **fields):
    """One event whose text goes to each address, in a world with a template whose Recipient is empty."""
    return post(now=now, recipients={ChannelKind.SMTP: list(addresses)}, **fields)


def send(server, clock, *, stopping=lambda: False):
    return drain(server.pk, clock=clock, stopping=stopping)


def event(**fields):
    return Event.objects.create(**{"origin": "test", "occurred_at": NOW, "received_at": NOW, **fields})


def planned(number, *, event_id, server_id, **fields):
    fields = {
        "id": new_uid(),
        "channel": ChannelKind.SMTP,
        "server_kind": ServerKind.SMTP,
        "to": Recipient(AddressKind.MAIL, f"user{number}@example.com"),
        "expires_at": NOW + timedelta(days=3),
        "event_id": event_id,
        "server_id": server_id,
        **fields,
    }
    return Planned(**fields)


def deliveries(count, *, server_id, now=NOW, **fields):
    """Stored deliveries of one event, without a template; their ids in order."""
    happened = event()
    rows = [planned(number, event_id=happened.pk, server_id=server_id, **fields) for number in range(count)]
    store.add(rows, now=now)
    return [row.id for row in rows]


def claim(server_id, *, now=NOW, most=200, lease=None, until=None):
    return outbox.claim_due(server_id, most=most, lease=lease or uuid4(), lease_until=until or now + LEASE, now=now)


def begin(claims, *, lease, now=NOW, timeout=timedelta(seconds=30)):
    return outbox.begin([(claim.id, None) for claim in claims], texts=(), lease=lease, until=now + timeout, now=now)


def settled(claim, outcome, *, now=NOW):
    """What becomes of a claim with that outcome."""
    limits = Limits(timeout=timedelta(seconds=30), max_attempts=6)
    return judged(claim, outcome, limits=limits, now=now, started_at=now, duration=timedelta(), jitter=lambda: 0.0)


def try_at(delivery_id, moment, *, again_at):
    """One try that was deferred."""
    fields = {"server_name": "Mail", "outcome": "deferred", "duration_ms": 1}
    Attempt.objects.create(delivery_id=delivery_id, number=1, started_at=moment, **fields)
    Delivery.objects.filter(pk=delivery_id).update(tries=1, attempt_count=1, due_at=again_at)


def states(**filters):
    """How many deliveries are in each state."""
    found = {}
    for state in Delivery.objects.filter(**filters).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def log(delivery_id):
    """(number, outcome, code) of each attempt."""
    return list(Attempt.objects.filter(delivery=delivery_id).values_list("number", "outcome", "code"))
