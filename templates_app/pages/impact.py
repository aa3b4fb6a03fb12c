"""What deleting a server takes from the templates, shown on the page that asks for confirmation."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.kit import registry
from servers.models import Server
from servers.values import KINDS_OF_CHANNEL, ServerKind
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


def register() -> None:
    registry.add_impact("servers.Server", source=of_server)
