"""Settings > Notification Server: the list, the forms, activate, delete."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from django.contrib import messages
from django.db.models import Case, QuerySet, When
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import cells
from console.kit.editing import DeletePage, FormPage
from console.kit.lists import ListPage, Menu
from console.kit.pages import SettingsChildView
from console.kit.registry import Button, Column, How, Level, Words
from console.kit.typed_secrets import Keeper
from console.kit.views import ConsoleView
from foundation import audit
from foundation.audit import Snapshot
from servers import edits, health, kept_secrets, kinds
from servers.forms import ServerForm
from servers.kind import MAY_TEST, NOTIFICATION_SERVER, SECURE_HUB_PUSH, Kind, Provider
from servers.kinds import KINDS
from servers.models import Server
from servers.queries import child, with_children


class ServerListPage(SettingsChildView, ListPage[Server]):
    """All kinds of one list in one table, the active ones first."""

    title = gettext_lazy("Notification Server")
    page = NOTIFICATION_SERVER
    permissions = ("servers.view_server",)
    write_permissions = ("servers.change_server",)
    empty = gettext_lazy(
        "No server is set up yet, so nothing can be sent. Add an SMTP server or an SMS gateway to begin."
    )
    note = gettext_lazy(
        "One SMTP server and one SMS gateway are active at a time. Activating one turns the other of its type off."
    )
    orders: ClassVar = {
        "active": ("-active", "place", "name"),
        "name": ("name",),
        "kind": ("place", "name"),
        "test": ("last_test_at", "name"),
    }

    def bar(self) -> Iterable[Menu]:
        offered = [
            Button(kind.label, reverse(f"{kind.address}-add"), f"servers.add_{kind.model_name}", how=How.LINK)
            for kind in self._kinds()
        ]
        yield Menu(_("Add"), offered)

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Server]:
        listed = [kind.value for kind in self._kinds()]
        places = [When(kind=kind, then=place) for place, kind in enumerate(listed)]
        return with_children(Server.objects.filter(kind__in=listed)).annotate(place=Case(*places))

    def columns(self, rows: Sequence[Server]) -> Iterable[Column]:
        return (
            Column("name", _("Name"), _named, heads=True),
            Column("kind", _("Type"), _kind),
            Column("endpoint", _("Server"), lambda row: kinds.of(row).endpoint(child(row)), style="mono"),
            Column("security", _("Security"), _secured),
            Column("active", _("Active"), self._state),
            Column("test", _("Last test"), _last_test),
        )

    def _kinds(self) -> list[Kind[Any]]:
        return [kind for kind in KINDS.values() if kind.page == self.page]

    def _state(self, row: Server) -> Words:
        return self.render_cell("servers/state.html", **_state(row))

    def buttons(self, rows: Sequence[Server]) -> Callable[[Server], Iterable[Button]]:
        return _row_buttons


class PushListPage(ServerListPage):
    """The push services of Secure Hub, one list further."""

    title = gettext_lazy("Secure Hub Push")
    page = SECURE_HUB_PUSH
    empty = gettext_lazy("No push service is set up yet. Add APNs to reach iOS devices, FCM to reach Android devices.")
    note = gettext_lazy(
        "One service is active at a time for iOS and one for Android. Activating one turns the other of its type off."
    )


LISTS = {page.page: page.title for page in (ServerListPage, PushListPage)}


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
        return redirect(kinds.page_of(server))


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
        return redirect(kinds.page_of(server))


class ServerView(SettingsChildView):
    """A page below a list."""

    page = NOTIFICATION_SERVER

    def get_success_url(self) -> str:
        return reverse(self.page)

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (LISTS[self.page], reverse(self.page))]


class ServerPage(ServerView, FormPage[Server]):
    """The form of one kind of server, made by `of`."""

    asks_password = True
    kind: Kind[Any]

    @classmethod
    def of(cls, kind: Kind[Any]) -> type[Self]:
        """The page of this kind."""
        own = {
            "kind": kind,
            "model": kind.model,
            "page": kind.page,
            "add_title": kind.add_title,
            "secrets": kind.form.secrets,
            "template_name": kind.template,
            "permissions": (f"servers.view_{kind.model_name}",),
            "write_permissions": cls.write_permissions
            or (f"servers.add_{kind.model_name}", f"servers.change_{kind.model_name}"),
        }
        return type(f"{kind.model.__name__}{cls.__name__}", (cls,), own)

    def get_instance(self) -> Server:
        """Kinds may share a table: one of another kind is not found here."""
        found = super().get_instance()
        if found.pk and found.kind != self.kind.value:
            raise Http404
        return found

    def get_form(self, **kwargs: Any) -> ServerForm[Server]:
        """With secrets that were kept of the same form, when it was refused before."""
        if "data" not in kwargs:
            chosen = self._provider()
            return self.kind.form(instance=self.instance, initial=dict(chosen.fields) if chosen else None)
        self.restored, lost = self._keeper().restore(kwargs["data"])
        form = self.kind.form(self.restored, instance=self.instance)
        form.lost_secrets = lost
        return form

    def _provider(self) -> Provider | None:
        """The one that the address names; without script it fills the form."""
        wanted = "" if self.instance.pk else self.request.GET.get("for")
        return next((provider for provider in self.kind.providers if provider.key == wanted), None)

    def _providers(self) -> list[dict[str, Any]]:
        chosen = self._provider()
        return [
            {"known": known, "fill": json.dumps(known.fields), "is_chosen": known is chosen}
            for known in self.kind.providers
        ]

    def _filled(self) -> str:
        """By field, what stood there before and what the chosen provider filled in."""
        chosen, empty = self._provider(), self.kind.form()
        fields = chosen.fields.items() if chosen else ()
        return json.dumps({name: (empty[name].value() or "", value) for name, value in fields})

    def _keeper(self) -> Keeper:
        return Keeper(self.request.user.pk or 0, self.form_url(), kept_secrets.bound(self.model))

    def _kept(self, form: ServerForm[Server]) -> dict[str, str]:
        if not form.is_bound:
            return {}
        kept = self._keeper().keep(self.request.POST, restored=self.restored, refused=form.errors)
        for name in form.secrets:
            if self.restored.get(name) and name not in form.errors:
                form.say_kept(name)
        return kept

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form, may_write = kwargs["form"], self.request.user.has_perms(self.all_permissions())
        warns = not form.errors and (self.instance.pk or self.kind.warns_of_new)
        warnings = self.kind.warnings(self.instance) if warns else {}
        own = [self.instance.pk] if self.instance.pk else []
        context = {
            **({} if self.instance.pk else {"providers": self._providers(), "filled": self._filled()}),
            **({"state": _state(self.instance), "deletion": _deletion(self.instance)} if self.instance.pk else {}),
            **(self.kind.private(self.instance) if self.instance.pk and may_write else {}),
            "kept": self._kept(form),
            "main": [_field(form, name, warnings=warnings) for name in form.main],
            "advanced": [_field(form, name, warnings=warnings) for name in form.advanced],
            "advanced_open": any(name in form.errors for name in form.advanced),
            "form_url": self.form_url(),
            "test_url": reverse(f"{self.kind.address}-test", args=own),
            "test_box": self.kind.test_box,
            "test_to": self.request.POST.get("test_to", self.kind.usual_test_to(self.request.user)),
            "may_test": self.request.user.has_perm(MAY_TEST),
            "learned": _learned(self.instance),
            "learned_of": self.instance.pk,
        }
        return super().get_context_data(**context | kwargs)

    def seen(self, form: ModelForm[Server]) -> str:
        return str(self.instance.revision)

    def store(self, form: ModelForm[Server], *, before: Snapshot) -> Server:
        actor = audit.by_request(self.request)
        if self.instance.pk:
            edits.change(form.instance, kind=self.kind, actor=actor, now=timezone.now())
        else:
            edits.create(form.instance, kind=self.kind, actor=actor)
        return form.instance

    def form_url(self) -> str:
        """The address of the form itself, on the page of a test too."""
        own = [self.instance.pk] if self.instance.pk else []
        return reverse(self.kind.address if own else f"{self.kind.address}-add", args=own)


class ServerDeletePage(ServerView, DeletePage[Server]):
    model = Server
    permissions = ("servers.view_server",)
    write_permissions = ("servers.delete_server",)

    def why_kept(self, instance: Server) -> Words:
        return edits.why_kept(instance)

    def remove(self, instance: Server) -> None:
        edits.delete(instance.pk, actor=audit.by_request(self.request))


def _state(server: Server) -> dict[str, Any]:
    """What servers/state.html shows of it."""
    paused = health.is_paused(server)
    trouble = health.trouble(server) if server.stopped_at or paused else ""
    return {"server": server, "level": health.level(server), "trouble": trouble, "is_paused": paused}


def _deletion(server: Server) -> list[Button]:
    address = reverse("server-delete", args=[server.pk])
    return [Button(_("Delete"), address, "servers.delete_server", how=How.DIALOG, style="danger")]


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


def _field(form: ServerForm[Server], name: str, *, warnings: dict[str, str]) -> dict[str, Any]:
    return {"field": form[name], "when": form.shown_when.get(name, ""), "warning": warnings.get(name, "")}


def _named(row: Server) -> Words:
    about = Truncator(row.description).chars(80)
    return cells.joined(cells.link(health.address(row), row.name), cells.quiet(about))


def _kind(row: Server) -> Words:
    return format_html('<span class="chip {}">{}</span>', row.kind, row.get_kind_display())


def _secured(row: Server) -> Words:
    kind, own = kinds.of(row), child(row)
    warning = kind.unencrypted(own)
    if not warning:
        return kind.security(own)
    return cells.joined(cells.badge(Level.WARNING, _("Unencrypted")), cells.quiet(warning))


def _last_test(row: Server) -> Words:
    if row.last_test_at is None:
        return cells.badge(Level.NEUTRAL, _("Never"))
    passed = cells.badge(Level.OK, _("Passed")) if row.last_test_passed else cells.badge(Level.ERROR, _("Failed"))
    return cells.joined(passed, format_html(' <span class="quiet">{}</span>', cells.moment(row.last_test_at)))


def _row_buttons(row: Server) -> Iterable[Button]:
    yield Button(_("Test"), f"{health.address(row)}#test", "servers.change_server", how=How.LINK)
    yield from _deletion(row)
