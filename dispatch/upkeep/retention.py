"""Events with all that they led to, and how long they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from dispatch.models import Broadcast, Delivery, DeliveryText, Event, HourFigures, Withheld
from dispatch.rules import states
from foundation import retention
from foundation.retention import Kept
from foundation.sql.ids import first_id

EVENTS = "events"
_EVENTS, _DELIVERIES = 50, 300


def register() -> None:
    retention.register(Kept(EVENTS, lambda: settings.XMNOTIFY_KEEP_EVENTS_DAYS, remove))


@transaction.atomic
def remove(before: datetime) -> int:
    """A chunk of deliveries of events from before, with texts, attempts and receipts, or of such events without any.

    An event that something still waits for stays, and so does for now what somebody else writes at this moment. Ids
    tell the time of acceptance, so no index is needed for it.
    """
    open_ones = Delivery.objects.filter(event=OuterRef("pk"), state__in=states.OPEN)
    old = Event.objects.filter(~Exists(open_ones), id__lt=first_id(before)).order_by("id")
    events = list(old.values_list("pk", flat=True)[:_EVENTS])
    if not events:
        return HourFigures.objects.filter(start__lt=before).delete()[0]
    ended = Delivery.objects.filter(event__in=events).exclude(state__in=states.OPEN)
    rows = list(ended.select_for_update(skip_locked=True).values_list("pk", "text")[:_DELIVERIES])
    return _remove_deliveries(rows, events=events) if rows else _remove_events(events)


def _remove_deliveries(rows: Sequence[tuple[UUID, UUID | None]], *, events: Sequence[UUID]) -> int:
    ids = [pk for pk, _text in rows]
    texts = {text for _pk, text in rows if text}
    shared = texts - set(ids)  # a text of one delivery alone has its id
    removed = Delivery.objects.filter(pk__in=ids).delete()[0]
    if shared:
        texts -= set(
            Delivery.objects.filter(event__in=events, text__in=shared).values_list("text", flat=True).distinct()
        )
    DeliveryText.objects.filter(pk__in=texts).delete()
    return removed


def _remove_events(events: Sequence[UUID]) -> int:
    found = Event.objects.filter(~Exists(Delivery.objects.filter(event=OuterRef("pk"))), pk__in=events)
    broadcasts = set(found.exclude(broadcast=None).values_list("broadcast", flat=True))
    removed = found.delete()[0]
    still = set(Event.objects.filter(broadcast__in=broadcasts).values_list("broadcast", flat=True))
    _remove_broadcasts(broadcasts - still)
    return removed


def _remove_broadcasts(ids: set[UUID]) -> None:
    """Without Django looking for deliveries of theirs, which are gone and which no index finds by broadcast."""
    if ids:
        Withheld.objects.filter(broadcast__in=ids).delete()
        Broadcast.template_versions.through.objects.filter(broadcast__in=ids).delete()
        gone = Broadcast.objects.filter(pk__in=ids)
        gone._raw_delete(gone.db)  # noqa: SLF001 - Django's documented name for it
