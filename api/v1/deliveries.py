"""Deliveries: each message to each address, with every attempt; sent again or cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from msgspec import UNSET, Struct, UnsetType

from api.kit import operation
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.kit.problems import FieldError, ProblemError
from api.v1 import pages
from api.v1.bodies import Line, Moment
from devices.models import Device, Person, folded, keyed
from dispatch.log import names, search
from dispatch.models import Attempt, Delivery, Event, Receipt
from dispatch.outbox import interventions, withheld
from dispatch.outbox.interventions import NotAllowedError
from dispatch.rules.states import DeliveryState
from dispatch.upkeep.retention import EVENTS
from foundation import audit, retention
from foundation.audit import Action
from foundation.sql.ids import first_id
from servers.models import Server
from transports.types import ChannelKind

READERS = (ApiScope.READ, ApiScope.EVENTS)


class ReasonBody(Struct):
    """`code` is stable; `detail` is the peer's words."""

    code: str
    detail: str


class DeliveryBody(Struct):
    """`withheld`: it waits for a person, because a server refused its broadcast or its text message after message."""

    id: UUID
    event: UUID | None
    channel: str
    recipient: str
    state: str
    reason: ReasonBody | None
    withheld: bool
    due_at: datetime
    sent_at: datetime | None
    provider_id: str
    attempt_count: int


class TemplateName(Struct):
    name: str
    version: int


class MessageBody(Struct):
    """The text as it was sent, secrets masked."""

    subject: str
    text: str
    html: str


class AttemptBody(Struct):
    number: int
    started_at: datetime
    duration_ms: int
    server: str
    outcome: str
    code: str
    reply: str
    enhanced_code: str
    detail: str
    next_try_at: datetime | None


class ReceiptBody(Struct):
    """What an SMS service reported later of one part; `code` is its own."""

    part: str
    status: str
    code: str
    reason: ReasonBody | None
    received_at: datetime


class DeliveryDetail(DeliveryBody):
    """`server` and `via`, the carrier of an SMS that goes as a mail, keep their names when they are deleted.

    `empty_macros` had no value.

    `message` comes with the scope `messages`, once the text is made.
    """

    server: str | None
    via: str | None
    template: TemplateName | None
    expires_at: datetime
    empty_macros: list[str]
    attempts: list[AttemptBody]
    receipts: list[ReceiptBody]
    message: MessageBody | UnsetType | None = UNSET


class DeliveriesPage(Struct):
    deliveries: list[DeliveryBody]
    next: str | None


class DeliveriesQuery(Struct, forbid_unknown_fields=True):
    """Filters: `server` is a name, `since` and `until` bound the time of planning, `after` begins after that one."""

    event: UUID | UnsetType = UNSET
    state: DeliveryState | UnsetType = UNSET
    channel: ChannelKind | UnsetType = UNSET
    server: Line | UnsetType = UNSET
    device: Line | UnsetType = UNSET
    user: Line | UnsetType = UNSET
    recipient: Line | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    after: UUID | UnsetType = UNSET
    limit: pages.Limit = pages.DEFAULT_LIMIT


def list_deliveries(call: Call) -> HttpResponse:
    query: DeliveriesQuery = call.query
    wanted = {
        "event": query.event,
        "state": query.state,
        "channel": query.channel,
        "address": query.recipient if query.recipient is UNSET else search.written_to(query.recipient),
        "id__lt": query.after,
        "id__gte": UNSET if query.since is UNSET else first_id(query.since),
    }
    rows = _visible(call).filter(**{name: value for name, value in wanted.items() if value is not UNSET})
    if query.until is not UNSET:
        rows = rows.filter(id__lt=first_id(query.until))
    if query.server is not UNSET:
        rows = rows.filter(server__in=_keys(Server.objects.filter(name=query.server)))
    subjects: dict[str, list[int]] = {}
    if query.device is not UNSET:
        subjects["device__in"] = _keys(Device.objects.filter(keyed("serial", query.device)))
    if query.user is not UNSET:
        subjects["person__in"] = _keys(Person.objects.filter(loginname__lower=folded(query.user)))
    few = search.those_of(call.caller.within)
    if few is not None and not subjects and query.event is UNSET:
        subjects["person__in"] = few
    rows = rows.order_by("-id")
    found, last = pages.cut(
        search.newest(_about(rows, subjects), most=query.limit + 1) if subjects else rows[: query.limit + 1],
        limit=query.limit,
    )
    following = pages.next_page(call.request, last, key=lambda row: row.pk)
    return operation.answer(DeliveriesPage([delivery_body(row) for row in found], following))


def show_delivery(call: Call, delivery_id: UUID) -> HttpResponse:
    return operation.answer(_detail(_find(call, delivery_id), call=call))


