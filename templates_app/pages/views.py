"""Settings > Notification Templates: the list, the editor, the message about channels that are not set up, deletion."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.kit import cells, registry
from console.kit.editing import DeletePage, ObjectView
from console.kit.lists import ListPage
from console.kit.pages import SettingsChildView
from console.kit.registry import Button, Column, How, Words
from console.kit.views import is_fragment
from devices import limits
from devices.models import Device
from foundation import audit
from servers.queries import country
from templates_app import edits, queries
from templates_app.channels import CHANNELS, TRAITS, Traits
from templates_app.edits import Saved, StaleError
from templates_app.macros.problems import MacroError
from templates_app.models import NotificationTemplate
from templates_app.pages import forms, impact
from templates_app.pages.forms import TemplateFilter, TemplateForm, TypeForm
from templates_app.texts import preview
from templates_app.texts.content import Content, changes
from templates_app.types import ADHOC, APNS_EXPIRATION, BY_CODE, TemplateType
from transports.types import ChannelKind

PAGE = "notification-templates"
WAITING = "templates_app.adding"
"""The session's key for a template that waits until its channels are set up."""
RETURN = "return"
"""What the form does when Return is pressed in one of its boxes, without script too."""
LONGEST_ID = 19
"""More digits than a key can have."""


class TemplateList(SettingsChildView, ListPage[NotificationTemplate]):
    title = gettext_lazy("Notification Templates")
    page = PAGE
    permissions = ("templates_app.view_notificationtemplate",)
    filter_class = TemplateFilter
    orders: ClassVar = {"name": (Lower("name"),), "kind": ("predefined", Lower("name"))}

    def bar(self) -> Iterable[Button]:
        how = How.DIALOG if missing_channels() else How.LINK
        permission = "templates_app.add_notificationtemplate"
        yield Button(_("Add"), reverse("template-add"), permission, how=how, style="primary")

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[NotificationTemplate]:
        rows = NotificationTemplate.objects.kept().select_related("current")
        if "search" in given:
            rows = rows.filter(queries.searched(given["search"]))
        return rows.filter(type=given["type"]) if "type" in given else rows

    def columns(self, rows: Sequence[NotificationTemplate]) -> Iterable[Column]:
        ready, own = queries.ready_kinds(), queries.own_templates()
        return (
            Column("name", _("Name"), _named, heads=True),
            Column("type", _("Type"), lambda row: _(BY_CODE[row.type].name)),
            Column("channels", _("Channels"), lambda row: _channels(row, ready=ready, own=own)),
            Column("kind", _("Kind"), lambda row: _("Predefined") if row.predefined else _("Own")),
            Column("manual", _("Manual"), self._manual),
        )

    def _manual(self, row: NotificationTemplate) -> Words:
        """Whether it can be sent by hand, and where."""
        if not queries.manual_sending_supported(row):
            return _("No")
        return cells.joined(_("Yes"), *(cells.small(link) for link in sending(self.request, row)))

    def buttons(self, rows: Sequence[NotificationTemplate]) -> Callable[[NotificationTemplate], Iterable[Button]]:
        return lambda row: [*_duplicate(row), *([] if row.predefined else [_delete(row)])]


def _named(row: NotificationTemplate) -> Words:
    return cells.link(reverse("template", args=[row.pk]), row.name)


def _channels(row: NotificationTemplate, *, ready: Collection[ChannelKind], own: queries.Own) -> Words:
    """A badge a channel, and why it is not ready."""
    states = queries.channel_states(row, ready=ready, own=own)
    badges = (
        cells.joined(cells.badge("neutral" if state.reason else "ok", state.label), cells.small(state.reason))
        for state in states
    )
    return cells.items(badges, style="channels")


def sending(request: HttpRequest, row: NotificationTemplate) -> list[SafeString | str]:
    """Links to where a template is sent by hand, from the rooms above that have such a place."""
    return registry.panels("manual-sending", request, instance=row)


def _duplicate(row: NotificationTemplate) -> Iterable[Button]:
    """Nothing for a type that only one template may have."""
    if row.type != APNS_EXPIRATION:
        address = f"{reverse('template-add')}?from={row.pk}"
        yield Button(_("Duplicate"), address, "templates_app.add_notificationtemplate", how=How.LINK)


def _delete(row: NotificationTemplate) -> Button:
    address, permission = reverse("template-delete", args=[row.pk]), "templates_app.delete_notificationtemplate"
    return Button(_("Delete"), address, permission, how=How.DIALOG, style="danger")


class TemplatePage(SettingsChildView, ObjectView[NotificationTemplate]):
    """A page about one template."""

    model = NotificationTemplate
    page = PAGE
    permissions: tuple[str, ...] = ("templates_app.view_notificationtemplate",)
    write_permissions: tuple[str, ...] = ("templates_app.change_notificationtemplate",)

    def get_queryset(self) -> QuerySet[NotificationTemplate]:
        return NotificationTemplate.objects.kept().select_related("current")

    def get_success_url(self) -> str:
        return reverse(PAGE)

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (TemplateList.title, reverse(PAGE))]


