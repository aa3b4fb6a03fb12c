"""Notification templates: read and written as on their pages; every save is a version."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import operation, texts
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.kit.problems import FieldError, ProblemError, invalid, unprocessable
from api.v1.bodies import Line
from api.v1.records import WarningBody
from foundation import audit
from foundation.audit import Action
from servers.queries import country
from templates_app import edits, queries
from templates_app.models import NotificationTemplate
from templates_app.texts import validators
from templates_app.texts.content import Channel, Content, Wording
from templates_app.types import BY_CODE
from transports.types import ChannelKind

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=texts.LINE)]
Seconds = Annotated[int, Meta(ge=60, le=31_536_000)]
OnUnknown = Literal["send_again", "hold"]


class TextBody(Struct, forbid_unknown_fields=True):
    """Subject and message in one language; "" is the one everybody falls back to."""

    language: str = ""
    subject: str = ""
    message: str = ""
    html: str = ""


class ChannelBody(Struct, forbid_unknown_fields=True):
    kind: ChannelKind
    active: bool = False
    sender: Line = ""
    recipient: str = ""
    sound: Line = ""
    texts: Annotated[list[TextBody], Meta(max_length=100)] = []


class TemplateFields(Struct, forbid_unknown_fields=True):
    """Named fields are set, absent ones stay; `channels` replaces all of them as a new version."""

    name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=2_000)] | UnsetType = UNSET
    on_unknown: OnUnknown | UnsetType = UNSET
    lifetime_seconds: Seconds | UnsetType = UNSET
    channels: Annotated[list[ChannelBody], Meta(max_length=3)] | UnsetType = UNSET


class NewTemplate(TemplateFields, forbid_unknown_fields=True, kw_only=True):
    name: Name
    type: Annotated[str, Meta(max_length=64)]


class TemplateDetail(Struct):
    id: UUID
    name: str
    description: str
    type: str
    predefined: bool
    version: int | None
    on_unknown: str
    lifetime_seconds: int
    channels: list[ChannelBody]
    warnings: list[WarningBody]


class TemplatesBody(Struct):
    templates: list[TemplateDetail]


def list_templates(call: Call) -> HttpResponse:
    rows = NotificationTemplate.objects.kept().select_related("current").order_by("name")
    return operation.answer(TemplatesBody([_detail(row) for row in rows]))


def show_template(call: Call, template_id: UUID) -> HttpResponse:
    return operation.answer(_detail(_find(template_id)))


def create_template(call: Call) -> HttpResponse:
    body: NewTemplate = call.body
    try:
        validators.check_type(body.type)
    except ValidationError as error:
        raise unprocessable("type", error.code or "invalid", " ".join(error.messages)) from None
    answer = _save(call, NotificationTemplate(type=body.type), body, action=Action.ADD)
    answer.status_code = HTTPStatus.CREATED.value
    return answer


def change_template(call: Call, template_id: UUID) -> HttpResponse:
    return _save(call, _find(template_id), call.body, action=Action.CHANGE)


def delete_template(call: Call, template_id: UUID) -> HttpResponse:
    template = _find(template_id)
    before = audit.snapshot(template)
    try:
        with transaction.atomic():
            audit.record(call.actor, action=Action.DELETE, instance=template, before=before)
            edits.delete(template, now=call.now)
    except ValidationError as error:
        words = " ".join(error.messages)
        raise ProblemError(
            HTTPStatus.CONFLICT, words, errors=[FieldError("body", error.code or "kept", words)]
        ) from None
    return operation.nothing()


def _save(call: Call, template: NotificationTemplate, body: TemplateFields, *, action: Action) -> HttpResponse:
    before = audit.snapshot(template)
    content = queries.current_content(template) if body.channels is UNSET else _content(body.channels)
    findings = validators.check(
        content,
        kind=BY_CODE[template.type],
        ready=queries.ready_kinds(),
        before=queries.current_content(template) if template.pk else None,
        country=country(),
    )
    try:
        validators.refuse(findings)
    except ValidationError as error:
        raise invalid(error) from None
    _set(template, body)
    try:
        with transaction.atomic():
            template.save()
            edits.save(template, content)
            audit.record(call.actor, action=action, instance=template, before=before, after=audit.snapshot(template))
    except IntegrityError:
        raise unprocessable("name", "taken", "Another template has this name.") from None
    warnings = [WarningBody(each.field, each.code, each.message) for each in findings if each.warning]
    return operation.answer(_detail(template, warnings=warnings))


def _set(template: NotificationTemplate, body: TemplateFields) -> None:
    for name in ("name", "description", "on_unknown"):
        value = getattr(body, name)
        if value is not UNSET:
            setattr(template, name, value)
    if body.lifetime_seconds is not UNSET:
        template.lifetime = timedelta(seconds=body.lifetime_seconds)


def _content(channels: list[ChannelBody]) -> Content:
    return Content(
        tuple(
            Channel(
                kind=each.kind,
                active=each.active,
                sender=each.sender,
                recipient=each.recipient,
                sound=each.sound,
                wordings=tuple(Wording(text.language, text.subject, text.message, text.html) for text in each.texts),
            )
            for each in channels
        )
    )


def _detail(row: NotificationTemplate, *, warnings: list[WarningBody] | None = None) -> TemplateDetail:
    channels = [
        ChannelBody(
            each.kind,
            each.active,
            each.sender,
            each.recipient,
            each.sound,
            [TextBody(text.language, text.subject, text.message, text.html) for text in each.wordings],
        )
        for each in queries.current_content(row).channels
    ]
    return TemplateDetail(
        id=row.uid,
        name=row.name,
        description=row.description,
        type=row.type,
        predefined=row.predefined,
        version=row.current.number if row.current else None,
        on_unknown=row.on_unknown,
        lifetime_seconds=int(row.lifetime.total_seconds()),
        channels=channels,
        warnings=warnings or [],
    )


def _find(template_id: UUID) -> NotificationTemplate:
    row = NotificationTemplate.objects.kept().select_related("current").filter(uid=template_id).first()
    if row is None:
        raise operation.not_found("template")
    return row


_READERS, _WRITERS = (ApiScope.READ, ApiScope.ADMIN), (ApiScope.ADMIN,)
_ONE = "/templates/{template_id}"
OPERATIONS = (
    Operation(HTTPMethod.GET, "/templates", list_templates, "List templates", answer=TemplatesBody, scopes=_READERS),
    Operation(
        HTTPMethod.POST,
        "/templates",
        create_template,
        "Add a template",
        answer=TemplateDetail,
        scopes=_WRITERS,
        status=HTTPStatus.CREATED,
        body=NewTemplate,
    ),
    Operation(HTTPMethod.GET, _ONE, show_template, "One template", answer=TemplateDetail, scopes=_READERS),
    Operation(
        HTTPMethod.PUT,
        _ONE,
        change_template,
        "Change a template; new texts are a new version",
        answer=TemplateDetail,
        scopes=_WRITERS,
        body=TemplateFields,
    ),
    Operation(
        HTTPMethod.DELETE,
        _ONE,
        delete_template,
        "Delete a template; a predefined one stays",
        scopes=_WRITERS,
        status=HTTPStatus.NO_CONTENT,
    ),
)
