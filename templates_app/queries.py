"""What is read of templates: which apply, what their versions say, what can be sent by hand, reset or deleted."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache, reduce
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from msgspec import Struct, structs

from foundation.sql.comparisons import Contains
from foundation.sql.statements import Query
from servers.models import Server
from servers.values import KINDS_OF_CHANNEL
from templates_app import statements
from templates_app.channels import CHANNELS, TRAITS
from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion
from templates_app.texts import predefined
from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.render import Template, VersionTexts, compiled
from templates_app.texts.validators import missing
from templates_app.types import ADHOC, BY_CODE, TYPES, TemplateType
from transports.types import ChannelKind


def for_type(type_code: str) -> Query[list[Template]]:
    """The templates of the type that are sent for its events, as `speaking` says."""
    rows = yield statements.of_type(type_code)
    return speaking([_template(row) for row in rows])


def speaking(found: Sequence[Template]) -> list[Template]:
    """Of templates of one type: the administrators' own, and the predefined one on the channels where none of them is.

    The predefined one stays, whatever it has active, where no own one has an active channel.
    """
    own = [template for template in found if not template.predefined and template.texts.active_kinds()]
    taken = frozenset[ChannelKind]().union(*(template.texts.active_kinds() for template in own))
    rest = [_without(template, taken) for template in found if template.predefined]
    return [*own, *(template for template in rest if not own or template.texts.active_kinds())]


def _without(template: Template, kinds: Collection[ChannelKind]) -> Template:
    channels = {kind: channel for kind, channel in template.texts.channels.items() if kind not in kinds}
    return structs.replace(template, texts=structs.replace(template.texts, channels=channels))


def named(name_or_id: str) -> Query[Template | None]:
    """The template with this name, else this uid or number."""
    rows = yield statements.named(name_or_id, number=_number(name_or_id), uid=_uid(name_or_id))
    return _template(rows[0]) if rows else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _uid(text: str) -> str | None:
    try:
        return UUID(text).hex
    except ValueError:
        return None


def known_types() -> list[str]:
    """The codes that an event may have, in alphabetical order."""
    return list(NotificationTemplate.objects.kept().order_by("type").values_list("type", flat=True).distinct())


def as_template(row: NotificationTemplate) -> Template:
    assert row.current_id is not None
    return _template((row.pk, row.name, row.type, row.predefined, row.on_unknown, row.lifetime, row.current_id))


def _template(row: Sequence[Any]) -> Template:
    """From the columns of `statements.CURRENT`; SQLite has a duration in microseconds."""
    pk, name, type_code, predefined, on_unknown, lifetime, current_id = row
    return Template(
        id=pk,
        name=name,
        type=type_code,
        predefined=bool(predefined),
        hold_unknown=on_unknown == NotificationTemplate.OnUnknown.HOLD,
        lifetime=lifetime if isinstance(lifetime, timedelta) else timedelta(microseconds=lifetime),
        texts=version_texts(current_id),
    )


@lru_cache(maxsize=512)
def version_texts(version_id: int) -> VersionTexts:
    """One version, compiled; a version never changes."""
    version = TemplateVersion.objects.get(pk=version_id)
    return VersionTexts(
        version_id=version.pk,
        template_id=version.template_id,
        number=version.number,
        channels=compiled(content_of(version)),
    )


def searched(words: str) -> Q:
    """The templates with these words in their name, description, type or current texts, in any language."""
    types = [kind.code for kind in TYPES if words.casefold() in f"{kind.code} {_(kind.name)}".casefold()]
    texts = TemplateText.objects.filter(_contain(words, "subject", "message", "html"))
    addressed = TemplateChannel.objects.filter(_contain(words, "sender", "recipient"))
    said = Q(current__in=texts.values("channel__version")) | Q(current__in=addressed.values("version"))
    return _contain(words, "name", "description") | Q(type__in=types) | said


def _contain(words: str, *columns: str) -> Q:
    return reduce(operator.or_, (Q(Contains(F(column), words)) for column in columns))


def ready_kinds() -> frozenset[ChannelKind]:
    """The channels that have an active server; Secure Hub needs one of its two services."""
    active = set(Server.objects.filter(active=True).values_list("kind", flat=True))
    return frozenset(channel for channel, kinds in KINDS_OF_CHANNEL.items() if active.intersection(kinds))


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


def current_content(template: NotificationTemplate) -> Content:
    """What the template says now; nothing as long as it was never saved with a content."""
    return content_of(template.current) if template.current else Content()


def default_content(template: NotificationTemplate) -> Content:
    """What "Reset to default" would store. Raises ValidationError for a template that is not predefined."""
    if not template.predefined:
        raise ValidationError(_("Only a predefined template has a default."), code="not_predefined")
    return predefined.content(BY_CODE[template.type])


def why_kept(template: NotificationTemplate) -> str:
    """Why it can't be deleted; empty when it can."""
    return _("A predefined template can't be deleted.") if template.predefined else ""


def manual_sending_supported(template: NotificationTemplate) -> bool:
    """Whether its type and its texts allow sending by hand."""
    return BY_CODE[template.type].manual and current_content(template).allows_manual_sending()


