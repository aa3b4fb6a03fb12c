"""The table of kinds of servers: adding one is a line here and a folder beside. See docs/adding-a-channel.md."""

from __future__ import annotations

from typing import Any

from servers.kind import NOTIFICATION_SERVER, Kind
from servers.models import Server
from servers.push.kind import APNS, FCM
from servers.sms.kind import SMS
from servers.smtp.kind import SMTP
from servers.values import ServerKind

KINDS: dict[ServerKind, Kind[Any]] = {kind.value: kind for kind in (SMTP, SMS, APNS, FCM)}


def page_of(server: Server) -> str:
    """The name of the list that it stands on."""
    kind = KINDS.get(ServerKind(server.kind))
    return kind.page if kind else NOTIFICATION_SERVER


def of(server: Server) -> Kind[Any]:
    """Raises KeyError for a server of a kind that is not in the table."""
    return KINDS[ServerKind(server.kind)]
