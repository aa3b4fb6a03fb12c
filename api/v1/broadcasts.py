"""Broadcasts: sending by hand to many, the reach before it, how far one is, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from api.access import rate
from api.kit import operation, strict_json
from api.kit.callers import ApiScope
from api.kit.operation import KEY_HEADER, Call, Operation
from api.kit.problems import FieldError, ProblemError, unprocessable
from api.v1 import pages
from api.v1.bodies import FilterBody, Identifier, Line, Moment, filter_of
from dispatch.broadcasts import control, overlaps, progress, reach
from dispatch.broadcasts.control import NotAllowedError
from dispatch.broadcasts.progress import Progress
from dispatch.intake import sends
from dispatch.intake.accept import ConflictError
from dispatch.intake.sends import Begun, OverlapError, Sender, SendIn
from dispatch.intake.subjects import RefusedError
from dispatch.models import Broadcast
from dispatch.rules.states import BroadcastState
from dispatch.upkeep.retention import EVENTS
from foundation import retention
from foundation.audit import Actor
from foundation.fingerprints import fingerprint
from transports.types import ChannelKind

_Text = Annotated[str, Meta(max_length=100_000)]
_Named = Annotated[list[Identifier], Meta(min_length=1, max_length=sends.MOST_NAMED)]
_State = Literal["planned", "running", "paused", "finished", "cancelled"]
_STATES = {BroadcastState.PLANNING.value: BroadcastState.RUNNING.value}
"""Planning is the beginning of running: what is planned goes out meanwhile."""


class MailText(Struct, forbid_unknown_fields=True):
    subject: Annotated[str, Meta(max_length=2_000)]
    message: _Text = ""
    sender: Annotated[str, Meta(max_length=500)] = ""
    html: _Text = ""


class SmsText(Struct, forbid_unknown_fields=True):
    message: _Text


class HubText(Struct, forbid_unknown_fields=True):
    message: _Text
    sound: Line = ""


class OwnText(Struct, forbid_unknown_fields=True):
    """Text of one's own for each channel that it goes by; macros are filled in as in a template."""

    smtp: MailText | UnsetType = UNSET
    sms: SmsText | UnsetType = UNSET
    secure_hub: HubText | UnsetType = UNSET


class SendBody(Struct, forbid_unknown_fields=True):
    """To a filter's `audience`, to `devices` (id, serial number or IMEI), or to `users` (id or login name).

    What is said is a `template` (name or id) that supports manual sending, or a `message`; of both it stands
    in place of the text of the template. With `start` false nothing is sent until it is resumed.
    """

    audience: FilterBody | UnsetType = UNSET
    devices: _Named | UnsetType = UNSET
    users: _Named | UnsetType = UNSET
    template: Line = ""
    message: OwnText | UnsetType = UNSET
    channels: Annotated[list[ChannelKind], Meta(min_length=1)] | UnsetType = UNSET
    start: bool = True
    expires_at: Moment | None = None


class BegunBody(Struct):
    """Stored, not sent. `notes` say who is sending the same template to some of the same people."""

    id: UUID
    status_url: str
    replayed: bool
    notes: list[str]


class ReachedBody(Struct):
    channel: str
    number: int


class LeftOutBody(Struct):
    """`reason` is that of a skipped delivery, or `same_person` or `same_address`: there is one for them already."""

    channel: str
    reason: str
    number: int


class ReachBody(Struct):
    """Who gets it: so many `messages` to so many `people`; who does not, and why. Nothing is stored."""

    messages: int
    people: int
    several_devices: int
    reached: list[ReachedBody]
    left_out: list[LeftOutBody]
    notes: list[str]


class BroadcastSummary(Struct):
    """`state`: planned (not started), running, paused, finished or cancelled. `sent_by` began it from `sent_from`."""

    id: UUID
    name: str
    state: _State
    channels: list[str]
    sent_by: str
    sent_from: str
    created_at: datetime
    finished_at: datetime | None


class FailuresBody(Struct):
    state: str
    reason: str
    number: int


class PauseBody(Struct):
    """`reason` is that for which too many messages failed, `refused_alike`, or "" where a person paused it."""

    reason: str
    detail: str
    since: datetime


class BroadcastDetail(BroadcastSummary):
    """`counts` are those of its deliveries, which grow until all are planned.

    `message` is text of one's own; it comes with the scope `messages`.

    `rate` is messages a second over the last minute, `seconds_left` how long the rest takes at it; `stands_still` says
    why nothing has moved for a minute.
    """

    audience: dict[str, Any]
    message: dict[str, Any] | UnsetType | None
    counts: dict[str, int]
    rate: float
    seconds_left: int | None
    failures: list[FailuresBody]
    pause: PauseBody | None
    stands_still: str


