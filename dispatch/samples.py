"""Events that happened, for the preview of templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.models import Event
from dispatch.plan import event_values
from templates_app import preview

MOST = 10


class HappenedEvents:
    """The latest events of a type; their secrets are never read."""

    def recent(self, type_code: str) -> Sequence[tuple[str, str]]:
        rows = Event.objects.filter(type=type_code).select_related("person", "device").order_by("-id")[:MOST]
        return [(str(row.pk), _words(row)) for row in rows]

    def values(self, event_id: str) -> Mapping[str, Any] | None:
        try:
            row = Event.objects.filter(pk=UUID(event_id)).first()
        except ValueError:
            return None
        if row is None:
            return None
        brought = event_values(
            event_id=row.pk, type_code=row.type, source=row.source, occurred_at=row.occurred_at, payload=row.payload
        )
        return {**brought, **{name: row.payload[name] for name in ("user", "device") if row.payload.get(name)}}


def register() -> None:
    preview.add_events(HappenedEvents())


def _words(event: Event) -> str:
    about = event.device or event.person or event.source
    return f"{event.occurred_at:%Y-%m-%d %H:%M} {about}"
