"""One operation of the HTTP interface, and the way of every request: who, what, one function, an answer."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPMethod, HTTPStatus
from typing import IO, Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from msgspec import Struct

from api.kit import choices, expected, problems, strict_json, texts
from api.kit.callers import ApiScope, Authentication, Caller
from api.kit.problems import ProblemError, unprocessable
from foundation.audit import Actor
from foundation.sql import trouble

JSON = "application/json"
KEY_HEADER = "Idempotency-Key"
CSV = "text/csv"
EVENT_BYTES = 256 * 1024
BATCH_BYTES = 8 * 1024 * 1024
_PIECE = 64 * 1024
_LARGEST_ID = 2**63 - 1
_CONVERTERS = {
    "broadcast_id": "uuid",
    "event_id": "uuid",
    "delivery_id": "uuid",
    "gateway_id": "int",
    "server_id": "int",
    "template_id": "uuid",
    "test_id": "uuid",
    "serial": "path",
    "loginname": "path",
}


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """No query parameter is taken."""


class Call(Struct, frozen=True):
    """A request let in: `raw` is its body, `body` and `query` what was read of them, as the operation declares it.

    `file` has the body of an operation that streams, and goes when it is closed.
    """

    request: HttpRequest
    caller: Caller
    now: datetime
    raw: bytes
    body: Any
    query: Any
    file: IO[bytes] | None = None

    @property
    def actor(self) -> Actor:
        """Who stands in the audit trail for what the call does."""
        return Actor(name=self.caller.name, address=str(self.request.META.get("REMOTE_ADDR", ""))[:45])


class Operation(Struct, frozen=True):
    """What is served at a method and a path below its prefix, for the router and for the OpenAPI document.

    `scopes`: one of them is needed. `body` is the type of the body; it is read into `Call.body` unless `reads_raw`.
    `signed`: a webhook's signature is taken as well as a key. `creates`: the answer may also be 201.
    `headers`: request headers that mean something here. `streams`: the body is a text as long as `most_bytes`, which
    comes in a file, `Call.file`. `answers_csv`: the answer is one.
    """

    method: HTTPMethod
    path: str
    view: Callable[..., HttpResponseBase]
    summary: str
    answer: Any = None
    scopes: tuple[ApiScope, ...] = ()
    status: HTTPStatus = HTTPStatus.OK
    body: Any = None
    query: type[msgspec.Struct] = NoQuery
    content_types: tuple[str, ...] = (JSON,)
    most_bytes: int = EVENT_BYTES
    reads_raw: bool = False
    signed: bool = False
    creates: bool = False
    headers: tuple[str, ...] = ()
    streams: bool = False
    answers_csv: bool = False


def patterns(operations: Sequence[Operation], *, prefix: str, authentication: Authentication) -> list[URLPattern]:
    """The routes of the operations below `prefix`; their method distinguishes those of one path."""
    _look_at_types()
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method.value] = operation
    serve = partial(_serve, authentication)
    return [path(f"{prefix}{_route(where)}", csrf_exempt(partial(serve, found))) for where, found in by_path.items()]


def answer(body: object, *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(body), status=status.value, content_type=JSON)


def nothing() -> HttpResponse:
    return HttpResponse(status=HTTPStatus.NO_CONTENT.value)


def idempotency_key(request: HttpRequest) -> str:
    """The key by which a repetition is known, "" without one. Raises ProblemError."""
    given = request.headers.get(KEY_HEADER, "")
    if KEY_HEADER in request.headers and not re.search(texts.KEY, given):
        raise unprocessable(KEY_HEADER, "invalid", texts.NO_KEY)
    return given


def not_found(what: str, *, removed_at: datetime | None = None) -> ProblemError:
    """404; with the day on which retention removed it, where it is that old."""
    if removed_at:
        return ProblemError(HTTPStatus.NOT_FOUND, f"This {what} was removed by retention on {removed_at:%Y-%m-%d}.")
    return ProblemError(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def _look_at_types() -> None:
    """Have msgspec learn the types of bodies now, in one thread.

    It learns a type at its first use (seen with 0.22.0); a second thread that uses the type meanwhile crashes.
    """
    types: list[type[msgspec.Struct]] = [msgspec.Struct]
    while types:
        below = types.pop().__subclasses__()
        types += below
        for each in below:
            if each.__module__.startswith("api."):
                msgspec.json.Decoder(each)


def read(tree: Any, *, into: Any, strict: bool = True) -> Any:
    """The JSON value as the type; raises 422 with the field's path."""
    try:
        return msgspec.convert(tree, into, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), into=into) from None
    except RecursionError:
        raise unprocessable("body", "too_deep", "The body has too many levels.") from None
    except UnicodeEncodeError:
        strict_json.check(tree)
        raise


def _serve(
    authentication: Authentication, operations: Mapping[str, Operation], request: HttpRequest, **named: Any
) -> HttpResponseBase:
    response = _answered(authentication, operations, request, **named)
    response.headers["Cache-Control"] = "no-store"  # names, addresses and texts are kept by nobody on the way
    return response