def manual_templates() -> list[NotificationTemplate]:
    """The templates of the dashboard's Notifications list, by name."""
    codes = [code for code, kind in BY_CODE.items() if kind.manual]
    found = NotificationTemplate.objects.kept().filter(type__in=codes).select_related("current").order_by(Lower("name"))
    return [template for template in found if manual_sending_supported(template)]


class ChannelState(Struct, frozen=True):
    """A channel as the list shows it; `reason` says why it is not correctly configured, "" when it is."""

    kind: ChannelKind
    reason: str = ""

    @property
    def label(self) -> str:
        return TRAITS[self.kind].name


Own = Mapping[tuple[str, ChannelKind], Sequence[str]]
"""The names of the administrators' own templates that have a channel of a type active."""


def own_templates() -> Own:
    found: dict[tuple[str, ChannelKind], list[str]] = {}
    rows = NotificationTemplate.objects.kept().filter(predefined=False, current__isnull=False)
    for row in rows.select_related("current").order_by(Lower("name")):
        for kind in current_content(row).active_kinds():
            found.setdefault((row.type, kind), []).append(row.name)
    return found


class Heard(Struct, frozen=True):
    """A template that is sent for the events of its type, and by which channels."""

    name: str
    predefined: bool
    kinds: frozenset[ChannelKind]


class Turn(Struct, frozen=True):
    """A template that is sent by further channels from now on, or by some no longer."""

    name: str
    predefined: bool
    starts: tuple[ChannelKind, ...]
    stops: tuple[ChannelKind, ...]


def heard(type_code: str, *, without: int | None = None) -> dict[int, Heard]:
    """The templates that are sent for events of the type, by their id; as if there were none with the id `without`.

    A channel of the predefined one that has no active server is left out where any of them has one.
    """
    rows = NotificationTemplate.objects.kept().filter(type=type_code, current__isnull=False).exclude(pk=without or 0)
    found = speaking([as_template(row) for row in rows.order_by(Lower("name"))])
    ready = ready_kinds()
    any_served = any(_saying(each) & ready for each in found)
    kinds = {each.id: _saying(each) & ready if each.predefined and any_served else _saying(each) for each in found}
    return {each.id: Heard(each.name, each.predefined, kinds[each.id]) for each in found}


def _saying(template: Template) -> frozenset[ChannelKind]:
    return frozenset(kind for kind, texts in template.texts.channels.items() if texts.active and not texts.is_empty)


def resumed() -> Iterator[tuple[NotificationTemplate, frozenset[ChannelKind]]]:
    """The predefined templates that an update began to send by further channels, with those by which it still does."""
    for row in NotificationTemplate.objects.kept().exclude(resumed="").order_by(Lower("name")):
        if kinds := heard(row.type)[row.pk].kinds.intersection(row.resumed.split(",")):
            yield row, kinds


def turns(before: Mapping[int, Heard], after: Mapping[int, Heard]) -> tuple[Turn, ...]:
    """Who is sent by other channels than before."""
    nobody = Heard("", predefined=False, kinds=frozenset())
    found = []
    for pk in dict.fromkeys([*before, *after]):
        was, now = before.get(pk, nobody), after.get(pk, nobody)
        named = after.get(pk, was)
        starts = tuple(kind for kind in CHANNELS if kind in now.kinds - was.kinds)
        stops = tuple(kind for kind in CHANNELS if kind in was.kinds - now.kinds)
        if starts or stops:
            found.append(Turn(named.name, named.predefined, starts, stops))
    return tuple(found)


def sent_for(kind: TemplateType) -> str:
    """The templates that are sent for the type's events, each with its channels; "" where none is."""
    found = [each for each in heard(kind.code).values() if each.kinds]
    return ", ".join(f"“{each.name}” ({channel_names(each.kinds)})" for each in found)


def channel_names(kinds: Collection[ChannelKind]) -> str:
    return ", ".join(TRAITS[kind].name for kind in CHANNELS if kind in kinds)


def channel_states(
    template: NotificationTemplate, *, ready: Collection[ChannelKind], own: Own
) -> tuple[ChannelState, ...]:
    """The channels of the template's type: SMTP, SMS, Secure Hub, those that it does not send by after the others."""
    kind, content = BY_CODE[template.type], current_content(template)
    instead = {each: own.get((template.type, each), ()) if template.predefined else () for each in CHANNELS}
    states = [
        ChannelState(
            channel,
            reason=_reason(content.channel(channel), ready=ready, adhoc=kind.code == ADHOC, instead=instead[channel]),
        )
        for channel in CHANNELS
        if channel in kind.channels
    ]
    return tuple(sorted(states, key=lambda state: bool(state.reason)))


def _reason(channel: Channel, *, ready: Collection[ChannelKind], adhoc: bool, instead: Sequence[str]) -> str:
    if not channel.active:
        return _("Not activated")
    if missing(channel, adhoc=adhoc):
        return _("The text is not complete")
    if channel.kind not in ready:
        return _("No active server")
    if instead:
        return _("Sent instead: %s") % ", ".join(f"“{name}”" for name in instead)
    return ""
