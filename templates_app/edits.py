"""Every write to a template: add, change, roll back, reset, delete. Console, API and commands call these alone.

Each validates what is new, looks whether somebody else saved meanwhile, writes, and tells the audit trail, in one
transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from foundation import audit
from foundation.audit import Action, Actor, Snapshot
from servers.queries import country
from templates_app import queries
from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion
from templates_app.queries import Turn
from templates_app.texts import validators
from templates_app.texts.content import Content, fields_of
from templates_app.texts.validators import Finding
from templates_app.types import BY_CODE, TemplateType
from transports.addresses import invisible


class StaleError(Exception):
    """Somebody else saved the template meanwhile; nothing was changed.

    `current` is the version that is current now, `columns` what now stands in those columns that both changed.
    """

    def __init__(self, current: TemplateVersion, columns: Mapping[str, Any]) -> None:
        super().__init__("the template was saved by somebody else meanwhile")
        self.current, self.columns = current, columns


class Saved(Struct, frozen=True):
    """A template as it is stored now, what its texts are warned of, and who is sent by other channels than before."""

    template: NotificationTemplate
    version: TemplateVersion
    warnings: tuple[Finding, ...] = ()
    turns: tuple[Turn, ...] = ()


@transaction.atomic
def add(template: NotificationTemplate, content: Content, *, actor: Actor) -> Saved:
    """Store a new template with its first version.

    Raises ValidationError by field: for its type, its name when that is taken, and for whatever its texts have wrong.
    """
    warnings = _check(content, kind=_type_to_add(template.type), before=None)
    heard = queries.heard(template.type)
    with audit.change(actor, action=Action.ADD, instance=template, show=_shown):
        _store(template)
        version = _make_current(template, content, actor=actor)
    return Saved(template, version, warnings, turns=queries.turns(heard, queries.heard(template.type)))


@transaction.atomic
def change(
    template: NotificationTemplate,
    content: Content | None,
    *,
    values: Mapping[str, Any],
    actor: Actor,
    base: int | None,
    seen: Mapping[str, Any] | None = None,
) -> Saved:
    """Store these values of its columns, and a content, which was edited from the version with the number `base`.

    Without a content the texts stay, without a base they replace what is current, whatever that is. `seen` is what
    stood in the columns when the editing began. Raises StaleError when another version is current and says something
    else, or when somebody else changed one of these columns, ValidationError by field as `add` does,
    NotificationTemplate.DoesNotExist when the template was deleted.
    """
    locked = _locked(template)
    stored, heard = queries.current_content(locked), queries.heard(locked.type)
    _refuse_stale(locked, content, base=base, columns=_changed_by_others(locked, values, seen=seen or {}))
    wanted = stored if content is None else content
    warnings = _check(wanted, kind=BY_CODE[locked.type], before=stored)
    with audit.change(actor, action=Action.CHANGE, instance=locked, show=_shown):
        for name, value in values.items():
            setattr(locked, name, value)
        if values:
            _store(locked, fields=values)
        version = _make_current(locked, wanted, actor=actor)
    return Saved(locked, version, warnings, turns=queries.turns(heard, queries.heard(locked.type)))


def roll_back(template: NotificationTemplate, *, number: int, actor: Actor, base: int | None) -> Saved:
    """Make an older version's content current again, as a new version; `base` is the one that it was compared with.

    It is checked as any content that is saved. Raises TemplateVersion.DoesNotExist, and what `change` raises.
    """
    content = queries.content_of(template.versions.get(number=number))
    return _replace(template, content, actor=actor, base=base, note=_("Rolled back to version %d") % number)


def reset(template: NotificationTemplate, *, actor: Actor, base: int | None) -> Saved:
    """Make the default content of a predefined template current again, as a new version, as `roll_back` does.

    Its channels become active with or without a server, as they come. Raises ValidationError for one that is not
    predefined.
    """
    content = queries.default_content(template)
    return _replace(template, content, actor=actor, base=base, note=_("Reset to default"), before=content)


@transaction.atomic
def delete(template: NotificationTemplate, *, actor: Actor, now: datetime) -> None:
    """Hide a template everywhere and free its name; the deliveries made from it keep its versions.

    Raises ValidationError when `queries.why_kept` has a reason, NotificationTemplate.DoesNotExist when it is deleted.
    """
    locked = _locked(template)
    reason = queries.why_kept(locked)
    if reason:
        raise ValidationError(reason, code="predefined")
    with audit.change(actor, action=Action.DELETE, instance=locked, show=_shown):
        NotificationTemplate.objects.filter(pk=locked.pk).update(deleted_at=now)


@transaction.atomic
def acknowledge(template: NotificationTemplate, *, actor: Actor) -> None:
    """Health no longer tells by which channels an update began to send it. Raises DoesNotExist when it is deleted."""
    locked = _locked(template)
    with audit.change(actor, action=Action.CHANGE, instance=locked, show=_shown):
        locked.resumed = ""
        locked.save(update_fields=["resumed"])


def store(content: Content, *, version: Any, channels: Any, texts: Any) -> None:
    """Write the rows of a version that has none yet; a migration passes its own models."""
    for channel in content.channels:
        row = channels.objects.create(
            version=version,
            kind=channel.kind.value,
            active=channel.active,
            sender=channel.sender,
            recipient=channel.recipient,
            sound=channel.sound,
        )
        texts.objects.bulk_create(
            texts(
                channel=row,
                language=wording.language,
                subject=wording.subject,
                message=wording.message,
                html=wording.html,
            )
            for wording in channel.wordings
        )


def _type_to_add(code: str) -> TemplateType:
    try:
        return validators.check_type(code)
    except ValidationError as error:
        raise ValidationError({"type": error}) from None


def _check(content: Content, *, kind: TemplateType, before: Content | None) -> tuple[Finding, ...]:
    """The warnings. Raises ValidationError for the rest."""
    findings = validators.check(content, kind=kind, ready=queries.ready_kinds(), before=before, country=country())
    validators.refuse(findings)
    return tuple(finding for finding in findings if finding.warning)


def _store(template: NotificationTemplate, *, fields: Collection[str] | None = None) -> None:
    """Raises ValidationError for these columns, by field, and when its name was taken meanwhile."""
    template.name = invisible.trimmed(template.name)
    columns = {column.name for column in template._meta.fields}  # noqa: SLF001 - Django's documented name for it
    template.clean_fields(exclude=columns.difference(fields or columns))
    try:
        with transaction.atomic():
            template.save(update_fields=fields)
    except IntegrityError:
        if NotificationTemplate.objects.kept().filter(name=template.name).exclude(pk=template.pk).exists():
            raise ValidationError({"name": validators.name_taken()}) from None
        raise


def _locked(template: NotificationTemplate) -> NotificationTemplate:
    """Its row as it stands, held until the transaction ends. Raises DoesNotExist when it is deleted.

    Its current version is read by a statement of its own: joined to a row that was waited for, PostgreSQL has none.
    """
    return NotificationTemplate.objects.kept().select_for_update().get(pk=template.pk)


def _changed_by_others(
    locked: NotificationTemplate, values: Mapping[str, Any], *, seen: Mapping[str, Any]
) -> dict[str, Any]:
    """What now stands in columns that are to be changed, where that is neither what was seen nor what is wanted."""
    stored = {name: getattr(locked, name) for name in values if name in seen}
    return {name: value for name, value in stored.items() if value not in {seen[name], values[name]}}


def _refuse_stale(
    locked: NotificationTemplate, content: Content | None, *, base: int | None, columns: Mapping[str, Any]
) -> None:
    """Raises StaleError."""
    if not locked.current:
        return
    is_current = base in {None, locked.current.number} or content == queries.current_content(locked)
    if columns or not is_current:
        raise StaleError(locked.current, columns)


@transaction.atomic
def _replace(
    template: NotificationTemplate,
    content: Content,
    *,
    actor: Actor,
    base: int | None,
    note: str,
    before: Content | None = None,
) -> Saved:
    """`before` is what may already have been active; what is current where it is not given."""
    locked = _locked(template)
    stored, heard = queries.current_content(locked), queries.heard(locked.type)
    _refuse_stale(locked, content, base=base, columns={})
    warnings = _check(content, kind=BY_CODE[locked.type], before=before or stored)
    with audit.change(actor, action=Action.CHANGE, instance=locked, show=_shown):
        version = _make_current(locked, content, actor=actor, note=note)
    return Saved(locked, version, warnings, turns=queries.turns(heard, queries.heard(locked.type)))


def _make_current(locked: NotificationTemplate, content: Content, *, actor: Actor, note: str = "") -> TemplateVersion:
    """A new version with this content; the current one where nothing differs."""
    if locked.current and queries.content_of(locked.current) == content:
        return locked.current
    latest = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = TemplateVersion.objects.create(template=locked, number=latest + 1, saved_by=actor.name[:255], note=note)
    store(content, version=version, channels=TemplateChannel, texts=TemplateText)
    locked.current = version
    locked.save(update_fields=["current"])
    return version


def _shown(template: NotificationTemplate) -> Snapshot:
    """What the audit trail compares: its columns, and each text that is not empty."""
    texts = fields_of(queries.current_content(template))
    return {**audit.snapshot(template), **{name: text for name, text in texts if text}}
