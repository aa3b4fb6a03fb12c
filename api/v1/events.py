"""Events: what was taken in and what became of it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPMethod
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import HttpResponse
from msgspec import UNSET, Struct, UnsetType

from api.kit import operation
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.v1 import pages
from api.v1.bodies import Line, Moment
from api.v1.deliveries import READERS, DeliveryBody, delivery_body
from devices.models import folded
from dispatch.log import search
from dispatch.models import Broadcast, Event
from dispatch.rules import states
from dispatch.rules.states import DeliveryState
from dispatch.upkeep.retention import EVENTS
from foundation import retention
from foundation.sql.ids import first_id

_FIRST_DELIVERIES = 100


class EventSummary(Struct):
    id: UUID
    type: str
    source: str
    occurred_at: datetime
    received_at: datetime


class BroadcastBody(Struct):
    """How far a broadcast is: planned, planning, running, paused, finished or cancelled; `audience` is its filter."""

    id: UUID
    state: str
    audience: dict[str, Any]
    finished_at: datetime | None


class EventDetail(EventSummary):
    """`state` is accepted, in_progress or finished; `next` is the address of the deliveries that follow."""

    state: str
    counts: dict[str, int]
    notes: list[str]
    broadcast: BroadcastBody | None
    deliveries: list[DeliveryBody]
    next: str | None


class EventsPage(Struct):
    events: list[EventSummary]
    next: str | None


class EventsQuery(Struct, forbid_unknown_fields=True):
    """Filters: `since` and `until` bound the time of acceptance, `after` begins after that event."""

    type: Line | UnsetType = UNSET
    source: Line | UnsetType = UNSET
    device: Line | UnsetType = UNSET
    user: Line | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    after: UUID | UnsetType = UNSET
    limit: pages.Limit = pages.DEFAULT_LIMIT


def show_event(call: Call, event_id: UUID) -> HttpResponse:
    event = _visible(call).filter(pk=event_id).select_related("broadcast").first()
    if event is None:
        raise operation.not_found("event", removed_at=retention.removed_at(EVENTS, event_id))
    planning = event.broadcast is not None and event.broadcast.state in states.UNPLANNED
    rows = event.deliveries.within(call.caller.within)
    found = dict(rows.order_by().values_list("state").annotate(count=Count("id")))
    counts = {state.value: found.get(state.value, 0) for state in DeliveryState}
    deliveries, last = pages.page(rows.order_by("-id"), limit=_FIRST_DELIVERIES)
    return operation.answer(
        EventDetail(
            **_summary(event),
            state=_state(counts, planning=planning),
            counts=counts,
            notes=event.notes,
            broadcast=_broadcast(event.broadcast) if event.broadcast else None,
            deliveries=[delivery_body(row) for row in deliveries],
            next=pages.address("/api/v1/deliveries", {"event": event.pk}, after=last.pk) if last else None,
        )
    )


def list_events(call: Call) -> HttpResponse:
    query: EventsQuery = call.query
    wanted = {
        "type": query.type,
        "source": query.source,
        "device__serial": query.device,
        "person__loginname__lower": UNSET if query.user is UNSET else folded(query.user),
        "id__lt": query.after,
        "id__gte": UNSET if query.since is UNSET else first_id(query.since),
    }
    rows = _listed(call).filter(**{name: value for name, value in wanted.items() if value is not UNSET})
    if query.until is not UNSET:
        rows = rows.filter(id__lt=first_id(query.until))
    found, last = pages.page(rows.order_by("-id"), limit=query.limit)
    following = pages.next_page(call.request, last, key=lambda row: row.pk)
    return operation.answer(EventsPage([EventSummary(**_summary(row)) for row in found], following))


def _visible(call: Call) -> QuerySet[Event]:
    """Those listed, and what the same key posted, whomever that is about by now."""
    posted = Event.objects.filter(origin=call.caller.origin)
    return _listed(call) | posted if call.caller.within.is_limited else _listed(call)


def _listed(call: Call) -> QuerySet[Event]:
    """All events within its groups with the scope `read`, else those that the same key posted."""
    if ApiScope.READ not in call.caller.scopes:
        return Event.objects.filter(origin=call.caller.origin)
    few = search.those_of(call.caller.within)
    return Event.objects.within(call.caller.within) if few is None else Event.objects.filter(person__in=few)


def _summary(event: Event) -> dict[str, Any]:
    names = ("type", "source", "occurred_at", "received_at")
    return {"id": event.pk, **{name: getattr(event, name) for name in names}}


def _broadcast(row: Broadcast) -> BroadcastBody:
    return BroadcastBody(row.pk, row.state, row.audience, row.finished_at)


def _state(counts: dict[str, int], *, planning: bool) -> str:
    if not planning and not any(counts[state] for state in states.OPEN):
        return "finished"
    untouched = sum(counts.values()) == sum(counts[state] for state in states.STORED)
    return "accepted" if untouched else "in_progress"


OPERATIONS = (
    Operation(
        HTTPMethod.GET,
        "/events",
        list_events,
        "List events, the newest first",
        answer=EventsPage,
        scopes=READERS,
        query=EventsQuery,
    ),
    Operation(
        HTTPMethod.GET,
        "/events/{event_id}",
        show_event,
        "What became of an event",
        answer=EventDetail,
        scopes=READERS,
    ),
)
