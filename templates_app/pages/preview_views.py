"""The preview beside the editor, the names it completes, and the frame of an HTML message."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from msgspec import Struct

from console.kit.csp import sandboxed
from console.kit.views import ConsoleView, FragmentMixin
from devices import coverage, limits
from servers.queries import country
from templates_app.macros.functions import OPERANDS, PIPES
from templates_app.macros.names import NAMES, PATHS, SPACES
from templates_app.pages import forms
from templates_app.pages.forms import TemplateForm
from templates_app.texts import preview
from templates_app.types import ADHOC, BY_CODE
from transports.types import ChannelKind

_PEOPLE = ("devices.view_person", "devices.view_device")
_EVENTS = "dispatch.view_event"


class _Reading(ConsoleView):
    permissions = ("templates_app.view_notificationtemplate",)


class PreviewView(FragmentMixin, _Reading):
    """The texts in the form, unsaved, as they would be sent; and the lint of each field."""

    http_method_names = ["post"]

    def whole_page(self) -> str:
        return reverse("notification-templates")

    def post(self, request: HttpRequest) -> HttpResponse:
        kind = BY_CODE.get(request.POST.get("type", ""), BY_CODE[ADHOC])
        form = TemplateForm(
            request.POST, kind=kind, languages=forms.languages_in(request.POST), ready=frozenset(ChannelKind)
        )
        form.is_valid()
        content = form.content()
        scope = limits.of_user(request.user)
        known = preview.reader(**self._chosen(request), scope=scope)
        said: dict[str, list[Any]] = {
            name: []
            for name, field in form.fields.items()
            if name.count(".") and field.help_text and not field.widget.is_hidden
        }
        for finding in preview.findings(content, kind=kind, country=country(), scope=scope):
            said.get(finding.field, []).append(finding)
        shown = list(preview.show(content, kind=kind, known=known))
        html = next((each.text.html for each in shown if each.text and each.text.html), "")
        context = {"shown": shown, "said": said, "problem": known.problem, "whose": known.whose, "html": html}
        return render(request, "templates_app/preview.html", context)

    def _chosen(self, request: HttpRequest) -> dict[str, str]:
        """Whom the preview is for; other people's data only for those who may see it."""
        given = {name: request.POST.get(f"preview_{name}", "") for name in ("user", "device", "event", "language")}
        if not request.user.has_perms(_PEOPLE):
            given |= {"user": "", "device": ""}
        if not request.user.has_perm(_EVENTS):
            given["event"] = ""
        return given


class PreviewFrame(_Reading):
    """Gives a posted HTML message back to the frame that shows it; it can run nothing and load nothing."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return sandboxed(request.POST.get("html", ""))


class Macro(Struct, frozen=True):
    """A name, or a function as it may stand; `sample` is a value, or what becomes of one."""

    text: str
    meaning: str
    sample: str = ""


class MacroNames(_Reading):
    """The names and functions that macros may use, as JSON."""

    def get(self, request: HttpRequest) -> JsonResponse:
        names = [{"text": each.text, "meaning": each.meaning} for each in [*_names(), *_properties(), *_operands()]]
        pipes = [{"text": each.text, "meaning": each.meaning} for each in _pipes()]
        return JsonResponse({"names": names, "functions": pipes})


class MacroList(FragmentMixin, _Reading):
    """The same with samples, to read and to insert, beside the editor."""

    def whole_page(self) -> str:
        return reverse("help-chapter", args=["macros"])

    def get(self, request: HttpRequest) -> HttpResponse:
        spaces = groupby(_names(), key=lambda each: each.text.partition(".")[0])
        groups = [(_(SPACES[space]), list(found)) for space, found in spaces]
        groups += [(_("Properties of devices and users"), list(_properties())), (_("Choosing"), list(_operands()))]
        return render(request, "templates_app/macros.html", {"groups": groups, "functions": list(_pipes())})


def _names() -> Iterator[Macro]:
    return (Macro(each.path, _(each.meaning), each.sample) for each in NAMES)


def _properties() -> Iterator[Macro]:
    """What was stored with devices and users besides; nobody knows what it means."""
    return (Macro(path, "") for path in sorted(coverage.properties() - PATHS))


def _operands() -> Iterator[Macro]:
    return (Macro(each.usage, _(each.meaning)) for each in OPERANDS.values())


def _pipes() -> Iterator[Macro]:
    return (Macro(each.usage, _(each.meaning)) for each in PIPES.values())