class Editor(TemplateResponseMixin, TemplatePage):
    """The form in its two uses. A POST that does not save only changes the form itself: its type or languages."""

    template_name = "templates_app/editor.html"
    keeps_typed = True

    def show_again(self, request: HttpRequest) -> HttpResponse:
        """As after a change of the form itself, which stores nothing."""
        typed = request.POST.copy()
        typed["do"] = ""
        request.POST = typed  # type: ignore[assignment]
        return self.post(request)  # type: ignore[attr-defined,no-any-return]

    def done(self) -> str:
        """What is to be done: Return in a box is a language where one was typed, else it saves."""
        do = self.request.POST.get("do", "")
        if do == RETURN:
            return "language" if self.request.POST.get("language") else "save"
        return do

    def saves(self) -> bool:
        return self.done() in {"save", "close"}

    def after(self, saved: Saved) -> HttpResponse:
        """On with the same template, or back to the list."""
        self.tell(saved)
        return redirect(PAGE) if self.done() == "close" else redirect("template", pk=saved.template.pk)

    def tell(self, saved: Saved) -> None:
        """What the events of its type are sent by from now on."""
        if saved.turns:
            messages.info(self.request, " ".join(impact.said(saved.turns)))

    def render_form(self, form: TemplateForm, *, status: int = 200, **context: Any) -> HttpResponse:
        manual = form.kind.manual and _manual(form)
        context = {
            "form": form,
            "instance": form.instance,
            "panels": list(form.panels()),
            "manual": manual,
            "sending": sending(self.request, form.instance) if manual and form.instance.pk else (),
            "sent_for": queries.sent_for(form.kind),
            "known_languages": forms.KNOWN_LANGUAGES,
            **self._samples(form.kind),
            "back": self.get_success_url(),
            "preview_language": self.request.POST.get("preview_language", ""),
            "RETURN": RETURN,
            **context,
        }
        return self.render_to_response(self.get_context_data(**context), status=status)

    def _samples(self, kind: TemplateType) -> dict[str, Any]:
        """Whom the preview offers; other people's data only for those who may see it."""
        user = self.request.user
        may_see = user.has_perms(("devices.view_person", "devices.view_device"))
        scope = limits.of_user(user)
        latest = Device.objects.within(scope).select_related("person").order_by("-id")[:20] if may_see else ()
        events = preview.events().recent(kind.code, scope=scope) if user.has_perm("dispatch.view_event") else ()
        return {"may_see_people": may_see, "sample_devices": latest, "sample_events": events}

    def reshaped(self, request: HttpRequest, *, kind: TemplateType, **kwargs: Any) -> HttpResponse:
        """The same form with another type or other languages, everything typed still in it."""
        tags = forms.languages_in(request.POST)
        do, _colon, tag = self.done().partition(":")
        if do == "drop":
            tags = [each for each in tags if each != tag]
        if do == "language":
            tags = forms.languages_in({"languages": ",".join([*tags, request.POST.get("language", "")])})
        typed = forms.retyped(request.POST.dict(), kind=kind)
        typed |= {f"{each}.active": f"{each}.active" in request.POST for each in CHANNELS}
        form = TemplateForm(initial=typed, kind=kind, languages=tags, ready=queries.ready_kinds(), **kwargs)
        return self.render_form(form)


class AddTemplate(Editor):
    """Also a copy of the template that the address names by `from`."""

    permissions = ("templates_app.view_notificationtemplate", "templates_app.add_notificationtemplate")
    write_permissions = ()
    title = gettext_lazy("Add Notification Template")

    def get_title(self) -> Words:
        return self.title

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "from" in request.GET:
            return self._copy(request.GET["from"])
        missing = missing_channels()
        if missing and "later" not in request.GET:
            return self._ask_for_set_up(request, missing=missing)
        request.session.pop(WAITING, None)
        kind = BY_CODE[ADHOC]
        form = TemplateForm(initial=forms.fresh(kind), kind=kind, languages=(), ready=queries.ready_kinds())
        return self.render_form(form)

    def _copy(self, pk: str) -> HttpResponse:
        number = int(pk) if pk.isascii() and pk.isdigit() and len(pk) < LONGEST_ID else 0
        row = self.get_queryset().exclude(type=APNS_EXPIRATION).filter(pk=number).first()
        if row is None:
            raise Http404
        content, ready = queries.current_content(row), queries.ready_kinds()
        form = TemplateForm(
            initial=forms.copy(row, content, ready=ready),
            kind=BY_CODE[row.type],
            languages=forms.languages_of(content),
            ready=ready,
        )
        return self.render_form(form)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = TypeForm(request.POST)
        kind = BY_CODE[chosen.cleaned_data["type"] if chosen.is_valid() else ADHOC]
        if not self.saves():
            return self.reshaped(request, kind=kind)
        form = TemplateForm(
            request.POST,
            kind=kind,
            languages=forms.languages_in(request.POST),
            ready=queries.ready_kinds(),
            country=country(),
        )
        if form.is_valid() and chosen.is_valid():
            template = NotificationTemplate(type=kind.code, **form.values())
            try:
                saved = edits.add(template, form.content(), actor=audit.by_request(request))
            except ValidationError as error:
                form.refuse(error)
            else:
                messages.success(request, _("“%s” was added.") % template)
                return self.after(saved)
        return self.render_form(form, status=422, types=chosen)

    def render_form(self, form: TemplateForm, *, status: int = 200, **context: Any) -> HttpResponse:
        context = {"adding": True, "types": TypeForm(initial={"type": form.kind.code}), **context}
        return super().render_form(form, status=status, **context)

    def _ask_for_set_up(self, request: HttpRequest, *, missing: list[Traits]) -> HttpResponse:
        request.session[WAITING] = True
        dialog = is_fragment(request)
        context = self.get_context_data(missing=missing, is_dialog=dialog, back=self.get_success_url())
        response = render(request, f"templates_app/set_up{'_body' if dialog else ''}.html", context)
        response.headers["Vary"] = "HX-Request, Cookie"
        return response


