"""Servers: SMTP servers stored, activated and tested; secrets go in and never come out."""

from __future__ import annotations

from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from msgspec import UNSET, Struct, UnsetType

from api import operation
from api.keys import ApiScope
from api.operation import Call, Operation
from api.problems import FieldError, ProblemError, invalid
from api.v1.bodies import Flag, Text, told
from console import audit
from console.audit import Action, Actor
from servers import lifecycle, probe
from servers.models import Server, ServerTest, SmtpServer
from servers.probe import Asker, ProbeRefusedError
from servers.validators import clean_smtp, smtp_warnings

Number = int | None | UnsetType
_SECRETS = ("password", "oauth_client_secret")


class SmtpFields(Struct, forbid_unknown_fields=True):
    """An SMTP server's fields: named ones are set, absent ones stay, null gives the default or clears a secret.

    A secret stays with its server: with another host (or token endpoint) it has to be given again.
    """

    name: Text = UNSET
    description: Text = UNSET
    host: Text = UNSET
    security: Literal["none", "ssl", "tls"] | UnsetType | None = UNSET
    port: Number = UNSET
    authentication: Flag = UNSET
    username: Text = UNSET
    password: Text = UNSET
    spa: Flag = UNSET
    ntlm_v1: Flag = UNSET
    from_name: Text = UNSET
    from_email: Text = UNSET
    retries: Number = UNSET
    timeout: Number = UNSET
    max_recipients: Number = UNSET
    ca_bundle: Text = UNSET
    tls_minimum: Literal["1.2", "1.3"] | UnsetType | None = UNSET
    verify_certificate: Flag = UNSET
    mechanism: Literal["AUTO", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"] | UnsetType | None = UNSET
    oauth_token_url: Text = UNSET
    oauth_client_id: Text = UNSET
    oauth_client_secret: Text = UNSET
    oauth_scope: Text = UNSET
    envelope_sender: Text = UNSET
    messages_per_connection: Number = UNSET
    connections: Number = UNSET
    rate_limit: Number = UNSET


class NewServer(SmtpFields, forbid_unknown_fields=True, kw_only=True):
    kind: Literal["smtp"]


class ServerSummary(Struct):
    """`settings` are the fields of an SMTP server; of a secret it tells whether it is set. Times are null if never."""

    id: int
    kind: str
    name: str
    description: str
    active: bool
    revision: int
    last_test_at: datetime | None
    last_test_passed: bool | None
    paused_until: datetime | None
    stopped_at: datetime | None
    trouble_code: str
    settings: dict[str, str | int | bool] | None
    warnings: dict[str, str]


class ServersBody(Struct):
    servers: list[ServerSummary]


class TestBody(Struct, forbid_unknown_fields=True):
    """Where the one real test mail goes."""

    to: str


class StageBody(Struct):
    name: str
    ok: bool
    duration_ms: int
    detail: str
    cause: str
    hint: str
    code: str


class TestDetail(Struct):
    """`passed` is null until it ended; read it again until then."""

    id: UUID
    to: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    stages: list[StageBody]


def list_servers(call: Call) -> HttpResponse:
    rows = Server.objects.select_related("smtpserver").order_by("name")
    return operation.answer(ServersBody([_detail(row) for row in rows]))


def show_server(call: Call, server_id: int) -> HttpResponse:
    return operation.answer(_detail(_find(server_id)))


def create_server(call: Call) -> HttpResponse:
    given = told(call.body)
    del given["kind"]
    server = SmtpServer()
    with transaction.atomic():
        _clean(server, given)
        try:
            lifecycle.add(server)
        except ValidationError as error:
            raise invalid(error) from None
        _note(call, Action.ADD, server, before={})
    answer = operation.answer(_detail(_find(server.pk)), status=HTTPStatus.CREATED)
    answer["Location"] = f"/api/v1/servers/{server.pk}"
    return answer


def change_server(call: Call, server_id: int) -> HttpResponse:
    with transaction.atomic():
        server = _find_smtp(server_id)
        before = audit.snapshot(server)
        _clean(server, told(call.body))
        try:
            lifecycle.change(server)
        except ValidationError as error:
            raise invalid(error) from None
        _note(call, Action.CHANGE, server, before=before)
    return show_server(call, server_id)


def activate_server(call: Call, server_id: int) -> HttpResponse:
    _find_smtp(server_id)
    with transaction.atomic():
        audit.record(_actor(call), action=Action.ACTIVATE, instance=lifecycle.activate(server_id))
    return show_server(call, server_id)


def delete_server(call: Call, server_id: int) -> HttpResponse:
    server = _find_smtp(server_id)
    before = audit.snapshot(server)
    with transaction.atomic():
        audit.record(_actor(call), action=Action.DELETE, instance=server, before=before)
        try:
            lifecycle.remove(server_id)
        except ValidationError as error:
            words = " ".join(error.messages)
            raise ProblemError(
                HTTPStatus.CONFLICT, words, errors=[FieldError("active", "active_server", words)]
            ) from None
    return operation.nothing()


def test_server(call: Call, server_id: int) -> HttpResponse:
    asker = Asker(call.caller.origin, call.caller.name, address=_address(call))
    try:
        test = probe.start(_find_smtp(server_id), to=call.body.to, asker=asker, now=call.now)
    except ValidationError as error:
        raise invalid(error) from None
    except ProbeRefusedError as refused:
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


def _find(server_id: int) -> Server:
    row = Server.objects.filter(pk=server_id).select_related("smtpserver").first()
    if row is None:
        raise operation.not_found("server")
    return row


def _find_smtp(server_id: int) -> SmtpServer:
    row = SmtpServer.objects.filter(pk=server_id).first()
    if row is None:
        raise operation.not_found("SMTP server")
    return row


def _clean(server: SmtpServer, given: dict[str, Any]) -> None:
    for name, value in given.items():
        column = SmtpServer._meta.get_field(name)  # noqa: SLF001 - Django's documented name for it
        setattr(server, name, column.to_python(column.get_default() if value is None else value))  # type: ignore[union-attr]
    try:
        clean_smtp(server)
    except ValidationError as error:
        raise invalid(error) from None


def _detail(row: Server) -> ServerSummary:
    own = getattr(row, "smtpserver", None)
    names = ("kind", "name", "description", "active", "revision", "last_test_at", "last_test_passed")
    return ServerSummary(
        id=row.pk,
        **{name: getattr(row, name) for name in (*names, "paused_until", "stopped_at", "trouble_code")},
        settings=_settings(own) if own else None,
        warnings=smtp_warnings(own) if own else {},
    )


def _settings(server: SmtpServer) -> dict[str, str | int | bool]:
    names = [name for name in SmtpFields.__struct_fields__ if name not in {"name", "description", *_SECRETS}]
    return {
        **{name: getattr(server, name) for name in names},
        **{f"{name}_set": bool(getattr(server, name)) for name in _SECRETS},
    }


def _test(test: ServerTest) -> TestDetail:
    names = StageBody.__struct_fields__
    stages = [StageBody(**{name: getattr(stage, name) for name in names}) for stage in test.stages.all()]
    return TestDetail(test.pk, test.to, test.started_at, test.finished_at, test.passed, stages)


def _note(call: Call, action: Action, server: SmtpServer, *, before: audit.Snapshot) -> None:
    audit.record(_actor(call), action=action, instance=server, before=before, after=audit.snapshot(server))


def _actor(call: Call) -> Actor:
    return Actor(name=call.caller.name, address=_address(call))


def _address(call: Call) -> str:
    return str(call.request.META.get("REMOTE_ADDR", ""))[:45]


_READERS, _WRITERS = (ApiScope.READ, ApiScope.ADMIN), (ApiScope.ADMIN,)
_ONE = "/servers/{server_id}"
OPERATIONS = (
    Operation(HTTPMethod.GET, "/servers", list_servers, "List servers", answer=ServersBody, scopes=_READERS),
    Operation(
        HTTPMethod.POST,
        "/servers",
        create_server,
        "Add an SMTP server; the first one becomes active",
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
        "Change an SMTP server: named fields are set, absent ones stay",
        answer=ServerSummary,
        scopes=_WRITERS,
        body=SmtpFields,
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
        f"{_ONE}/test",
        test_server,
        "Test the stored settings with one real mail",
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
