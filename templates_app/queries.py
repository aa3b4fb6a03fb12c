"""Which templates apply, with their texts compiled."""

from __future__ import annotations

from functools import lru_cache

from django.db.models import Q, QuerySet

from templates_app.macros.evaluate import Mode, Program, program
from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion
from templates_app.render import ChannelTexts, LanguageText, Template, VersionTexts
from transports.types import ChannelKind

_MESSAGE_MODE = {ChannelKind.SMTP: Mode.TEXT, ChannelKind.SMS: Mode.SMS, ChannelKind.SECURE_HUB: Mode.TEXT}


def for_type(type_code: str) -> list[Template]:
    """The administrators' own templates of the type with an active channel; if there is none, the predefined one."""
    found = [as_template(row) for row in _current().filter(type=type_code)]
    own = [template for template in found if not template.predefined and _any_active(template)]
    return own or [template for template in found if template.predefined]


def named(name_or_id: str) -> Template | None:
    """The template with this name or id."""
    match = Q(name=name_or_id)
    if len(name_or_id) == 36:
        match |= Q(uid=name_or_id) if _is_uid(name_or_id) else Q()
    row = _current().filter(match).first()
    return as_template(row) if row else None


def known_types() -> list[str]:
    """The codes that an event may have, in alphabetical order."""
    return list(NotificationTemplate.objects.order_by("type").values_list("type", flat=True).distinct())


def as_template(row: NotificationTemplate) -> Template:
    assert row.current_id is not None
    return Template(
        id=row.pk,
        name=row.name,
        type=row.type,
        predefined=row.predefined,
        hold_unknown=row.on_unknown == NotificationTemplate.OnUnknown.HOLD,
        lifetime=row.lifetime,
        texts=version_texts(row.current_id),
    )


@lru_cache(maxsize=512)
def version_texts(version_id: int) -> VersionTexts:
    """One version, compiled; a version never changes."""
    version = TemplateVersion.objects.prefetch_related("channels__texts").get(pk=version_id)
    channels = [_channel(row) for row in version.channels.all()]
    return VersionTexts(
        version_id=version.pk,
        template_id=version.template_id,
        number=version.number,
        channels={channel.kind: channel for channel in channels},
    )


def _current() -> QuerySet[NotificationTemplate]:
    return NotificationTemplate.objects.filter(current__isnull=False).order_by("name")


def _any_active(template: Template) -> bool:
    return any(channel.active for channel in template.texts.channels.values())


def _channel(row: TemplateChannel) -> ChannelTexts:
    kind = ChannelKind(row.kind)
    entries = [entry.strip() for entry in row.recipient.split(";")]
    return ChannelTexts(
        kind=kind,
        active=row.active,
        sender=program(row.sender, mode=Mode.SENDER) if row.sender else None,
        recipients=tuple(program(entry, mode=Mode.RECIPIENT) for entry in entries if entry),
        sound=row.sound,
        texts={text.language.lower(): _text(text, kind=kind) for text in row.texts.all()},
    )


def _text(row: TemplateText, *, kind: ChannelKind) -> LanguageText:
    html: Program | None = program(row.html, mode=Mode.HTML) if row.html else None
    return LanguageText(
        subject=program(row.subject, mode=Mode.SUBJECT),
        message=program(row.message, mode=_MESSAGE_MODE[kind]),
        html=html,
    )


def _is_uid(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF-" for character in text)
