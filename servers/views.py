"""Settings > Notification Server: the list, the form of an SMTP server, activate, delete."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateView

from console import audit, registry
from console.audit import Action
from console.editing import DeletePage, FormPage
from console.pages import SettingsChildView
from console.registry import Words
from console.views import ConsoleView
from servers import health, lifecycle, probe
from servers.forms import ADVANCED, MAIN, SHOWN_WHEN, SmtpServerForm
from servers.models import Server, SmtpServer
from servers.providers import PROVIDERS
from servers.queries import AnyServer, child
from servers.validators import KNOWN_PORTS, smtp_warnings
from servers.values import ServerKind


class ServerListPage(SettingsChildView, TemplateView):
    """Both kinds in one table, the active ones first."""

    template_name = "servers/list.html"
    title = gettext_lazy("Notification Server")
    page = "notification-server"
    permissions = ("servers.view_server",)
    write_permissions = ("servers.change_server",)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = Server.objects.filter(kind__in=(ServerKind.SMTP, ServerKind.SMS)).order_by("-active", "kind", "name")
        rows = [_row(server) for server in found.select_related("smtpserver", "smsgateway", "pushservice")]
        panels = registry.panels("notification-server", self.request)
        return super().get_context_data(rows=rows, panels=panels, **kwargs)


class ActivateView(ConsoleView):
    """POST only: makes a server the active one of its type."""

    http_method_names = ["post"]
    permissions = ("servers.view_server",)
    write_permissions = ("servers.change_server",)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            with transaction.atomic():
                server = lifecycle.activate(pk)
                audit.record(audit.by_request(request), action=Action.ACTIVATE, instance=child(server))
        except Server.DoesNotExist:
            raise Http404 from None
        messages.success(request, _("“%s” is active now.") % server)
        return redirect("notification-server")


class ServerView(SettingsChildView):
    """A page below the list."""

    page = "notification-server"

    def get_success_url(self) -> str:
        return reverse("notification-server")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("Notification Server"), reverse("notification-server"))]


class SmtpServerPage(ServerView, FormPage[SmtpServer]):
    template_name = "servers/smtp.html"
    model = SmtpServer
    form_class = SmtpServerForm
    add_title = gettext_lazy("Add SMTP Server")
    permissions = ("servers.view_smtpserver",)
    write_permissions: tuple[str, ...] = ("servers.add_smtpserver", "servers.change_smtpserver")

    def get_form(self, **kwargs: Any) -> SmtpServerForm:
        form = SmtpServerForm(instance=self.instance, **kwargs)
        rule = {"field": "port", "ports": KNOWN_PORTS}
        form.fields["security"].widget.attrs["data-port-for"] = json.dumps(rule)
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"]
        warnings = smtp_warnings(self.instance) if not form.errors else {}
        providers = [(provider.name, json.dumps(provider.fields)) for provider in PROVIDERS]
        context = {
            "main": [_field(form, name, warnings=warnings) for name in MAIN],
            "advanced": [_field(form, name, warnings=warnings) for name in ADVANCED],
            "advanced_open": any(name in form.errors for name in ADVANCED),
            "providers": providers if self.instance.pk is None else [],
            "form_url": reverse("smtp-server", args=[self.instance.pk])
            if self.instance.pk
            else reverse("smtp-server-add"),
            "test_url": reverse("smtp-server-test", args=[self.instance.pk] if self.instance.pk else []),
            "test_to": self.request.POST.get("test_to", getattr(self.request.user, "email", "")),
            "may_test": self.request.user.has_perm(probe.PERMISSION),
        }
        return super().get_context_data(**context | kwargs)


class ServerDeletePage(ServerView, DeletePage[Server]):
    model = Server
    permissions = ("servers.view_server",)
    write_permissions = ("servers.delete_server",)

    def why_kept(self, instance: Server) -> Words:
        return lifecycle.why_kept(instance)

    def remove(self, instance: Server) -> None:
        lifecycle.remove(instance.pk)


def _field(form: SmtpServerForm, name: str, *, warnings: dict[str, str]) -> dict[str, Any]:
    return {"field": form[name], "when": SHOWN_WHEN.get(name, ""), "warning": warnings.get(name, "")}


def _row(server: Server) -> dict[str, Any]:
    own = child(server)
    return {
        "server": server,
        "url": health.address(server),
        "endpoint": _endpoint(own),
        "security": own.get_security_display() if isinstance(own, SmtpServer) else "",
        "level": health.level(server),
        "trouble": health.trouble(server) if server.stopped_at or health.rests(server) else "",
        "rests": health.rests(server),
    }


def _endpoint(server: AnyServer) -> str:
    return f"{server.host}:{server.port}" if isinstance(server, SmtpServer) else "Nexmo"
