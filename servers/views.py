"""Settings > Notification Server: the list, the forms, activate, delete."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic.base import TemplateView
from msgspec import Struct

from console.kit import registry
from console.kit.editing import DeletePage, FormPage
from console.kit.pages import SettingsChildView
from console.kit.registry import Words
from console.kit.typed_secrets import Keeper
from console.kit.views import ConsoleView
from foundation import audit
from foundation.audit import Snapshot
from servers import edits, health, kept_secrets
from servers.forms import S, ServerForm, SmsGatewayForm, SmtpServerForm
from servers.models import PushService, Server, SmsGateway, SmtpServer
from servers.queries import AnyServer, child
from servers.sms import receipts
from servers.sms.validators import sms_warnings
from servers.smtp.providers import PROVIDERS
from servers.testing import runs
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


class ServerDeed(ConsoleView):
    """POST only: does something to one server."""

    http_method_names = ["post"]
    permissions = ("servers.view_server",)
    write_permissions = ("servers.change_server",)


class TryAgainView(ServerDeed):
    """Has a stopped or paused server tried with one message now."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        server = get_object_or_404(Server, pk=pk)
        tried = edits.try_again(pk, actor=audit.by_request(request), now=timezone.now())
        words = _("“%s” is tried with one message now.") if tried else _("“%s” is neither stopped nor paused.")
        messages.success(request, words % server)
        return redirect("notification-server")


class ForgetView(ServerDeed):
    """Forgets what was seen of a server."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        server = get_object_or_404(Server, pk=pk)
        edits.forget(pk, actor=audit.by_request(request))
        messages.success(request, _("What was learned of “%s” is forgotten.") % server)
        return redirect(health.address(server))


class ActivateView(ServerDeed):
    """Makes a server the active one of its type."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        server = get_object_or_404(Server, pk=pk)
        try:
            edits.activate(pk, actor=audit.by_request(request), now=timezone.now())
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


class TestBox(Struct, frozen=True):
    """How a page asks where the one test message goes."""

    label: Words
    type: str
    longest: int
    autocomplete: str


class ServerFormPage(ServerView, FormPage[S]):
    """The form of one kind of server. `address` is the name of its URL, with "-add" and "-test" for the others."""

    template_name = "servers/form.html"
    asks_password = True
    form_class: type[ServerForm[S]]
    address: str
    box: TestBox

    def get_form(self, **kwargs: Any) -> ServerForm[S]:
        """With secrets that were kept of the same form, when it was refused before."""
        if "data" not in kwargs:
            return self.form_class(instance=self.instance)
        self.restored, lost = self._keeper().restore(kwargs["data"])
        form = self.form_class(self.restored, instance=self.instance)
        form.lost_secrets = lost
        return form

    def _keeper(self) -> Keeper:
        return Keeper(self.request.user.pk or 0, self.form_url(), kept_secrets.bound(self.model))

    def _kept(self, form: ServerForm[S]) -> dict[str, str]:
        if not form.is_bound:
            return {}
        kept = self._keeper().keep(self.request.POST, restored=self.restored, refused=form.errors)
        for name in form.secrets:
            if self.restored.get(name) and name not in form.errors:
                form.say_kept(name)
        return kept

    def get_warnings(self) -> dict[str, str]:
        """What is risky about the instance, by field."""
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"]
        warnings = self.get_warnings() if not form.errors else {}
        own = [self.instance.pk] if self.instance.pk else []
        context = {
            "kept": self._kept(form),
            "main": [_field(form, name, warnings=warnings) for name in form.main],
            "advanced": [_field(form, name, warnings=warnings) for name in form.advanced],
            "advanced_open": any(name in form.errors for name in form.advanced),
            "form_url": self.form_url(),
            "test_url": reverse(f"{self.address}-test", args=own),
            "test_box": self.box,
            "test_to": self.request.POST.get("test_to", self.usual_test_to()),
            "may_test": self.request.user.has_perm(runs.PERMISSION),
            "learned": _learned(self.instance),
            "learned_of": self.instance.pk,
        }
        return super().get_context_data(**context | kwargs)

    def seen(self, form: ModelForm[S]) -> str:
        return str(self.instance.revision)

    def store(self, form: ModelForm[S], *, before: Snapshot) -> S:
        actor = audit.by_request(self.request)
        if self.instance.pk:
            edits.change(form.instance, actor=actor, now=timezone.now())
        else:
            edits.create(form.instance, actor=actor)
        return form.instance

    def form_url(self) -> str:
        """The address of the form itself, on the page of a test too."""
        return reverse(self.address, args=[self.instance.pk]) if self.instance.pk else reverse(f"{self.address}-add")

    def usual_test_to(self) -> str:
        return ""


