"""The versions of a template: what each changed, going back to one, and back to the predefined text."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.base import TemplateResponseMixin

from console.kit.registry import Words
from foundation import audit
from templates_app import edits, queries
from templates_app.models import NotificationTemplate, TemplateVersion
from templates_app.pages.views import TemplatePage
from templates_app.texts.content import Content, changes


class OneTemplatePage(TemplateResponseMixin, TemplatePage):
    """A page below a template's own."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.instance = self.get_object()

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (str(self.instance), self.get_success_url())]

    def get_success_url(self) -> str:
        return reverse("template", args=[self.instance.pk])


class VersionList(OneTemplatePage):
    template_name = "templates_app/versions.html"

    def get_title(self) -> Words:
        return _("Versions")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        rows = list(self.instance.versions.order_by("-number")[:200])
        return self.render_to_response(self.get_context_data(instance=self.instance, rows=rows))


class _Replacement(OneTemplatePage):
    """Shows what would change, and does it on POST."""

    template_name = "templates_app/replace.html"

    def content(self) -> Content:
        raise NotImplementedError

    def replace(self) -> TemplateVersion:
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        differing = changes(queries.current_content(self.instance), self.content())
        return self.render_to_response(
            self.get_context_data(instance=self.instance, changes=differing, back=self.get_success_url())
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            version = self.replace()
        except (NotificationTemplate.DoesNotExist, TemplateVersion.DoesNotExist):
            raise Http404 from None
        messages.success(request, _("Version %d is current.") % version.number)
        return redirect(self.get_success_url())


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

    def replace(self) -> TemplateVersion:
        return edits.roll_back(self.instance, number=self.kwargs["number"], actor=audit.by_request(self.request))


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

    def replace(self) -> TemplateVersion:
        return edits.reset(self.instance, actor=audit.by_request(self.request))
