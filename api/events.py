"""POST /api/v1/events and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from api import keys
from api.models import ApiKey
from api.problems import FieldError, ProblemError, response
from dispatch import ingest
from dispatch.models import Delivery, Event
from transports.types import ChannelKind

MOST_BYTES = 256 * 1024
FUTURE = timedelta(minutes=5)

Text = Annotated[str, msgspec.Meta(max_length=255)]


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True):
    serial: Text = ""
    imei: Text = ""
    id: Text = ""


class UserBody(msgspec.Struct, forbid_unknown_fields=True):
    loginname: Text = ""
    id: Text = ""


class EventBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /events."""

    type: Text = ""
    source: Text = ""
    occurred_at: datetime | None = None
    device: DeviceBody | None = None
    user: UserBody | None = None
    template: Text = ""
    channels: list[ChannelKind] | None = None
    recipients: dict[ChannelKind, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    data: dict[str, Any] = {}
    expires_at: datetime | None = None


_decoder = msgspec.json.Decoder(EventBody)
View = Callable[..., HttpResponse]


def guarded(*scopes: keys.ApiScope) -> Callable[[View], View]:
    """Let a request in with a live key that has one of the scopes; turn problems into answers."""

    def wrap(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, _key(request, scopes=scopes), *args, **kwargs)
            except ProblemError as problem:
                return response(problem)

        return inner

    return wrap


@guarded(keys.ApiScope.EVENTS)
def create_event(request: HttpRequest, key: ApiKey) -> HttpResponse:
    if request.method != "POST":
        raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, "Use POST.")
    body = _body(request)
    now = timezone.now()
    try:
        accepted = ingest.accept(
            _event_in(body, now=now),
            origin=f"key:{key.pk}",
            now=now,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            body_hash=hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest(),
        )
    except ingest.RefusedError as refused:
        raise _unprocessable(refused.field, refused.code, refused.message) from None
    except ingest.ConflictError as conflict:
        raise ProblemError(HTTPStatus.CONFLICT, str(conflict)) from None
    status_url = f"/api/v1/events/{accepted.id}"
    answer = _json(
        {
            "id": accepted.id,
            "status_url": status_url,
            "deliveries": accepted.deliveries,
            "skipped": accepted.skipped,
            "replayed": accepted.replayed,
            "notes": accepted.notes,
        },
        status=HTTPStatus.ACCEPTED,
    )
    answer["Location"] = status_url
    return answer


@guarded(keys.ApiScope.READ, keys.ApiScope.EVENTS)
def show_event(request: HttpRequest, key: ApiKey, event_id: UUID) -> HttpResponse:
    event = Event.objects.filter(pk=event_id).first()
    own = event is not None and event.origin == f"key:{key.pk}"
    if event is None or not (keys.ApiScope.READ in key.scopes or own):
        raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such event.")
    found = dict(event.deliveries.order_by().values_list("state").annotate(count=Count("id")))
    counts = {state.value: found.get(state.value, 0) for state in Delivery.State}
    waiting = counts["due"] + counts["claimed"] + counts["paused"] + counts["held"]
    begun = sum(counts.values()) - counts["due"] - counts["skipped"]
    first = event.deliveries.order_by("id")[:100]
    return _json(
        {
            "id": event.pk,
            "type": event.type,
            "source": event.source,
            "occurred_at": event.occurred_at,
            "received_at": event.received_at,
            "state": "finished" if not waiting else "in_progress" if begun else "accepted",
            "counts": counts,
            "deliveries": [
                {
                    "id": row.pk,
                    "channel": row.channel,
                    "recipient": row.address,
                    "state": row.state,
                    "reason": {"code": row.reason_code, "detail": row.reason_detail} if row.reason_code else None,
                    "due_at": row.due_at,
                    "sent_at": row.sent_at,
                    "attempts": row.attempt_count,
                }
                for row in first
            ],
        }
    )


def _key(request: HttpRequest, *, scopes: tuple[keys.ApiScope, ...]) -> ApiKey:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = keys.check(text.strip(), now=timezone.now()) if scheme.lower() == "bearer" else None
    if key is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "Send a live API key as `Authorization: Bearer xmn_...`.")
    if not set(scopes) & set(key.scopes):
        raise ProblemError(HTTPStatus.FORBIDDEN, f"This key lacks the scope {' or '.join(scopes)}.")
    return key


def _body(request: HttpRequest) -> EventBody:
    raw = request.body
    if len(raw) > MOST_BYTES:
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"An event has at most {MOST_BYTES} bytes.")
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise _unprocessable(path.strip("`.") or "body", "invalid", message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from None


def _event_in(body: EventBody, *, now: datetime) -> ingest.EventIn:
    if not body.type and not body.template:
        raise _unprocessable("type", "required", "Give the type of the event, or a template.")
    for name in ("occurred_at", "expires_at"):
        value = getattr(body, name)
        if value is not None and value.tzinfo is None:
            raise _unprocessable(name, "no_offset", "Give the time with its offset from UTC, such as Z or +01:00.")
    if body.occurred_at and body.occurred_at > now + FUTURE:
        raise _unprocessable("occurred_at", "future", "This time is more than 5 minutes in the future.")
    if body.expires_at and body.expires_at <= now:
        raise _unprocessable("expires_at", "past", "This time has passed.")
    return ingest.EventIn(
        occurred_at=body.occurred_at or now,
        type=body.type,
        source=body.source,
        template=body.template,
        device=_subject(body.device, "device", ("serial", "imei", "id")),
        user=_subject(body.user, "user", ("loginname", "id")),
        channels=None if body.channels is None else frozenset(body.channels),
        recipients=body.recipients,
        reasons=body.reasons,
        data=body.data,
        expires_at=body.expires_at,
    )


def _subject(body: DeviceBody | UserBody | None, field: str, names: tuple[str, ...]) -> ingest.SubjectIn | None:
    if body is None:
        return None
    for name in names:
        if value := getattr(body, name):
            return ingest.SubjectIn(name, value)
    raise _unprocessable(field, "required", f"Give one of {', '.join(names)}.")


def _unprocessable(field: str, code: str, message: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, message, errors=(FieldError(field, code, message),))


def _json(body: object, *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(body), status=status.value, content_type="application/json")
