"""Events as they are stored: what they supplied, and whose secrets nothing needs any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from dispatch.models import Event
from dispatch.outbox.indexes import listed
from dispatch.rules import states
from foundation.sql import dialect, statements
from foundation.sql.statements import Query, Statement


class Happened(Struct, frozen=True):
    """What texts need of an event."""

    id: UUID
    type: str
    source: str
    occurred_at: datetime
    received_at: datetime
    payload: Mapping[str, Any]
    sealed: str


def happened(ids: Collection[UUID]) -> Query[dict[UUID, Happened]]:
    """Those of the events that are there, by their ids."""
    if not ids:
        return {}
    rows = yield Statement(
        f"""SELECT id, type, source, occurred_at, received_at, CAST(payload AS text), sealed
            FROM dispatch_event WHERE {dialect.in_ids("id")}""",  # noqa: S608 - constants of ours only
        [dialect.ids(list(ids))],
        binary=True,
    )
    found = (
        Happened(
            id=dialect.read_uid(row[0]),
            type=row[1],
            source=row[2],
            occurred_at=dialect.read_time(row[3]),
            received_at=dialect.read_time(row[4]),
            payload=dialect.read_json(row[5]),
            sealed=row[6],
        )
        for row in rows
    )
    return {event.id: event for event in found}


def with_idle_secrets(*, most: int) -> list[UUID]:
    """Events with secrets that no delivery or broadcast needs; by the partial index on those with secrets."""
    open_states, unplanned = listed(states.OPEN), listed(states.UNPLANNED)
    found = statements.read(
        f"""SELECT e.id FROM dispatch_event e WHERE NOT (e.sealed IN ('', '{Event.WIPED}'))
        AND NOT EXISTS (SELECT 1 FROM dispatch_delivery d WHERE d.event_id = e.id AND d.state IN ({open_states}))
        AND NOT EXISTS (SELECT 1 FROM dispatch_broadcast b WHERE b.id = e.broadcast_id AND b.state IN ({unplanned}))
        LIMIT {most}"""  # noqa: S608 - constants of ours only
    )
    return [dialect.read_uid(row[0]) for row in found]
