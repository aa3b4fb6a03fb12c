"""Test Configuration on the form of a server: begin a test of what is typed in, show its stages as they come."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.kit import confirmation
from console.kit.registry import Words
from console.kit.views import is_fragment
from foundation import audit
from foundation.audit import Snapshot
from servers.forms import UNTESTED, ServerForm
from servers.kept_secrets import uses_stored
from servers.kind import MAY_TEST
from servers.models import Server, ServerTest
from servers.testing import runs
from servers.views import ServerPage, ServerView


class TestedServerPage(ServerPage):
    """The form, where a test of the same settings before *Add* or *Save* becomes the server's last test."""

    def store(self, form: ModelForm[Server], *, before: Snapshot) -> Server:
        stored = super().store(form, before=before)
        runs.adopt(stored, actor=runs.Asker.of(self.request.user).actor)  # type: ignore[arg-type]
        return stored


class TestView(ServerPage):
    """POST only. For htmx the box of the result; without script the whole form again, with what was typed."""

    asks_password = False  # nothing is stored
    write_permissions = (MAY_TEST,)
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_instance()
        confirmed = confirmation.is_given(request) or confirmation.is_right(request)
        form = self.get_form(data=request.POST)
        problems = self._problems(form)
        if not confirmed and (confirmation.is_held(request) or (not problems and uses_stored(form.instance))):
            return self._ask()
        test, problems = (None, problems) if problems else self._begin(form, to=request.POST.get("test_to", ""))
        context = {"test": test_context(test) if test else None, "test_problems": problems}
        status = 200 if test else 422
        if is_fragment(request):
            return render(request, "servers/test_result.html", context, status=status)
        return self.render_to_response(self.get_context_data(form=form, **context), status=status)

    def _ask(self) -> HttpResponse:
        """For the password: a box in the place of the result, or a page of its own without script."""
        if is_fragment(self.request):
            wrong = bool(self.request.POST.get(confirmation.OWN_PASSWORD))
            until = confirmation.locked_until(self.request)
            context = {"asks_password": True, "wrong": wrong or until, "locked_until": until}
            return render(self.request, "servers/test_result.html", context, status=422)
        return confirmation.ask(self.request, page=self.page, back=self.form_url())

    def _problems(self, form: ServerForm[Server]) -> list[Words]:
        form.is_valid()
        return [
            f"{form.fields[name].label}: {words}"
            for name, errors in form.errors.items()
            if name in form.fields and name not in UNTESTED
            for words in errors
        ]

    def _begin(self, form: ServerForm[Server], *, to: str) -> tuple[ServerTest | None, list[Words]]:
        actor = audit.by_request(self.request)
        asker = runs.Asker.of(self.request.user, address=actor.address)  # type: ignore[arg-type]
        try:
            return runs.start(form.instance, to=to, asker=asker, now=timezone.now()), []
        except ValidationError as error:
            found = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
            labels = {
                "to": self.kind.test_box.label,
                **{name: field.label or "" for name, field in form.fields.items()},
            }
            return None, [
                f"{labels[name]}: {words}" if name in labels else words
                for name, messages in found.items()
                for words in messages
            ]
        except runs.RefusedTestError as refusal:
            return None, [str(refusal)]


class TestPage(TemplateResponseMixin, ServerView):
    """One test, as far as it is: the box for htmx, else a page."""

    template_name = "servers/test.html"
    title = gettext_lazy("Test Configuration")
    permissions = ("servers.view_server", MAY_TEST)

    def get(self, request: HttpRequest, pk: str) -> HttpResponse:
        test = ServerTest.objects.filter(pk=pk).first()
        if test is None:
            raise Http404
        context = {"test": test_context(test)}
        if is_fragment(request):
            return render(request, "servers/test_result.html", context)
        return self.render_to_response(self.get_context_data(**context))


def test_context(test: ServerTest) -> dict[str, Any]:
    stages = list(test.stages.all())
    lost = runs.is_lost(test, now=timezone.now())
    return {
        "row": test,
        "stages": stages,
        "running": test.finished_at is None and not lost,
        "lost": lost,
        "failed": next((stage for stage in stages if not stage.ok), None),
        "url": reverse("server-test", args=[test.pk]),
    }