def _answered(
    authentication: Authentication, operations: Mapping[str, Operation], request: HttpRequest, **named: Any
) -> HttpResponseBase:
    try:
        operation = operations.get(request.method or "")
        if operation is None:
            return _no_such_method(operations)
        if any(isinstance(value, int) and value > _LARGEST_ID for value in named.values()):
            raise not_found("record")
        return operation.view(_call(operation, request, authentication=authentication), **named)
    except ProblemError as problem:
        return problems.response(problem)
    except (DatabaseError, InterfaceError) as error:
        found = trouble.of(error)
        if found is None:
            raise
        return problems.response(problems.database_trouble(found, error=error))


def _no_such_method(operations: Mapping[str, Operation]) -> HttpResponse:
    allowed = ", ".join(sorted(operations))
    refusal = problems.response(ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {allowed} here."))
    refusal["Allow"] = allowed
    return refusal


def _call(operation: Operation, request: HttpRequest, *, authentication: Authentication) -> Call:
    now = timezone.now()
    signed = operation.signed and authentication.is_signed(request.headers)
    caller = None if signed else _holder_of_key(authentication.by_key(request.headers, now=now))
    most = EVENT_BYTES if signed else operation.most_bytes
    raw = _raw_body(operation, request, most=most) if operation.body is not None else b""
    if caller is None:
        caller = authentication.by_signature(request.headers, raw, now=now)
    if operation.scopes and not caller.scopes.intersection(operation.scopes):
        raise ProblemError(HTTPStatus.FORBIDDEN, f"This needs the scope {' or '.join(operation.scopes)}.")
    body = None
    if operation.body is not None and not operation.reads_raw:
        body = read(strict_json.parse(raw).checked(), into=operation.body)
    query = _query(operation, request)
    return Call(request, caller, now, raw, body, query, _streamed(operation, request) if operation.streams else None)


def _holder_of_key(caller: Caller | None) -> Caller:
    if caller is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "Send a live API key as `Authorization: Bearer xmn_...`.")
    return caller


def _raw_body(operation: Operation, request: HttpRequest, *, most: int) -> bytes:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if not _is_taken(operation, request) or charset.lower() not in {"utf-8", "utf8"}:
        taken = ", ".join(operation.content_types)
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body as {taken}, in UTF-8.")
    too_large = _too_large(most)
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > most or len(request.body) > most:
            raise too_large
        return request.body
    except RequestDataTooBig:
        raise too_large from None
    except (UnreadablePostError, ValueError):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body could not be read to its end.") from None


def _streamed(operation: Operation, request: HttpRequest) -> IO[bytes]:
    """The body in a temporary file, a piece at a time."""
    if not _is_taken(operation, request):
        taken = ", ".join(operation.content_types)
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body as {taken}.")
    with contextlib.ExitStack() as unless_whole:
        file = unless_whole.enter_context(tempfile.TemporaryFile())
        try:
            while piece := request.read(_PIECE):
                file.write(piece)
                if file.tell() > operation.most_bytes:
                    raise _too_large(operation.most_bytes)
        except (UnreadablePostError, ValueError):
            raise ProblemError(HTTPStatus.BAD_REQUEST, "The body could not be read to its end.") from None
        unless_whole.pop_all()
    return file


def _is_taken(operation: Operation, request: HttpRequest) -> bool:
    return (request.content_type or "").lower() in ("", *operation.content_types)


def _too_large(most: int) -> ProblemError:
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {most} bytes are taken.")


def _query(operation: Operation, request: HttpRequest) -> Any:
    given = {}
    for name, values in request.GET.lists():
        if len(values) > 1:
            raise unprocessable(name, "twice", "Give this parameter once.")
        given[name] = values[0]
    strict_json.check(given)
    return read(given, into=operation.query, strict=False)


_UNKNOWN, _MISSING = "Object contains unknown field `", "Object missing required field `"
_NO_CHOICE, _NO_MATCH = ("Invalid enum value ", "Invalid value "), "Expected `str` matching regex "


def _invalid(reported: str, *, into: Any) -> ProblemError:
    """The "message - at `$.path`" of msgspec as a problem that names the field, and the values that it may have."""
    message, _, where = reported.partition(" - at `")
    path = where[where.find("$") + 1 :].rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "").strip(".")
    for beginning, code in ((_UNKNOWN, "unknown_field"), (_MISSING, "required")):
        if message.startswith(beginning):
            name = strict_json.shown(message.removeprefix(beginning).removesuffix("`"))
            return unprocessable(f"{path}.{name}".strip("."), code, f"{beginning}{name}`.")
    if message.startswith(_NO_CHOICE) and (known := choices.at(into, path=path)):
        return unprocessable(path or "body", "invalid", f"Give one of {', '.join(known)}.")
    if message.startswith(_NO_MATCH):
        return unprocessable(path, *texts.refusal(message.removeprefix(_NO_MATCH)))
    return unprocessable(path or "body", "invalid", strict_json.shown(expected.plain(message), most=300))


def _route(where: str) -> str:
    for name, converter in _CONVERTERS.items():
        where = where.replace(f"{{{name}}}", f"<{converter}:{name}>")
    return where
