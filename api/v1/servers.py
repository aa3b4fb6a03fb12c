"""Servers of all kinds stored, activated and tested; secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import Model
from django.http import HttpResponse

from api.kit import operation
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.kit.problems import FieldError, ProblemError, invalid, unprocessable
from api.v1.bodies import supplied
from api.v1.server_bodies import (
    LearnedBody,
    NewServer,
    ServerFields,
    ServersBody,
    ServerSummary,
    StageBody,
    TestBody,
    TestDetail,
)
from servers import edits, kinds
from servers.edits import StaleError
from servers.kind import Kind
from servers.kinds import KINDS
from servers.models import Server, ServerTest
from servers.queries import child, with_children
from servers.testing import runs
from servers.testing.runs import Asker, RefusedTestError
from servers.values import ServerKind

_SERVER = "server"


def list_servers(call: Call) -> HttpResponse:
    rows = with_children(Server.objects.order_by("name"))
    return operation.answer(ServersBody([_detail(row, call=call) for row in rows]))


def show_server(call: Call, server_id: int) -> HttpResponse:
    return operation.answer(_detail(_find(server_id), call=call))


def create_server(call: Call) -> HttpResponse:
    given = supplied(call.body)
    kind = KINDS[ServerKind(given.pop("kind"))]
    server = kind.model()
    _set(server, given, kind=kind)
    with edited(_SERVER):
        edits.create(server, kind=kind, actor=call.actor)
    answer = operation.answer(_detail(_find(server.pk), call=call), status=HTTPStatus.CREATED)
    answer["Location"] = f"/api/v1/servers/{server.pk}"
    return answer


def change_server(call: Call, server_id: int) -> HttpResponse:
    kind, given = kinds.of(_find_own(server_id)), supplied(call.body)
    with edited(_SERVER), transaction.atomic():
        server = edits.read_for_change(server_id)
        server.revision = given.pop("revision", server.revision)
        _set(server, given, kind=kind)
        edits.change(server, kind=kind, actor=call.actor, now=call.now)
    return show_server(call, server_id)


def activate_server(call: Call, server_id: int) -> HttpResponse:
    _find_own(server_id)
    with edited(_SERVER):
        edits.activate(server_id, actor=call.actor, now=call.now)
    return show_server(call, server_id)


def try_server_again(call: Call, server_id: int) -> HttpResponse:
    _find_own(server_id)
    edits.try_again(server_id, actor=call.actor, now=call.now)
    return show_server(call, server_id)


def forget_learned(call: Call, server_id: int) -> HttpResponse:
    _find_own(server_id)
    edits.forget(server_id, actor=call.actor)
    return show_server(call, server_id)


def delete_server(call: Call, server_id: int) -> HttpResponse:
    _find_own(server_id)
    try:
        edits.delete(server_id, actor=call.actor)
    except ValidationError as error:
        raise _conflict("active", error) from None
    except Server.DoesNotExist:
        raise operation.not_found(_SERVER) from None
    return operation.nothing()


def test_server(call: Call, server_id: int) -> HttpResponse:
    asker = Asker(call.caller.origin, call.caller.name, address=call.actor.address)
    try:
        test = runs.start(_find_own(server_id), to=call.body.to, asker=asker, now=call.now)
    except ValidationError as error:
        raise invalid(error) from None
    except RefusedTestError as refused:
        wait = int(refused.wait.total_seconds())
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, str(refused), retry_after=wait) from None
    answer = operation.answer(_test(test), status=HTTPStatus.ACCEPTED)
    answer["Location"] = f"/api/v1/servers/{server_id}/tests/{test.pk}"
    return answer


def show_test(call: Call, server_id: int, test_id: UUID) -> HttpResponse:
    test = ServerTest.objects.filter(pk=test_id, server_id=server_id).first()
    if test is None:
        raise operation.not_found("test")
    return operation.answer(_test(test))


@contextmanager
def edited(what: str) -> Iterator[None]:
    """What edits refuse, as problems; `what` is what may have been removed meanwhile."""
    try:
        yield
    except ObjectDoesNotExist:
        raise operation.not_found(what) from None
    except StaleError as stale:
        raise _conflict("revision", stale) from None
    except ValidationError as error:
        raise invalid(error) from None


def _conflict(field: str, error: ValidationError) -> ProblemError:
    words = " ".join(error.messages)
    return ProblemError(HTTPStatus.CONFLICT, words, errors=[FieldError(field, error.code or "conflict", words)])


def set_fields(row: Model, given: dict[str, Any]) -> None:
    """Named fields as they will be stored; null is the field's default."""
    for name, value in given.items():
        column = row._meta.get_field(name)  # noqa: SLF001 - Django's documented name for it
        setattr(row, name, column.to_python(column.get_default() if value is None else value))  # type: ignore[union-attr]