class SmtpServerPage(ServerFormPage[SmtpServer]):
    model = SmtpServer
    form_class = SmtpServerForm
    address = "smtp-server"
    add_title = gettext_lazy("Add SMTP Server")
    box = TestBox(gettext_lazy("Send a test to"), "email", 320, "email")
    permissions = ("servers.view_smtpserver",)
    write_permissions: tuple[str, ...] = ("servers.add_smtpserver", "servers.change_smtpserver")

    def get_form(self, **kwargs: Any) -> ServerForm[SmtpServer]:
        form = super().get_form(**kwargs)
        rule = {"field": "port", "ports": KNOWN_PORTS}
        form.fields["security"].widget.attrs["data-port-for"] = json.dumps(rule)
        return form

    def get_warnings(self) -> dict[str, str]:
        return smtp_warnings(self.instance)

    def usual_test_to(self) -> str:
        return str(getattr(self.request.user, "email", ""))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        providers = [(provider.name, json.dumps(provider.fields)) for provider in PROVIDERS]
        return super().get_context_data(providers=providers if self.instance.pk is None else [], **kwargs)


class SmsGatewayPage(ServerFormPage[SmsGateway]):
    model = SmsGateway
    form_class = SmsGatewayForm
    address = "sms-gateway"
    add_title = gettext_lazy("Add SMS Gateway")
    box = TestBox(gettext_lazy("Send a test to the phone number"), "tel", 40, "tel")
    permissions = ("servers.view_smsgateway",)
    write_permissions: tuple[str, ...] = ("servers.add_smsgateway", "servers.change_smsgateway")

    def get_warnings(self) -> dict[str, str]:
        return sms_warnings(self.instance) if self.instance.pk else {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The receipt address has a part that nobody may guess, so only those who may write see it."""
        may_write = self.request.user.has_perms(self.all_permissions())
        address = receipts.address(self.instance) if self.instance.pk and may_write else ""
        return super().get_context_data(receipt_address=address, **kwargs)


class ServerDeletePage(ServerView, DeletePage[Server]):
    model = Server
    permissions = ("servers.view_server",)
    write_permissions = ("servers.delete_server",)

    def why_kept(self, instance: Server) -> Words:
        return edits.why_kept(instance)

    def remove_with_trace(self, instance: Server) -> None:
        edits.delete(instance.pk, actor=audit.by_request(self.request))


def _learned(server: Server) -> list[dict[str, Any]]:
    """What was seen of it and still holds, in words, with since when and the reply that showed it."""
    seen, found = server.experience(timezone.now()), []
    if seen.session_limit:
        words = ngettext(
            "It takes %d message on one connection.", "It takes %d messages on one connection.", seen.session_limit
        )
        at, reply = server.session_limit_at, server.session_limit_reply
        found.append({"words": words % seen.session_limit, "at": at, "reply": reply})
    if seen.no_pipelining:
        words = _("It offers pipelining but does not do it, so commands are sent one by one.")
        found.append({"words": words, "at": server.unpipelined_at, "reply": server.unpipelined_reply})
    return found


def _field(form: ServerForm[S], name: str, *, warnings: dict[str, str]) -> dict[str, Any]:
    return {"field": form[name], "when": form.shown_when.get(name, ""), "warning": warnings.get(name, "")}


def _row(server: Server) -> dict[str, Any]:
    own = child(server)
    return {
        "server": server,
        "url": health.address(server),
        "endpoint": _endpoint(own),
        "security": _security(own),
        "warning": sms_warnings(own).get("https", "") if isinstance(own, SmsGateway) else "",
        "level": health.level(server),
        "trouble": health.trouble(server) if server.stopped_at or health.is_paused(server) else "",
        "is_paused": health.is_paused(server),
    }


def _endpoint(server: AnyServer) -> str:
    if isinstance(server, SmtpServer):
        return f"{server.host}:{server.port}"
    own = isinstance(server, SmsGateway) and urlsplit(server.base_url).netloc
    return _("Nexmo at %s") % own if own else "Nexmo"


def _security(server: AnyServer) -> str:
    match server:
        case SmtpServer():
            return server.get_security_display()
        case SmsGateway():
            return "HTTPS" if server.https else _("None")
        case PushService():
            return "TLS"
