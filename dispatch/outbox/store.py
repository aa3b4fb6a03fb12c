"""Stores events with what was planned for them: one statement where the database can, few where it can't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec import Struct, field

from dispatch.outbox import columns
from dispatch.rules.plan import Planned
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


_EVENT = columns.supplied(NewEvent, columns.EVENT)
_event_row, _delivery_row = columns.row_of(_EVENT), columns.row_of(columns.PLANNED)
_EVENT_NAMES = ", ".join(_EVENT)
_NAMES = ", ".join([*columns.PLANNED, *columns.MOMENTS, *columns.OTHERS])
_VALUES = ", ".join(
    [
        *(f"x.{name}" for name in columns.PLANNED),
        *("%s" for _ in columns.MOMENTS),
        *map(dialect.literal, columns.OTHERS.values()),
    ]
)
_ALL = columns.PLANNED | columns.MOMENTS | {name: columns.DELIVERY[name] for name in columns.OTHERS}
_COPIED = 20
"""As many events are copied into PostgreSQL's tables rather than supplied as JSON; two statements then cost less."""


def store(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    """Store the events with their deliveries, due immediately; returns the ids of those that were stored.

    An event whose idempotency key is taken is left out together with its deliveries.
    """
    if dialect.is_postgresql() and len(events) >= _COPIED and not any(event.idempotency_key for event in events):
        return _copy(events, planned=planned, now=now)
    if not dialect.is_postgresql():
        return _one_after_the_other(events, planned=planned, now=now)
    # In the order of their keys, so that two who store the same ones can't wait for each other.
    rows = [_event_row(event) for event in sorted(events, key=attrgetter("idempotency_key"))]
    packed = dialect.pack(_EVENT, rows)
    deliveries = dialect.pack(columns.PLANNED, [_delivery_row(row) for row in planned])
    return {row[0] for row in statements.run(_both(), [packed, now, now, deliveries])}


def _copy(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    """Many together, of which none can be there already."""
    same = (*(now for _ in columns.MOMENTS), *columns.OTHERS.values())
    with transaction.atomic():
        dialect.copy("dispatch_event", _EVENT, [_event_row(event) for event in events])
        dialect.copy("dispatch_delivery", _ALL, [_delivery_row(row) + same for row in planned])
    return {event.id for event in events}


def add(planned: Sequence[Planned], *, now: datetime) -> None:
    """Store deliveries, due immediately, of an event or broadcast that is stored already; one that is there stays."""
    moment = dialect.time(now)
    source, supplied = dialect.table(columns.PLANNED, [_delivery_row(row) for row in planned])
    insert = _insert_deliveries(source, "WHERE true ON CONFLICT (id) DO NOTHING")
    statements.run(insert, [moment, moment, *supplied], prepare=False)


def _one_after_the_other(events: Sequence[NewEvent], *, planned: Sequence[Planned], now: datetime) -> set[UUID]:
    source, supplied = dialect.table(_EVENT, [_event_row(event) for event in events])
    with transaction.atomic():
        stored = {dialect.read_uid(row[0]) for row in statements.run(_insert_events(source), supplied)}
        wanted = [row for row in planned if row.event_id in stored]
        if wanted:
            add(wanted, now=now)
        return stored


@cache
def _both() -> str:
    deliveries = _insert_deliveries(dialect.rows(columns.PLANNED), "JOIN e ON e.id = x.event_id")
    return f"WITH e AS ({_insert_events(dialect.rows(_EVENT))}), d AS ({deliveries}) SELECT id FROM e"  # noqa: S608


def _insert_events(source: str) -> str:
    return f"""INSERT INTO dispatch_event ({_EVENT_NAMES})
        SELECT {_EVENT_NAMES} FROM {source} WHERE true ON CONFLICT DO NOTHING RETURNING id"""  # noqa: S608 - constants of this module only


def _insert_deliveries(source: str, condition: str) -> str:
    return f"""INSERT INTO dispatch_delivery ({_NAMES})
        SELECT {_VALUES} FROM {source} {condition}"""  # noqa: S608
