"""What changes for what is sent: when a server is deleted, when a template is saved or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.kit import registry
from console.kit.registry import Button, Finding, Level
from servers.models import Server
from servers.values import KINDS_OF_CHANNEL, ServerKind
from templates_app import queries
from templates_app.models import NotificationTemplate
from templates_app.queries import Turn
from transports.types import ChannelKind

_NAMED = 5


def of_server(server: Server) -> Iterator[str]:
    """Which templates lose a channel, if this is the active server of its type."""
    kind = ServerKind(server.kind)
    channels = [channel.value for channel, kinds in KINDS_OF_CHANNEL.items() if kind in kinds]
    templates = (
        NotificationTemplate.objects.kept()
        .filter(current__channels__kind__in=channels, current__channels__active=True)
        .order_by("name")
    )
    if not server.active or not templates:
        return
    names = [template.name for template in templates]
    shown = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        shown = _("%(names)s and %(count)d more") % {"names": shown, "count": len(names) - _NAMED}
    yield ngettext(
        "%(count)d notification template can't be sent through this channel any more: %(names)s.",
        "%(count)d notification templates can't be sent through this channel any more: %(names)s.",
        len(names),
    ) % {"count": len(names), "names": shown}


def of_template(template: NotificationTemplate) -> Iterator[str]:
    """Who is sent instead, and by which channels nobody is."""
    before, after = queries.heard(template.type), queries.heard(template.type, without=template.pk)
    yield from said(turn for turn in queries.turns(before, after) if turn.starts)
    gone = before.get(template.pk)
    left = frozenset[ChannelKind]().union(*(each.kinds for each in after.values()))
    if gone and (silent := queries.channel_names(gone.kinds - left)):
        yield _("Events of this type send nothing by %s any more.") % silent


def resumed() -> Iterator[Finding]:
    """The predefined templates that are sent by further channels since an update, until somebody has read it."""
    for template, kinds in queries.resumed():
        words = _(
            "Since an update it is sent by %s too: own templates of its type take over the channels that they have "
            "active, no longer all. To stop that, deactivate these channels in it."
        )
        read = Button(
            _("Understood"),
            reverse("template-understood", args=[template.pk]),
            "templates_app.change_notificationtemplate",
        )
        yield Finding(
            template.name,
            words % queries.channel_names(kinds),
            Level.WARNING,
            url=reverse("template", args=[template.pk]),
            link=_("Open the template"),
            buttons=(read,),
        )


def said(turns: Iterable[Turn]) -> Iterator[str]:
    """What changes for events of the type of these templates, a sentence each."""
    for turn in turns:
        if turn.starts and turn.predefined:
            words = _("The predefined template “%(name)s” is sent again by %(channels)s.")
            yield words % {"name": turn.name, "channels": queries.channel_names(turn.starts)}
        elif turn.starts:
            yield _("“%(name)s” is sent by %(channels)s now.") % {
                "name": turn.name,
                "channels": queries.channel_names(turn.starts),
            }
        if turn.stops and turn.predefined:
            words = _("The predefined template “%(name)s” is no longer sent by %(channels)s.")
            yield words % {"name": turn.name, "channels": queries.channel_names(turn.stops)}
        elif turn.stops:
            words = _("“%(name)s” is no longer sent by %(channels)s.")
            yield words % {"name": turn.name, "channels": queries.channel_names(turn.stops)}


def register() -> None:
    registry.add_impact("servers.Server", source=of_server)
    registry.add_impact("templates_app.NotificationTemplate", source=of_template)
    registry.add_health(resumed)
