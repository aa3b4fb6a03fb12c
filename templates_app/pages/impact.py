"""What deleting a server takes from the templates, shown on the page that asks for confirmation."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.kit import registry
from servers.models import Server
from servers.values import KINDS_OF_CHANNEL, ServerKind
from templates_app import queries
from templates_app.channels import CHANNELS, TRAITS
from templates_app.models import NotificationTemplate

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
    """Where the predefined template of its type is sent again."""
    own = queries.own_templates()
    predefined = NotificationTemplate.objects.kept().filter(type=template.type, predefined=True).first()
    if template.predefined or predefined is None:
        return
    active = queries.current_content(predefined).active_kinds()
    alone = [kind for kind in CHANNELS if own.get((template.type, kind)) == [template.name] and kind in active]
    if alone:
        channels = ", ".join(TRAITS[kind].name for kind in alone)
        words = _("The predefined template “%(name)s” is sent again by %(channels)s.")
        yield words % {"name": predefined.name, "channels": channels}


def register() -> None:
    registry.add_impact("servers.Server", source=of_server)
    registry.add_impact("templates_app.NotificationTemplate", source=of_template)
