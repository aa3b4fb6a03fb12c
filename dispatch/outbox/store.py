"""Stores events with what was planned for them: one statement where the database can, few where it can't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec import Struct, field

from dispatch.rules.plan import Planned
from dispatch.rules.states import DeliveryState
from foundation.sql import dialect, statements


class NewEvent(Struct, frozen=True):
    """An event to store; the fields are those of the model."""

    id: UUID
    type: str
    source: str
    origin: str
    occurred_at: datetime
    received_at: datetime
    idempotency_key: str = ""
    body_hash: str = ""
    template_id: int | None = None
    person_id: int | None = None
    device_id: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    sealed: str = ""
    planned: int = 0
    skipped: int = 0
    notes: Sequence[str] = ()


_EVENT = {
    "id": "uuid",
    "type": "text",
    "source": "text",
    "origin": "text",
    "occurred_at": "time",
    "received_at": "time",
    "idempotency_key": "text",
    "body_hash": "text",
    "template_id": "bigint",
    "person_id": "bigint",
    "device_id": "bigint",
    "payload": "json",
    "sealed": "text",
    "planned": "int",
    "skipped": "int",
    "notes": "json",
}
_DELIVERY = {
    "id": "uuid",
    "event_id": "uuid",
    "broadcast_id": "uuid",
    "template_version_id": "bigint",
    "rule_id": "bigint",
    "channel": "text",
    "server_kind": "text",
    "server_id": "bigint",
    "via_id": "bigint",
    "person_id": "bigint",
    "device_id": "bigint",
    "address_kind": "text",
    "address": "text",
    "address_name": "text",
    "language": "text",
    "time_zone": "text",
    "priority": "int",
    "state": "text",
    "expires_at": "time",
    "hold_unknown": "bool",
    "reason_code": "text",
    "reason_detail": "text",
}
_CONSTANTS = {
    "due_at": "time",
    "created_at": "time",
    "tries": "int",
    "attempt_count": "int",
    "lapsed": "bool",
    "provider_id": "text",
}
_event_row: Callable[[NewEvent], tuple[Any, ...]] = attrgetter(*_EVENT)
_EVENT_NAMES, _DELIVERY_NAMES, _CONSTANT_NAMES = ", ".join(_EVENT), ", ".join(_DELIVERY), ", ".join(_CONSTANTS)
_PICKED = ", ".join(f"x.{name}" for name in _DELIVERY)
_DUE, _SKIPPED = DeliveryState.DUE.value, DeliveryState.SKIPPED.value
_COPIED = 20
"""As many events are copied into PostgreSQL's tables rather than brought as JSON; two statements then cost less."""


def store(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    """Store the events with their deliveries, due at once; answers the ids of those that were stored.

    An event whose idempotency key is taken is left out together with its deliveries.
    """
    if dialect.is_postgresql() and len(events) >= _COPIED and not any(event.idempotency_key for event in events):
        return _copy(events, planned=planned, now=now)
    if not dialect.is_postgresql():
        return _one_after_the_other(events, planned=planned, now=now)
    # In the order of their keys, so that two who store the same ones can't wait for each other.
    rows = [_event_row(event) for event in sorted(events, key=attrgetter("idempotency_key"))]
    packed = dialect.pack(_EVENT, rows)
    deliveries = dialect.pack(_DELIVERY, [_delivery_row(row) for row in planned])
    return {row[0] for row in statements.run(_both(), [packed, now, now, deliveries])}


def _copy(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    """Many at once, of which none can be there already."""
    constants = (now, now, 0, 0, False, "")
    with transaction.atomic():
        dialect.copy("dispatch_event", _EVENT, [_event_row(event) for event in events])
        dialect.copy("dispatch_delivery", _DELIVERY | _CONSTANTS, [_delivery_row(row) + constants for row in planned])
    return {event.id for event in events}


def add(planned: Sequence[Planned], *, now: datetime) -> None:
    """Store deliveries, due at once, of an event or broadcast that is stored already; one that is there stays."""
    moment = dialect.time(now)
    source, brought = dialect.table(_DELIVERY, [_delivery_row(row) for row in planned])
    insert = _insert_deliveries(source, "WHERE true ON CONFLICT (id) DO NOTHING")
    statements.run(insert, [moment, moment, *brought], prepare=False)


def _one_after_the_other(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    source, brought = dialect.table(_EVENT, [_event_row(event) for event in events])
    with transaction.atomic():
        stored = {dialect.read_uid(row[0]) for row in statements.run(_insert_events(source), brought)}
        wanted = [row for row in planned if row.event_id in stored]
        if wanted:
            add(wanted, now=now)
        return stored


@cache
def _both() -> str:
    deliveries = _insert_deliveries(dialect.rows(_DELIVERY), "JOIN e ON e.id = x.event_id")
    return f"WITH e AS ({_insert_events(dialect.rows(_EVENT))}), d AS ({deliveries}) SELECT id FROM e"  # noqa: S608


def _insert_events(source: str) -> str:
    return f"""INSERT INTO dispatch_event ({_EVENT_NAMES})
        SELECT {_EVENT_NAMES} FROM {source} WHERE true ON CONFLICT DO NOTHING RETURNING id"""  # noqa: S608 - constants of this module only


def _insert_deliveries(source: str, condition: str) -> str:
    return f"""INSERT INTO dispatch_delivery ({_DELIVERY_NAMES}, {_CONSTANT_NAMES})
        SELECT {_PICKED}, %s, %s, 0, 0, false, '' FROM {source} {condition}"""  # noqa: S608


def _delivery_row(row: Planned) -> tuple[Any, ...]:
    return (
        row.id,
        row.event_id,
        row.broadcast_id,
        row.template_version_id,
        row.rule_id,
        row.channel.value,
        row.server_kind.value,
        row.server_id,
        row.via_id,
        row.person_id,
        row.device_id,
        row.to.kind.value,
        row.to.address,
        row.to.name,
        row.language,
        row.time_zone,
        row.priority,
        _SKIPPED if row.skip else _DUE,
        row.expires_at,
        row.hold_unknown,
        row.skip.code.value if row.skip else row.wait_code,
        row.skip.detail if row.skip else "",
    )