class BroadcastsPage(Struct):
    broadcasts: list[BroadcastSummary]
    next: str | None


class BroadcastsQuery(Struct, forbid_unknown_fields=True):
    """`after` begins after that broadcast."""

    state: _State | UnsetType = UNSET
    after: UUID | UnsetType = UNSET
    limit: pages.Limit = pages.DEFAULT_LIMIT


def create_broadcast(call: Call) -> HttpResponse:
    rate.spend(call.caller, events=1, now=call.now)
    send_in, sender = _send_in(call), _sender(call)
    return _begun(lambda: sends.begin(send_in, sender=sender, now=call.now, repeats=True))


def preview_broadcast(call: Call) -> HttpResponse:
    try:
        prepared = sends.prepare(_send_in(call), sender=_sender(call), now=call.now)
    except RefusedError as refused:
        raise unprocessable(refused.field, refused.code, refused.message) from None
    found = reach.of(prepared.run)
    beside = overlaps.find(prepared.chosen[0].id, prepared.run.broadcast, now=call.now)
    return operation.answer(
        ReachBody(
            messages=found.messages,
            people=found.people,
            several_devices=found.several_devices,
            reached=[ReachedBody(group.channel, group.number) for group in found.reached],
            left_out=[LeftOutBody(group.channel, group.code, group.number) for group in found.left_out],
            notes=_notes(beside),
        )
    )


def list_broadcasts(call: Call) -> HttpResponse:
    query: BroadcastsQuery = call.query
    rows = Broadcast.objects.within(call.caller.within)
    if query.state is not UNSET:
        rows = rows.filter(state__in=[state for state in BroadcastState if _shown(state) == query.state])
    if query.after is not UNSET:
        rows = rows.filter(pk__lt=query.after)
    found, last = pages.page(rows.order_by("-id"), limit=query.limit)
    following = pages.next_page(call.request, last, key=lambda row: row.pk)
    return operation.answer(BroadcastsPage([BroadcastSummary(**_summary(row)) for row in found], following))


def show_broadcast(call: Call, broadcast_id: UUID) -> HttpResponse:
    row, within = _find(call, broadcast_id), call.caller.within
    found = progress.of(row, scope=within, now=call.now)
    message = _message(row.texts) if ApiScope.MESSAGES in call.caller.scopes else UNSET
    return operation.answer(_detail(row, found=found, message=message, is_whole=row.is_whole_within(within)))


def pause_broadcast(call: Call, broadcast_id: UUID) -> HttpResponse:
    return _done(call, broadcast_id, act=control.pause)


def resume_broadcast(call: Call, broadcast_id: UUID) -> HttpResponse:
    return _done(call, broadcast_id, act=control.resume)


def cancel_broadcast(call: Call, broadcast_id: UUID) -> HttpResponse:
    return _done(call, broadcast_id, act=control.cancel)


def send_again(call: Call, broadcast_id: UUID) -> HttpResponse:
    _find(call, broadcast_id)
    sender, within = _sender(call), call.caller.within
    return _begun(lambda: sends.begin_again(broadcast_id, sender=sender, within=within, now=call.now))


def _send_in(call: Call) -> SendIn:
    body: SendBody = call.body
    message = {} if body.message is UNSET else to_builtins(body.message)
    if body.message is not UNSET and not message:
        raise unprocessable("message", "required", "Give the text of a channel: smtp, sms or secure_hub.")
    return SendIn(
        template=body.template,
        message=message,
        audience=None if body.audience is UNSET else filter_of(body.audience, field="audience"),
        devices=() if body.devices is UNSET else body.devices,
        users=() if body.users is UNSET else body.users,
        within=call.caller.within,
        channels=None if body.channels is UNSET else frozenset(body.channels),
        expires_at=body.expires_at,
        start=body.start,
    )


def _sender(call: Call) -> Sender:
    key = operation.idempotency_key(call.request)
    request = {"path": call.request.path, "body": strict_json.parse(call.raw).tree if call.raw else None}
    body_hash = fingerprint(strict_json.canonical(request)) if key else ""
    return Sender(actor=call.actor, origin=call.caller.origin, idempotency_key=key, body_hash=body_hash)


def _begun(begin: Callable[[], Begun]) -> HttpResponse:
    try:
        begun = begin()
    except RefusedError as refused:
        if refused.field == "state":
            raise _conflict("state", refused.code, refused.message) from None
        raise unprocessable(refused.field, refused.code, refused.message) from None
    except ConflictError as conflict:
        raise _conflict(KEY_HEADER, "conflict", str(conflict)) from None
    except OverlapError as overlap:
        raise _conflict("body", "overlap", _note(overlap.other)) from None
    where = f"/api/v1/broadcasts/{begun.id}"
    body = BegunBody(begun.id, where, begun.replayed, _notes(begun.beside))
    answer = operation.answer(body, status=HTTPStatus.ACCEPTED)
    answer["Location"] = where
    return answer


