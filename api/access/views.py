"""Settings > API keys: make one, see it once, change its limits, revoke it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from api.access import edits, keys
from api.access.forms import ApiKeyForm, ApiKeyLimitsForm
from api.kit.callers import ApiScope
from api.models import ApiKey, Webhook
from console.accounts import grants
from console.accounts.grants import BeyondError, Held
from console.kit import cells, registry
from console.kit.editing import FormPage
from console.kit.filters import NameFilter
from console.kit.lists import ListPage
from console.kit.pages import SettingsChildView
from console.kit.registry import Button, Column, Group, How, Level, State, Tile, Words
from console.kit.views import ConsoleView
from foundation import audit
from foundation.audit import Snapshot


class ApiKeysPage(SettingsChildView, ListPage[ApiKey]):
    title = gettext_lazy("API keys")
    page = "api-keys"
    permissions = ("api.view_apikey",)
    write_permissions = ("api.change_apikey",)
    filter_class = NameFilter
    empty = gettext_lazy("There is no API key yet. Other systems need one to post events.")
    orders: ClassVar = {"name": ("name",), "used": ("last_used_at", "name")}

    def bar(self) -> Iterable[Button]:
        yield Button(_("Add API key"), reverse("api-key-add"), "api.add_apikey", how=How.LINK, style="primary")
        yield Button(_("HTTP interface"), reverse("api-docs"), "api.add_apikey", how=How.LINK)

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[ApiKey]:
        return ApiKey.objects.filter(name__icontains=given.get("name", "")).select_related("created_by")

    def prepare(self, rows: Sequence[ApiKey]) -> None:
        """Finds those that are in use and may do no more than whoever looks."""
        holder = grants.of_actor(audit.by_request(self.request))
        held = keys.held_by(rows)
        self.open_to = {row.pk for row in rows if not row.revoked_at and grants.covers(holder, held[row.pk])}

    def columns(self, rows: Sequence[ApiKey]) -> Iterable[Column]:
        now, unbacked = timezone.now(), keys.unbacked(rows)
        return (
            Column("name", _("Name"), lambda row: _named(row, opens=row.pk in self.open_to), style="who", heads=True),
            Column("scopes", _("Scopes"), lambda row: ", ".join(row.scopes)),
            Column("limits", _("May post"), _limits, style="who"),
            Column(
                "state", _("State"), lambda row: _validity(row, now=now, backed=row.pk not in unbacked), style="who"
            ),
            Column("used", _("Last used"), lambda row: cells.moment(row.last_used_at)),
            Column("maker", _("Made by"), _maker),
        )

    def buttons(self, rows: Sequence[ApiKey]) -> Callable[[ApiKey], Iterable[Button]]:
        return lambda row: [_revoke(row)] if row.pk in self.open_to else []


def _named(key: ApiKey, *, opens: bool) -> Words:
    name = cells.link(reverse("api-key", args=[key.pk]), key.name) if opens else key.name
    return cells.joined(name, cells.small(f"xmn_{key.lookup}_…", style="mono"))


def _limits(key: ApiKey) -> Words:
    known = cells.small(_("known recipients only"), style="nowrap") if key.known_recipients_only else ""
    if key.limited:
        known = cells.small(_("limited to groups"), style="nowrap")
    if not key.rate_limit:
        return cells.joined(_("Any number"), known)
    rate = _("%s a second") % f"{key.rate_limit:,}"
    return cells.joined(rate, cells.small(_("%s after a pause") % f"{key.burst:,}", style="nowrap"), known)


def _validity(key: ApiKey, *, now: datetime, backed: bool) -> Words:
    state = _state(key, now=now, backed=backed)
    ends = key.expires_at and not key.revoked_at
    expiry = cells.small(cells.joined(_("Expiry:"), " ", cells.moment(key.expires_at))) if ends else ""
    return cells.joined(cells.badge(state.level, state.words), expiry)


def _maker(key: ApiKey) -> Words:
    return _("A command") if key.by_command else str(key.created_by or _("Someone deleted"))


def _revoke(key: ApiKey) -> Button:
    return Button(_("Revoke"), reverse("api-key-revoke", args=[key.pk]), "api.change_apikey", style="danger")


class ApiKeyAddPage(TemplateResponseMixin, SettingsChildView):
    """The answer to the POST shows the key; it is nowhere else, so there is no redirect to it."""

    template_name = "api/key_add.html"
    title = gettext_lazy("Add API key")
    page = "api-keys"
    permissions = ("api.view_apikey", "api.add_apikey")
    asks_password = True

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("API keys"), reverse("api-keys"))]

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.render_to_response(self._context(form=self._form()))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if not form.is_valid():
            return self.render_to_response(self._context(form=form), status=422)
        try:
            words = self._create(form)
        except IntegrityError:
            form.add_error("name", _("An API key with this name was added meanwhile; choose another name."))
        except BeyondError as error:
            form.add_error("scopes", error)
        else:
            return self.render_to_response(self._context(key=form.cleaned_data["name"], words=words))
        return self.render_to_response(self._context(form=form), status=422)

    def _create(self, form: ApiKeyForm) -> str:
        return edits.create_key(
            form.cleaned_data["name"],
            scopes=[ApiScope(scope) for scope in form.cleaned_data["scopes"]],
            expires_at=form.expires_at(now=timezone.now()),
            actor=audit.by_request(self.request),
            rate_limit=form.cleaned_data["rate_limit"],
            burst=form.cleaned_data["burst"],
            known_recipients_only=form.cleaned_data["known_recipients_only"],
            groups=form.groups(),
        )

    def _form(self, data: QueryDict | None = None) -> ApiKeyForm:
        return ApiKeyForm(data, holder=grants.of_actor(audit.by_request(self.request)))

    def _context(self, **kwargs: Any) -> dict[str, Any]:
        return self.get_context_data(back=reverse("api-keys"), adding=True, **kwargs)


class ApiKeyPage(SettingsChildView, FormPage[ApiKey]):
    """Its limits, for those alone who may do all that it may."""

    template_name = "api/key.html"
    page = "api-keys"
    model = ApiKey
    form_class = ApiKeyLimitsForm
    permissions = ("api.view_apikey",)
    write_permissions = ("api.change_apikey",)
    asks_password = True

    def get_object(self) -> ApiKey:
        found = super().get_object()
        if found.revoked_at or not grants.covers(self._holder(), keys.held_by([found])[found.pk]):
            raise Http404
        return found

    def get_form(self, **kwargs: Any) -> ApiKeyLimitsForm:
        return ApiKeyLimitsForm(instance=self.instance, holder=self._holder(), **kwargs)

    def _holder(self) -> Held:
        return grants.of_actor(audit.by_request(self.request))

    def store(self, form: ModelForm[ApiKey], *, before: Snapshot) -> ApiKey:
        assert isinstance(form, ApiKeyLimitsForm)
        edits.change_key(form.instance, groups=form.groups(), actor=audit.by_request(self.request), before=before)
        return form.instance

    def get_success_url(self) -> str:
        return reverse("api-keys")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("API keys"), reverse("api-keys"))]


class ApiKeyRevokeView(ConsoleView):
    """POST only; a revoked key stays in the list, so that the trail of what it did can be read."""

    http_method_names = ["post"]
    page = "api-keys"
    permissions = ("api.view_apikey",)
    write_permissions = ("api.change_apikey",)
    asks_password = True

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = ApiKey.objects.filter(pk=pk).first()
        if key is None:
            raise Http404
        try:
            edits.revoke_key(key, actor=audit.by_request(request), now=timezone.now())
        except BeyondError:
            raise PermissionDenied from None
        messages.success(request, _("“%s” is revoked: whoever uses it is refused from now on.") % key)
        return redirect("api-keys")


def _state(key: ApiKey, *, now: datetime, backed: bool) -> State:
    if key.revoked_at:
        return State(_("Revoked"), Level.NEUTRAL)
    if key.expires_at and key.expires_at <= now:
        return State(_("Expired"), Level.WARNING)
    if not backed:
        return State(_("Refused: its maker may not do this"), Level.WARNING)
    return State(_("Valid"), Level.OK)


_POSTERS: dict[str, tuple[type[ApiKey | Webhook], Words, Words]] = {
    "key": (ApiKey, gettext_lazy("API key “%s”"), gettext_lazy("A deleted API key")),
    "hook": (Webhook, gettext_lazy("Webhook “%s”"), gettext_lazy("A deleted webhook")),
}


def _poster(_request: HttpRequest, event: Any) -> str:
    """Who posted an event, by name; else its origin, which is a part of the program."""
    kind, _sign, pk = event.origin.partition(":")
    if kind not in _POSTERS:
        return str(event.origin)
    model, words, deleted = _POSTERS[kind]
    found = model._default_manager.filter(pk=pk).first()  # noqa: SLF001 - Django's documented name for it
    return str(words) % found if found else str(deleted)


def _keys_of(group: Any) -> list[Words]:
    names = list(ApiKey.objects.filter(groups=group, revoked_at=None).values_list("name", flat=True))
    return [_("These API keys see its users no more: %s.") % ", ".join(names)] if names else []


def register() -> None:
    registry.add_panel("event-origin", source=_poster)
    registry.add_impact("devices.Group", source=_keys_of)
    registry.add_tile(
        Tile(
            "api-keys",
            gettext_lazy("API keys"),
            Group.ACCESS,
            gettext_lazy("What other systems sign in with."),
            permission="api.view_apikey",
            order=30,
            state=_tile_state,
        )
    )


def _tile_state() -> State:
    now = timezone.now()
    found = list(ApiKey.objects.filter(revoked_at=None).select_related("created_by"))
    unbacked = keys.unbacked(found)
    states = [_state(key, now=now, backed=key.pk not in unbacked) for key in found]
    valid = sum(state.level is Level.OK for state in states)
    return State(_("%d valid") % valid, Level.NEUTRAL)
