"""The dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateView

from console.kit import charts, registry
from console.kit.charts import Chart, Series
from console.kit.registry import Words
from devices.limits import ScopedView
from devices.models import Device, Person
from devices.scope import GroupScope
from dispatch.dashboard import figures as queries
from dispatch.dashboard.figures import Day
from dispatch.log import reasons
from dispatch.models import Delivery
from servers import health
from servers.models import Server
from servers.queries import deleted_servers
from servers.values import ServerKind
from transports.types import AddressKind

_STYLES = ((ServerKind.SMTP, "s1"), (ServerKind.SMS, "s2"), (ServerKind.APNS, "s3"), (ServerKind.FCM, "s5"))

_SHOWN = ("kind", "name", "active", "stopped_at", "paused_until", "last_test_passed")


class DashboardPage(ScopedView, TemplateView):
    """How sending goes: now, over two weeks, each server, the latest failures; what to set up, until mail goes out."""

    template_name = "dispatch/dashboard.html"
    title = gettext_lazy("Dashboard")
    page = "dashboard"
    permissions = ("dispatch.view_delivery",)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        hours = queries.hours(scope=self.scope, now=now)
        days, figures = queries.days(hours, now=now), queries.now_figures(hours, scope=self.scope, now=now)
        every = health.in_order(Server.objects.only(*_SHOWN))
        servers, names = [server for server in every if server.active], {server.pk: server.name for server in every}
        failures = queries.recent_failures(scope=self.scope)
        if gone := {row.server_id for row in failures if row.server_id} - set(names):
            names |= {int(key): _("%s (deleted)") % name for key, name in deleted_servers(gone)}
        context = {
            "figures": figures,
            "most": queries.MOST_COUNTED,
            "messages_chart": _messages_chart(days),
            "latency_chart": _latency_chart(days),
            "servers": [_server(server, scope=self.scope) for server in servers],
            "failures": [_failure(row, names=names) for row in failures],
            "steps": [] if figures.anything_sent else _steps(servers),
            "panels": registry.panels("dashboard", self.request),
        }
        return super().get_context_data(**context, **kwargs)


def masked(address: str, *, kind: str) -> str:
    """Enough of an address to recognise it."""
    if kind == AddressKind.MAIL:
        name, _at, domain = address.rpartition("@")
        return f"{name[:1]}••@{domain}"
    return f"{address[:3]}••••{address[-3:]}" if len(address) > 8 else "••••"


def _messages_chart(days: Sequence[Day]) -> Chart:
    kinds = [(kind, style) for kind, style in _STYLES if kind is ServerKind.SMTP or any(d.sent.get(kind) for d in days)]
    series = [Series(Server.Kind(kind).label, [day.sent.get(kind, 0) for day in days], style) for kind, style in kinds]
    series.append(Series(_("Failed"), [day.failed for day in days], "s4"))
    return charts.stacked_bars(_("Messages, last 14 days"), categories=_labels(days), series=series)


def _latency_chart(days: Sequence[Day]) -> Chart:
    values = [day.median for day in days]
    series = Series(_("Seconds until the server took it"), values, "s1")
    return charts.line(_("Median latency, last 14 days"), categories=_labels(days), series=series, unit="s")


def _labels(days: Sequence[Day]) -> list[str]:
    return [f"{day.on:%d %b}" for day in days]


def _server(server: Server, *, scope: GroupScope) -> dict[str, Any]:
    level = health.level(server)
    words = {registry.Level.OK: _("Active"), registry.Level.WARNING: _("Paused"), registry.Level.ERROR: _("Stopped")}
    return {
        "server": server,
        "url": health.address(server),
        "level": level,
        "words": words[level],
        "waiting": queries.waiting_for(server, scope=scope),
    }


def _failure(row: Delivery, *, names: dict[int, str]) -> dict[str, Any]:
    return {
        "row": row,
        "to": masked(row.address, kind=row.address_kind),
        "server": names.get(row.server_id, "") if row.server_id else "",
        "reason": reasons.words(row.reason_code),
    }


def _steps(servers: list[Server]) -> list[tuple[Words, bool, str]]:
    """What is to be done before the first message goes out: words, whether it is done, where."""
    servers_page = reverse("notification-server")
    return [
        (_("Set up an SMTP server."), any(server.kind == ServerKind.SMTP for server in servers), servers_page),
        (_("Test it with a message to yourself."), any(server.last_test_passed for server in servers), servers_page),
        (
            _("Bring in devices or users through the HTTP interface."),
            Device.objects.exists() or Person.objects.exists(),
            "/api/docs",
        ),
        (_("Post the first event."), Delivery.objects.exists(), "/api/docs"),
    ]