def _find(server_id: int) -> Server:
    row = with_children(Server.objects.filter(pk=server_id)).first()
    if row is None:
        raise operation.not_found(_SERVER)
    return row


def _find_own(server_id: int) -> Server:
    """As its own kind, of those that can be changed here."""
    own = child(_find(server_id))
    if own.kind not in KINDS:
        raise operation.not_found("server that can be changed here")
    return own


def _set(server: Server, given: dict[str, Any], *, kind: Kind[Any]) -> None:
    for name in given.keys() - {*kind.form.main, *kind.form.advanced}:
        raise unprocessable(name, "unknown_field", f"This kind of server has no field {name!r}.")
    set_fields(server, given)


def _detail(row: Server, *, call: Call) -> ServerSummary:
    own, kind = child(row), KINDS.get(ServerKind(row.kind))
    names = ("kind", "name", "description", "active", "revision", "last_test_at", "last_test_passed")
    settings = _settings(own, kind=kind) if kind else None
    if kind and settings is not None and ApiScope.ADMIN in call.caller.scopes:
        settings |= kind.private(own)
    return ServerSummary(
        id=row.pk,
        **{name: getattr(row, name) for name in (*names, "paused_until", "stopped_at", *_TROUBLE)},
        learned=_learned(row, now=call.now),
        settings=settings,
        warnings=kind.warnings(own) if kind else {},
    )


def _learned(row: Server, *, now: datetime) -> LearnedBody:
    seen = row.experience(now)
    return LearnedBody(
        session_limit=seen.session_limit or None,
        session_limit_at=row.session_limit_at if seen.session_limit else None,
        session_limit_reply=row.session_limit_reply if seen.session_limit else "",
        unpipelined_at=row.unpipelined_at if seen.no_pipelining else None,
        unpipelined_reply=row.unpipelined_reply if seen.no_pipelining else "",
    )


def _settings(server: Server, *, kind: Kind[Any]) -> dict[str, str | int | float | bool]:
    secrets = kind.form.secrets
    names = [name for name in (*kind.form.main, *kind.form.advanced) if name not in {"name", "description", *secrets}]
    return {
        **{name: getattr(server, name) for name in names},
        **{f"{name}_set": bool(getattr(server, name)) for name in secrets},
    }


def _test(test: ServerTest) -> TestDetail:
    names = StageBody.__struct_fields__
    stages = [StageBody(**{name: getattr(stage, name) for name in names}) for stage in test.stages.all()]
    return TestDetail(test.pk, test.to, test.reading, test.started_at, test.finished_at, test.passed, stages)


_TROUBLE = ("trouble_code", "trouble_detail")
_READERS, _WRITERS = (ApiScope.READ, ApiScope.ADMIN), (ApiScope.ADMIN,)
_ONE = "/servers/{server_id}"
OPERATIONS = (
    Operation(HTTPMethod.GET, "/servers", list_servers, "List servers", answer=ServersBody, scopes=_READERS),
    Operation(
        HTTPMethod.POST,
        "/servers",
        create_server,
        "Add a server; the first one of its kind becomes active",
        answer=ServerSummary,
        scopes=_WRITERS,
        status=HTTPStatus.CREATED,
        body=NewServer,
    ),
    Operation(HTTPMethod.GET, _ONE, show_server, "One server", answer=ServerSummary, scopes=_READERS),
    Operation(
        HTTPMethod.PUT,
        _ONE,
        change_server,
        "Change a server: named fields are set, absent ones stay; 409 if `revision` is an old one",
        answer=ServerSummary,
        scopes=_WRITERS,
        body=ServerFields,
    ),
    Operation(
        HTTPMethod.DELETE,
        _ONE,
        delete_server,
        "Delete a server; the active one goes last",
        scopes=_WRITERS,
        status=HTTPStatus.NO_CONTENT,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/activate",
        activate_server,
        "Make it the active server of its type",
        answer=ServerSummary,
        scopes=_WRITERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/try-again",
        try_server_again,
        "Try a stopped or paused server with one message now",
        answer=ServerSummary,
        scopes=_WRITERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/forget",
        forget_learned,
        "Forget what was learned of the server",
        answer=ServerSummary,
        scopes=_WRITERS,
    ),
    Operation(
        HTTPMethod.POST,
        f"{_ONE}/test",
        test_server,
        "Test the stored settings with one real message",
        answer=TestDetail,
        scopes=_WRITERS,
        status=HTTPStatus.ACCEPTED,
        body=TestBody,
    ),
    Operation(
        HTTPMethod.GET,
        f"{_ONE}/tests/{{test_id}}",
        show_test,
        "How a test went, stage by stage",
        answer=TestDetail,
        scopes=_WRITERS,
    ),
)