class EditTemplate(Editor):
    def get_title(self) -> Words:
        return self.stored_name

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        content = self._open()
        form = TemplateForm(
            initial=forms.initial(self.instance, content), languages=forms.languages_of(content), **self._known(content)
        )
        return self.render_form(form)

    def _open(self) -> Content:
        """Look the template up; returns what it says."""
        self.instance = self.get_object()
        self.stored_name = self.instance.name
        return queries.current_content(self.instance)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        content = self._open()
        if not self.saves():
            known = self._known(content)
            return self.reshaped(request, **{name: value for name, value in known.items() if name != "ready"})
        form = TemplateForm(
            request.POST, languages=forms.languages_in(request.POST), country=country(), **self._known(content)
        )
        if form.is_valid():
            try:
                saved = self._save(form)
            except StaleError as stale:
                return self._refuse(form, stale)
            except ValidationError as error:
                form.refuse(error)
            else:
                words = _("“%(name)s” was saved; version %(number)d is current.")
                messages.success(request, words % {"name": saved.template, "number": saved.version.number})
                return self.after(saved)
        return self.render_form(form, status=422)

    def _known(self, content: Content) -> dict[str, Any]:
        kind = BY_CODE[self.instance.type]
        return {"instance": self.instance, "kind": kind, "before": content, "ready": queries.ready_kinds()}

    def _save(self, form: TemplateForm) -> Saved:
        """A form that names no version is based on none that ever was."""
        try:
            return edits.change(
                self.instance,
                form.content(),
                values=form.changed_values(),
                actor=audit.by_request(self.request),
                base=form.cleaned_data["base"] or 0,
                seen=form.seen(),
            )
        except NotificationTemplate.DoesNotExist:
            raise Http404 from None

    def _refuse(self, form: TemplateForm, stale: StaleError) -> HttpResponse:
        """Somebody saved meanwhile: show what a second save would change, and let it be one."""
        columns = form.overtaken(stale.columns, base=stale.current.number)
        differing = changes(queries.content_of(stale.current), form.content())
        return self.render_form(form, status=409, stale=stale.current, columns=columns, changes=differing)

    def render_form(self, form: TemplateForm, *, status: int = 200, **context: Any) -> HttpResponse:
        context = {
            "type_name": _(BY_CODE[self.instance.type].name),
            "action": reverse("template", args=[self.instance.pk]),
            "aside": registry.panels("template-editor", self.request, instance=self.instance),
            "duplicate": [each.url for each in _duplicate(self.instance)],
            **context,
        }
        return super().render_form(form, status=status, **context)


class DeleteTemplate(DeletePage[NotificationTemplate], TemplatePage):
    write_permissions = ("templates_app.delete_notificationtemplate",)

    def why_kept(self, instance: NotificationTemplate) -> Words:
        return queries.why_kept(instance)

    def remove(self, instance: NotificationTemplate) -> None:
        edits.delete(instance, actor=audit.by_request(self.request), now=timezone.now())


class Understood(TemplatePage):
    """POST only: what Health told of a template was read."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            edits.acknowledge(self.get_object(), actor=audit.by_request(request))
        except NotificationTemplate.DoesNotExist:
            raise Http404 from None
        return redirect("health")


def missing_channels() -> list[Traits]:
    """The channels that need a server of ours and have no active one."""
    ready = queries.ready_kinds()
    return [traits for kind, traits in TRAITS.items() if traits.needs_server and kind not in ready]


def _manual(form: TemplateForm) -> bool:
    """Whether the texts as they stand in the form allow sending by hand."""
    checked = form.is_bound and hasattr(form, "cleaned_data")
    content = form.content() if checked else form.before or Content()
    try:
        return content.allows_manual_sending()
    except MacroError:
        return True
