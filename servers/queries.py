"""The active servers, as the flow sees them."""

from __future__ import annotations

from servers.models import PushService, Server, SmsGateway, SmtpServer
from servers.values import Route, ServerKind

AnyServer = SmtpServer | SmsGateway | PushService


def active_routes() -> dict[ServerKind, Route]:
    """The active server of each kind that has one."""
    rows = Server.objects.filter(active=True).select_related("smtpserver", "smsgateway", "pushservice")
    found = {}
    for row in rows:
        own = child(row)
        found[ServerKind(row.kind)] = Route(
            server_id=row.pk,
            kind=ServerKind(row.kind),
            limits=own.limits(),
            country=own.country if isinstance(own, SmsGateway) else "",
        )
    return found


def find(server_id: int) -> AnyServer | None:
    row = Server.objects.filter(pk=server_id).select_related("smtpserver", "smsgateway", "pushservice").first()
    return child(row) if row else None


def child(server: Server) -> AnyServer:
    """The server as its own kind."""
    match ServerKind(server.kind):
        case ServerKind.SMTP:
            return server.smtpserver
        case ServerKind.SMS:
            return server.smsgateway
        case ServerKind.APNS | ServerKind.FCM:
            return server.pushservice


def country() -> str:
    """The country (ISO 3166) of the active SMS gateway, by which numbers without one are read; empty without it."""
    return SmsGateway.objects.filter(active=True).values_list("country", flat=True).first() or ""
