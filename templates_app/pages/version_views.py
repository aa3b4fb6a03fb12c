"""The versions of a template: what each changed, going back to one, and back to the predefined text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.base import TemplateResponseMixin

from console.kit import cells
from console.kit.lists import ListPage
from console.kit.registry import Button, Column, How, Level, Words
from foundation import audit
from templates_app import edits, queries
from templates_app.edits import Saved, StaleError
from templates_app.models import NotificationTemplate, TemplateVersion
from templates_app.pages import impact
from templates_app.pages.views import TemplatePage
from templates_app.texts.content import Content, changes
from templates_app.texts.naming import field_words


class OneTemplatePage(TemplatePage):
    """A page below a template's own."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.instance = self.get_object()

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (str(self.instance), self.get_success_url())]

    def get_success_url(self) -> str:
        return reverse("template", args=[self.instance.pk])


class VersionList(OneTemplatePage, ListPage[TemplateVersion]):
    key = "template-versions"
    orders: ClassVar = {"version": ("number",)}
    order = "-version"

    def get_title(self) -> Words:
        return _("Versions")

    def bar(self) -> Iterable[Button]:
        yield Button(_("Back to the template"), self.get_success_url(), how=How.LINK)

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[TemplateVersion]:
        return self.instance.versions.all()

    def columns(self, rows: Sequence[TemplateVersion]) -> Iterable[Column]:
        return (
            Column("version", _("Version"), self._named, heads=True),
            Column("at", _("Saved"), lambda row: cells.moment(row.created_at)),
            Column("author", _("By"), lambda row: row.saved_by or _("The system")),
            Column("note", _("Note"), lambda row: row.note, style="wide"),
            Column("state", _("State"), self._state),
        )

    def _named(self, row: TemplateVersion) -> Words:
        words = _("Version %d") % row.number
        address = reverse("template-version", args=[self.instance.pk, row.number])
        return words if self._is_current(row) else cells.link(address, words)

    def _state(self, row: TemplateVersion) -> Words:
        if self._is_current(row):
            return cells.badge(Level.OK, _("Current"))
        return cells.badge(Level.NEUTRAL, _("Older"))

    def _is_current(self, row: TemplateVersion) -> bool:
        return row.pk == self.instance.current_id


class _Replacement(TemplateResponseMixin, OneTemplatePage):
    """Shows what would change, and does it on POST unless somebody saved since it was shown."""

    template_name = "templates_app/replace.html"

    def content(self) -> Content:
        raise NotImplementedError

    def replace(self, *, base: int) -> Saved:
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.content()
        base = request.POST.get("base", "")
        try:
            saved = self.replace(base=int(base) if base.isascii() and base.isdigit() else 0)
        except NotificationTemplate.DoesNotExist:
            raise Http404 from None
        except StaleError as stale:
            self.instance.current = stale.current
            messages.warning(request, _("Somebody saved version %d meanwhile.") % stale.current.number)
            return self._show(status=409)
        except ValidationError as error:
            return self._show(status=422, refusals=list(_refusals(error)))
        messages.success(request, _("Version %d is current.") % saved.version.number)
        if saved.turns:
            messages.info(request, " ".join(impact.said(saved.turns)))
        return redirect(self.get_success_url())

    def _show(self, *, status: int = 200, refusals: Sequence[str] = ()) -> HttpResponse:
        differing = changes(queries.current_content(self.instance), self.content())
        context = self.get_context_data(
            instance=self.instance, changes=differing, refusals=refusals, back=self.get_success_url()
        )
        return self.render_to_response(context, status=status)


def _refusals(error: ValidationError) -> Iterator[str]:
    """What is wrong with each field, by its name."""
    for field, found in error.message_dict.items():
        yield f"{field_words(field)}: {' '.join(found)}"


class VersionPage(_Replacement):
    """One version against the current one, and going back to it."""

    def get_title(self) -> Words:
        return str(_("Version %d") % self.kwargs["number"])

    def content(self) -> Content:
        version = self.instance.versions.filter(number=self.kwargs["number"]).first()
        if version is None:
            raise Http404
        return queries.content_of(version)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        question = _("Going back to version %d changes the current texts like this:") % self.kwargs["number"]
        button = _("Roll back to version %d") % self.kwargs["number"]
        return super().get_context_data(**{**kwargs, "question": question, "button": button})

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("Versions"), reverse("template-versions", args=[self.instance.pk]))]

    def replace(self, *, base: int) -> Saved:
        actor = audit.by_request(self.request)
        return edits.roll_back(self.instance, number=self.kwargs["number"], actor=actor, base=base)


class ResetPage(_Replacement):
    """Back to the predefined text."""

    def get_title(self) -> Words:
        return _("Reset to default")

    def content(self) -> Content:
        try:
            return queries.default_content(self.instance)
        except ValidationError:
            raise Http404 from None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        question = _("Resetting changes the current texts like this:")
        return super().get_context_data(**{**kwargs, "question": question, "button": _("Reset to default")})

    def replace(self, *, base: int) -> Saved:
        return edits.reset(self.instance, actor=audit.by_request(self.request), base=base)
