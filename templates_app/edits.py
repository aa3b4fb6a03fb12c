"""Every save of a template is a version: add, save, read, roll back, reset, delete."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import PROTECT
from django.utils.translation import gettext as _

from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion
from templates_app.texts import predefined
from templates_app.texts.content import Channel, Content, Wording
from templates_app.types import BY_CODE, CHANNELS
from transports.types import ChannelKind

PREDEFINED_NOTE = "Predefined text"


class StaleError(Exception):
    """Somebody else saved the template meanwhile; nothing was changed. `current` is what they saved."""

    def __init__(self, current: TemplateVersion) -> None:
        super().__init__("the template was saved by somebody else meanwhile")
        self.current = current


@transaction.atomic
def add(template: NotificationTemplate, content: Content, *, author: User | None) -> TemplateVersion:
    """Store a new template with its first version. Raises ValidationError when its name was taken meanwhile."""
    _store(template)
    return save(template, content, author=author)


@transaction.atomic
def change(
    template: NotificationTemplate,
    content: Content,
    *,
    fields: Collection[str],
    author: User | None,
    base: int | None,
) -> TemplateVersion:
    """Store these fields of the template and its content, which was edited from the version `base`.

    Raises StaleError when another version is current and says something else, ValidationError when the name was taken
    meanwhile, NotificationTemplate.DoesNotExist when the template was deleted.
    """
    locked = _locked(template)
    if locked.current and locked.current.pk != base and content_of(locked.current) != content:
        raise StaleError(locked.current)
    if fields:
        _store(template, fields=fields)
    return save(template, content, author=author)


def _store(template: NotificationTemplate, *, fields: Collection[str] | None = None) -> None:
    try:
        with transaction.atomic():
            template.save(update_fields=fields)
    except IntegrityError:
        template.validate_constraints()
        raise


def _locked(template: NotificationTemplate) -> NotificationTemplate:
    """Its row as it stands, held until the transaction ends. Raises DoesNotExist when it is deleted."""
    rows = NotificationTemplate.objects.kept().select_for_update(of=("self",))
    return rows.select_related("current").get(pk=template.pk)


@transaction.atomic
def save(
    template: NotificationTemplate, content: Content, *, author: User | None = None, note: str = ""
) -> TemplateVersion:
    """Make this content the current version of a stored template; the current one again when nothing differs.

    The content must have passed `validators.check`. Two saves at once both get a number, the later one is current.
    """
    locked = _locked(template)
    if locked.current and content_of(locked.current) == content:
        template.current = locked.current
        return locked.current
    latest = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = TemplateVersion.objects.create(template=locked, number=latest + 1, author=author, note=note)
    store(content, version=version, channels=TemplateChannel, texts=TemplateText)
    NotificationTemplate.objects.filter(pk=locked.pk).update(current=version)
    template.current = version
    return version


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


def content_of(version: TemplateVersion) -> Content:
    """What a version says; read from the database once, since a version never changes."""
    return _content(version.pk, version.created_at)


@lru_cache(maxsize=2048)
def _content(version_id: int, created_at: object) -> Content:
    """`created_at` tells apart two databases, or a restored one, that gave the same id to different versions."""
    return read(version_id, channels=TemplateChannel)


def read(version_id: int, *, channels: Any) -> Content:
    """The content of a version from its rows; a migration passes its own model."""
    rows = channels.objects.filter(version_id=version_id).prefetch_related("texts")
    found = [_channel(row) for row in rows]
    return Content(channels=tuple(sorted(found, key=lambda channel: CHANNELS.index(channel.kind))))


def _channel(row: Any) -> Channel:
    texts = sorted(row.texts.all(), key=lambda text: text.language)
    return Channel(
        kind=ChannelKind(row.kind),
        active=row.active,
        sender=row.sender,
        recipient=row.recipient,
        sound=row.sound,
        wordings=tuple(Wording(text.language, text.subject, text.message, text.html) for text in texts),
    )


def roll_back(template: NotificationTemplate, *, number: int, author: User | None) -> TemplateVersion:
    """Make an older version's content current again, as a new version. Raises TemplateVersion.DoesNotExist."""
    old = template.versions.get(number=number)
    return save(template, content_of(old), author=author, note=_("Rolled back to version %d") % number)


def default_content(template: NotificationTemplate) -> Content:
    """What "Reset to default" would store. Raises ValidationError for a template that is not predefined."""
    if not template.predefined:
        raise ValidationError(_("Only a predefined template has a default."), code="not_predefined")
    return predefined.content(BY_CODE[template.type])


def reset(template: NotificationTemplate, *, author: User | None) -> TemplateVersion:
    """Make the default content of a predefined template current again, as a new version."""
    return save(template, default_content(template), author=author, note=_("Reset to default"))


@transaction.atomic
def delete(template: NotificationTemplate, *, now: datetime) -> None:
    """Hide a template everywhere and free its name; the deliveries made from it keep its versions.

    Raises ValidationError when `why_kept` has a reason, NotificationTemplate.DoesNotExist when it is deleted.
    """
    locked = _locked(template)
    reason = why_kept(locked)
    if reason:
        raise ValidationError(reason, code="predefined" if locked.predefined else "in_use")
    NotificationTemplate.objects.filter(pk=locked.pk).update(deleted_at=now)


def why_kept(template: NotificationTemplate) -> str:
    """Why it can't be deleted: it is predefined, or automated actions send it. Empty when it can."""
    if template.predefined:
        return _("A predefined template can't be deleted.")
    if _protected(template):
        return _("“%s” is sent by automated actions. Give them another template first, then delete it.") % template.name
    return ""


def _protected(template: NotificationTemplate) -> bool:
    """Whether rows of a room above stand on it, as their foreign key says."""
    relations = template._meta.related_objects  # noqa: SLF001 - public, as Django documents it
    return any(
        getattr(template, name).exists()
        for relation in relations
        if relation.on_delete is PROTECT and (name := relation.get_accessor_name())
    )
