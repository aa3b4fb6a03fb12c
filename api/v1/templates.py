"""Notification templates: read and written as on their pages; every save is a version."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import operation, texts
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.kit.problems import FieldError, ProblemError, invalid
from api.v1.bodies import Line
from api.v1.records import WarningBody
from templates_app import edits, queries
from templates_app.channels import CHANNELS
from templates_app.edits import Saved, StaleError
from templates_app.models import NotificationTemplate
from templates_app.texts.content import Channel, Content, Wording
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
    channels: Annotated[list[ChannelBody], Meta(max_length=len(CHANNELS))] | UnsetType = UNSET


class ChangedTemplate(TemplateFields, forbid_unknown_fields=True):
    """`version` is the number of the one that the change was made from: 409 where another is current by now."""

    version: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


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
    template = NotificationTemplate(type=body.type, **_values(body))
    try:
        saved = edits.add(template, _content(body.channels) or Content(), actor=call.actor)
    except ValidationError as error:
        raise invalid(error) from None
    return operation.answer(_saved(saved), status=HTTPStatus.CREATED)


def change_template(call: Call, template_id: UUID) -> HttpResponse:
    body: ChangedTemplate = call.body
    base = None if body.version is UNSET else body.version
    try:
        saved = edits.change(
            _find(template_id), _content(body.channels), values=_values(body), actor=call.actor, base=base
        )
    except ValidationError as error:
        raise invalid(error) from None
    except StaleError as stale:
        words = f"Version {stale.current.number} is current; it was saved meanwhile."
        raise _conflict("version", "stale", words) from None
    except NotificationTemplate.DoesNotExist:
        raise operation.not_found("template") from None
    return operation.answer(_saved(saved))


def delete_template(call: Call, template_id: UUID) -> HttpResponse:
    try:
        edits.delete(_find(template_id), actor=call.actor, now=call.now)
    except ValidationError as error:
        raise _conflict("body", error.code or "kept", " ".join(error.messages)) from None
    except NotificationTemplate.DoesNotExist:
        raise operation.not_found("template") from None
    return operation.nothing()


def _values(body: TemplateFields) -> dict[str, Any]:
    """The columns that the body names."""
    given = {name: getattr(body, name) for name in ("name", "description", "on_unknown")}
    if body.lifetime_seconds is not UNSET:
        given["lifetime"] = timedelta(seconds=body.lifetime_seconds)
    return {name: value for name, value in given.items() if value is not UNSET}


def _conflict(field: str, code: str, words: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, words, errors=[FieldError(field, code, words)])


def _content(channels: list[ChannelBody] | UnsetType) -> Content | None:
    if channels is UNSET:
        return None
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


def _saved(saved: Saved) -> TemplateDetail:
    warnings = [WarningBody(each.field, each.code, each.message) for each in saved.warnings]
    return _detail(saved.template, warnings=warnings)


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
        body=ChangedTemplate,
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