def retry_delivery(call: Call, delivery_id: UUID) -> HttpResponse:
    return _intervene(call, delivery_id, act=lambda: interventions.retry(delivery_id, now=call.now))


def cancel_delivery(call: Call, delivery_id: UUID) -> HttpResponse:
    return _intervene(call, delivery_id, act=lambda: interventions.cancel(delivery_id, now=call.now))


def delivery_body(row: Delivery) -> DeliveryBody:
    return DeliveryBody(**_fields(row))


def _intervene(call: Call, delivery_id: UUID, *, act: Callable[[], None]) -> HttpResponse:
    before = _find(call, delivery_id)
    try:
        with transaction.atomic():
            act()
            state = Delivery.objects.values_list("state", flat=True).get(pk=delivery_id)
            old, new = {"state": before.state}, {"state": state}
            audit.record(call.actor, action=Action.CHANGE, instance=before, before=old, after=new)
    except NotAllowedError as refused:
        error = FieldError("state", "not_allowed", str(refused))
        raise ProblemError(HTTPStatus.CONFLICT, str(refused), errors=[error]) from None
    return show_delivery(call, delivery_id)


def _fields(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.pk,
        "event": row.event_id,
        "channel": row.channel,
        "recipient": row.address,
        "state": row.state,
        "reason": ReasonBody(row.reason_code, row.reason_detail) if row.reason_code else None,
        "withheld": withheld.is_aside(row),
        "due_at": row.due_at,
        "sent_at": row.sent_at,
        "provider_id": row.provider_id,
        "attempt_count": row.attempt_count,
    }


def _detail(row: Delivery, *, call: Call) -> DeliveryDetail:
    version, text = row.template_version, row.text
    named = names.of([row])[row.pk]
    message: MessageBody | UnsetType | None = UNSET
    if ApiScope.MESSAGES in call.caller.scopes:
        message = MessageBody(text.subject, text.text, text.html) if text else None
    return DeliveryDetail(
        **_fields(row),
        server=named.server or None,
        via=named.via or None,
        template=TemplateName(version.template.name, version.number) if version else None,
        expires_at=row.expires_at,
        empty_macros=text.empty if text else [],
        attempts=[_attempt(each) for each in row.attempts.all()],
        receipts=[_receipt(each) for each in row.receipts.all()],
        message=message,
    )


def _attempt(row: Attempt) -> AttemptBody:
    return AttemptBody(
        number=row.number,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        server=row.server_name,
        outcome=row.outcome,
        code=row.code,
        reply=row.reply,
        enhanced_code=row.enhanced,
        detail=row.detail,
        next_try_at=row.next_try_at,
    )


def _receipt(row: Receipt) -> ReceiptBody:
    reason = ReasonBody(row.reason_code, row.detail) if row.reason_code else None
    return ReceiptBody(row.part, row.status, row.code, reason, row.received_at)


def _find(call: Call, delivery_id: UUID) -> Delivery:
    row = _visible(call).select_related("text", "template_version__template").filter(pk=delivery_id).first()
    if row is None:
        raise operation.not_found("delivery", removed_at=retention.removed_at(EVENTS, delivery_id))
    return row


def _visible(call: Call) -> QuerySet[Delivery]:
    """Of those within its groups all with the scope `read` or `send`, else those of the events that it posted."""
    rows = Delivery.objects.within(call.caller.within)
    if call.caller.scopes & {ApiScope.READ, ApiScope.SEND}:
        return rows
    return rows.filter(event__origin=call.caller.origin)


def _about(rows: QuerySet[Delivery], subjects: Mapping[str, list[int]]) -> tuple[QuerySet[Delivery], ...]:
    """Found through their events, which have the indexes; those of a broadcast name person and device themselves."""
    events = Event.objects.filter(**subjects).order_by().values("pk")
    return rows.filter(event__in=events), rows.filter(**subjects, broadcast__isnull=False)


def _keys(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True))


OPERATIONS = (
    Operation(
        HTTPMethod.GET,
        "/deliveries",
        list_deliveries,
        "List deliveries, the newest first",
        answer=DeliveriesPage,
        scopes=READERS,
        query=DeliveriesQuery,
    ),
    Operation(
        HTTPMethod.GET,
        "/deliveries/{delivery_id}",
        show_delivery,
        "One delivery with every attempt",
        answer=DeliveryDetail,
        scopes=READERS,
    ),
    Operation(
        HTTPMethod.POST,
        "/deliveries/{delivery_id}/retry",
        retry_delivery,
        "Send again what failed, expired, was skipped or is held",
        answer=DeliveryDetail,
        scopes=(ApiScope.SEND,),
    ),
    Operation(
        HTTPMethod.POST,
        "/deliveries/{delivery_id}/cancel",
        cancel_delivery,
        "Cancel what waits",
        answer=DeliveryDetail,
        scopes=(ApiScope.SEND,),
    ),
)