def _done(call: Call, broadcast_id: UUID, *, act: Callable[..., None]) -> HttpResponse:
    row = _find(call, broadcast_id)
    if not row.is_whole_within(call.caller.within):
        detail = "It reaches people outside of the groups that this key is limited to."
        raise ProblemError(HTTPStatus.FORBIDDEN, detail)
    actor: Actor = call.actor
    try:
        act(broadcast_id, actor=actor, now=call.now)
    except NotAllowedError as refused:
        raise _conflict("state", "not_allowed", str(refused)) from None
    return show_broadcast(call, broadcast_id)


def _conflict(field: str, code: str, words: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, words, errors=[FieldError(field, code, words)])


def _notes(beside: Broadcast | None) -> list[str]:
    return [_note(beside)] if beside else []


def _note(beside: Broadcast) -> str:
    return (
        f"The same template is being sent to some of the same people by {beside.sent_by or 'an event'}, "
        f"since {beside.created_at.isoformat(timespec='seconds')}: broadcast {beside.pk}."
    )


def _find(call: Call, broadcast_id: UUID) -> Broadcast:
    row = Broadcast.objects.within(call.caller.within).filter(pk=broadcast_id).first()
    if row is None:
        raise operation.not_found("broadcast", removed_at=retention.removed_at(EVENTS, broadcast_id))
    return row


def _shown(state: str) -> str:
    return _STATES.get(state, state)


def _summary(row: Broadcast) -> dict[str, Any]:
    names = ("channels", "sent_by", "sent_from", "created_at", "finished_at")
    return {"id": row.pk, "name": str(row), "state": _shown(row.state), **{name: getattr(row, name) for name in names}}


def _detail(
    row: Broadcast, *, found: Progress, message: dict[str, Any] | UnsetType | None, is_whole: bool
) -> BroadcastDetail:
    """Whom it goes to, and a server's words, may name somebody else: they are for those who see all that it reaches."""
    return BroadcastDetail(
        **_summary(row),
        audience=row.audience if is_whole else {},
        message=message,
        counts=dict(found.counts),
        rate=round(found.rate, 2),
        seconds_left=None if found.left is None else int(found.left.total_seconds()),
        failures=[FailuresBody(each.state, each.code, each.number) for each in found.failures],
        pause=PauseBody(found.pause.code, found.pause.words if is_whole else "", found.pause.since)
        if found.pause
        else None,
        stands_still=found.still,
    )


def _message(own: Mapping[str, Mapping[str, str]]) -> dict[str, Any] | None:
    """Text of one's own as it was given."""
    return {
        kind: {name: text for name, text in said.items() if name != "recipient"} for kind, said in own.items()
    } or None


_READERS, _SENDERS = (ApiScope.READ, ApiScope.SEND), (ApiScope.SEND,)
_ONE = "/broadcasts/{broadcast_id}"
OPERATIONS = (
    Operation(
        HTTPMethod.POST,
        "/broadcasts",
        create_broadcast,
        "Send a template or a text of one's own to many",
        answer=BegunBody,
        scopes=_SENDERS,
        status=HTTPStatus.ACCEPTED,
        body=SendBody,
        headers=(KEY_HEADER,),
    ),
    Operation(
        HTTPMethod.POST,
        "/broadcasts/preview",
        preview_broadcast,
        "Who would get it, who would not, and why",
        answer=ReachBody,
        scopes=_SENDERS,
        body=SendBody,
    ),
    Operation(
        HTTPMethod.GET,
        "/broadcasts",
        list_broadcasts,
        "List broadcasts, the newest first",
        answer=BroadcastsPage,
        scopes=_READERS,
        query=BroadcastsQuery,
    ),
    Operation(HTTPMethod.GET, _ONE, show_broadcast, "How far a broadcast is", answer=BroadcastDetail, scopes=_READERS),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/pause",
        pause_broadcast,
        "Send nothing more of it until it is resumed",
        answer=BroadcastDetail,
        scopes=_SENDERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/resume",
        resume_broadcast,
        "Go on, or start; what failed for the reason of its own pause is tried again",
        answer=BroadcastDetail,
        scopes=_SENDERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/cancel",
        cancel_broadcast,
        "Send nothing more of it",
        answer=BroadcastDetail,
        scopes=_SENDERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/again",
        send_again,
        "Send the same to those whom it did not reach, as a broadcast of its own",
        answer=BegunBody,
        scopes=_SENDERS,
        status=HTTPStatus.ACCEPTED,
        headers=(KEY_HEADER,),
    ),
)
