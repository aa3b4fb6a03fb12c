"""Events are taken in: alone or in batches, as JSON or CloudEvents, with a key or a webhook's signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.access import rate, webhooks
from api.kit import cloudevents, operation, problems, strict_json
from api.kit.callers import ApiScope
from api.kit.operation import BATCH_BYTES, EVENT_BYTES, JSON, KEY_HEADER, Call, Operation
from api.kit.problems import FieldError, Problem, ProblemError, details, none_taken, unprocessable
from api.kit.strict_json import Parsed
from api.v1.event_body import EventBody, EventItem, posted
from dispatch.intake import reception
from dispatch.intake.accept import Accepted, Answer, ConflictError, Posted
from dispatch.intake.reception import LateError
from dispatch.intake.subjects import RefusedError

MOST_EVENTS = 1_000


class AcceptedBody(Struct):
    """Stored, not sent. `deliveries` counts what will be tried, `skipped` what will not; `notes` say why."""

    id: UUID
    status_url: str
    deliveries: int
    skipped: int
    replayed: bool
    notes: Sequence[str]


class BatchBody(Struct, forbid_unknown_fields=True):
    """Up to 1,000 events that stand alone: good ones are taken, bad ones reported."""

    events: Annotated[list[EventItem], Meta(min_length=1, max_length=MOST_EVENTS)]


class _Batch(Struct, forbid_unknown_fields=True):
    events: Annotated[list[Any], Meta(min_length=1, max_length=MOST_EVENTS)]


class BatchResult(Struct):
    """What became of one event of a batch: its id and counts, or the problem."""

    index: int
    id: UUID | UnsetType = UNSET
    deliveries: int | UnsetType = UNSET
    skipped: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class BatchAnswer(Struct):
    accepted: int
    rejected: int
    results: list[BatchResult]


def create_event(call: Call) -> HttpResponse:
    if _format(call) == cloudevents.BATCH:
        return _create_cloud_events(call)
    if len(call.raw) > EVENT_BYTES:
        raise _too_large()
    single = _single(call)
    rate.spend(call.caller, events=1, now=call.now)
    with _in_time():
        accepted = _taken(reception.take_in(single, origin=call.caller.origin, now=call.now))
    body = AcceptedBody(
        id=accepted.id,
        status_url=f"/api/v1/events/{accepted.id}",
        deliveries=accepted.deliveries,
        skipped=accepted.skipped,
        replayed=accepted.replayed,
        notes=accepted.notes,
    )
    answer = operation.answer(body, status=HTTPStatus.ACCEPTED)
    answer["Location"] = body.status_url
    return answer


def create_events(call: Call) -> HttpResponse:
    if KEY_HEADER in call.request.headers:
        raise unprocessable(KEY_HEADER, "not_here", "In a batch each event has its own idempotency_key.")

    def bodies() -> list[Parsed]:
        parsed = strict_json.parse(call.raw)
        batch = operation.read(parsed.tree, into=_Batch)
        return [parsed.part(each) for each in batch.events]

    return _take_all(call, bodies, read=_item)


def _create_cloud_events(call: Call) -> HttpResponse:
    def bodies() -> list[Parsed]:
        envelopes = strict_json.parse(call.raw)
        if not isinstance(envelopes.tree, list) or not 1 <= len(envelopes.tree) <= MOST_EVENTS:
            raise unprocessable("body", "invalid", f"A batch is a list of 1 to {MOST_EVENTS} events.")
        return [envelopes.part(each) for each in envelopes.tree]

    return _take_all(call, bodies, read=_cloud_event)


def _format(call: Call) -> str:
    """The content type, or what the body itself shows where it is signed: no other header is covered by a signature."""
    headers = call.request.headers
    if not webhooks.is_signed(headers):
        return call.request.content_type or JSON
    if KEY_HEADER in headers:
        raise unprocessable(KEY_HEADER, "twice", "A webhook's key is its webhook-id.")
    if cloudevents.has_attributes(headers):
        detail = "Headers that begin with ce- are not covered by the signature: send it structured."
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
    return cloudevents.format_of(strict_json.parse(call.raw).tree) or JSON


def _single(call: Call) -> Posted:
    headers, format_ = call.request.headers, _format(call)
    given = operation.idempotency_key(call.request)
    if format_ == cloudevents.STRUCTURED or cloudevents.is_binary(headers):
        if given:
            raise unprocessable(KEY_HEADER, "twice", "A CloudEvent's key is its source and id together.")
        if format_ == cloudevents.STRUCTURED:
            return _cloud_event(call, strict_json.parse(call.raw))
        body, key = cloudevents.read_binary(headers, call.raw)
        return posted(body, caller=call.caller, now=call.now, idempotency_key=key)
    body, key = strict_json.parse(call.raw), given
    if signed_id := webhooks.message_id(headers):
        body, key = body.part(_with_timestamp(body.tree)), signed_id
    return posted(body, caller=call.caller, now=call.now, idempotency_key=key)


def _with_timestamp(tree: Any) -> Any:
    """Standard Webhooks call the time of the event `timestamp`."""
    if not isinstance(tree, dict) or "timestamp" not in tree or "occurred_at" in tree:
        return tree
    return {("occurred_at" if name == "timestamp" else name): value for name, value in tree.items()}


def _cloud_event(call: Call, envelope: Parsed, *, index: int | None = None) -> Posted:
    _check_size(call, envelope)
    body, key = cloudevents.read_structured(envelope)
    if signed_id := webhooks.message_id(call.request.headers):
        key = signed_id if index is None else f"{signed_id}/{index}"
    return posted(body, caller=call.caller, now=call.now, idempotency_key=key)


def _item(call: Call, body: Parsed, *, index: int) -> Posted:
    _check_size(call, body)
    return posted(body, caller=call.caller, now=call.now, into=EventItem)


def _check_size(call: Call, body: Parsed) -> None:
    """An event of a batch may be as large as one alone."""
    if len(call.raw) > EVENT_BYTES and len(strict_json.canonical(body.checked())) > EVENT_BYTES:
        raise _too_large()


def _take_all(call: Call, bodies: Callable[[], list[Parsed]], *, read: Callable[..., Posted]) -> HttpResponse:
    items: list[Posted | ProblemError] = []

    def good() -> list[Posted]:
        found = bodies()
        rate.spend(call.caller, events=len(found), now=call.now)
        for index, body in enumerate(found):
            try:
                items.append(read(call, body, index=index))
            except ProblemError as problem:
                items.append(problem)
        return [item for item in items if isinstance(item, Posted)]

    with _in_time():
        answers = iter(reception.take_in_all(good, origin=call.caller.origin, now=call.now))
    results = [
        _result(index, item if isinstance(item, ProblemError) else next(answers)) for index, item in enumerate(items)
    ]
    rejected = sum(1 for result in results if result.error is not UNSET)
    if rejected == len(results):
        return none_taken(results)
    return operation.answer(BatchAnswer(len(results) - rejected, rejected, results), status=HTTPStatus.ACCEPTED)


def _result(index: int, outcome: ProblemError | Answer) -> BatchResult:
    try:
        if isinstance(outcome, ProblemError):
            raise outcome
        taken = _taken(outcome)
    except ProblemError as problem:
        return BatchResult(index, error=details(problem))
    return BatchResult(index, taken.id, taken.deliveries, taken.skipped, taken.replayed)


def _taken(answer: Answer) -> Accepted:
    match answer:
        case Accepted():
            return answer
        case RefusedError():
            raise unprocessable(answer.field, answer.code, answer.message)
        case ConflictError():
            error = FieldError(KEY_HEADER, "conflict", str(answer))
            raise ProblemError(HTTPStatus.CONFLICT, str(answer), errors=[error])


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except LateError:
        raise problems.late() from None


def _too_large() -> ProblemError:
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"An event has at most {EVENT_BYTES} bytes.")


def shake_hands(call: Call) -> HttpResponse:
    """The handshake of web hooks (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 4): who has a key may send."""
    answer = operation.nothing()
    answer["Allow"] = "GET, OPTIONS, POST"
    if origin := call.request.headers.get("WebHook-Request-Origin"):
        answer["WebHook-Allowed-Origin"] = origin
        answer["WebHook-Allowed-Rate"] = "*"
    return answer


OPERATIONS = (
    Operation(
        HTTPMethod.POST,
        "/events",
        create_event,
        "Post an event: JSON or a CloudEvent (structured, binary, batch), with a key or signed as a webhook",
        answer=AcceptedBody,
        scopes=(ApiScope.EVENTS,),
        status=HTTPStatus.ACCEPTED,
        body=EventBody,
        content_types=(JSON, cloudevents.STRUCTURED, cloudevents.BATCH),
        most_bytes=BATCH_BYTES,
        reads_raw=True,
        signed=True,
        headers=(KEY_HEADER,),
    ),
    Operation(
        HTTPMethod.OPTIONS,
        "/events",
        shake_hands,
        "The handshake before a web hook sends CloudEvents",
        scopes=(ApiScope.EVENTS,),
        status=HTTPStatus.NO_CONTENT,
    ),
    Operation(
        HTTPMethod.POST,
        "/events/batch",
        create_events,
        "Post up to 1,000 events",
        answer=BatchAnswer,
        scopes=(ApiScope.EVENTS,),
        status=HTTPStatus.ACCEPTED,
        body=BatchBody,
        most_bytes=BATCH_BYTES,
        reads_raw=True,
    ),
)
