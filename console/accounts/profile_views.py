"""One's own profile: in which time zone the console tells times."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.accounts import edits, limits, time_zones
from console.kit.views import ConsoleView
from foundation import audit


class ProfileForm(forms.Form):
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        required=False,
        help_text=gettext_lazy("In which the console tells you times, and in which days of filters begin and end."),
    )

    def __init__(self, *args: Any, of_browser: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = _("As the browser says (%s)") % (of_browser or "UTC")
        self.fields["time_zone"].choices = [("", words), *time_zones.by_region()]  # type: ignore[attr-defined]


class ProfilePage(TemplateResponseMixin, ConsoleView):
    template_name = "console/profile.html"
    title = gettext_lazy("Profile")

    def get(self, request: HttpRequest) -> HttpResponse:
        form = ProfileForm(initial={"time_zone": time_zones.chosen(request)}, of_browser=time_zones.of_browser(request))
        return self.render_to_response(self.get_context_data(form=form, limited_to=_groups(request)))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ProfileForm(request.POST, of_browser=time_zones.of_browser(request))
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        assert isinstance(request.user, User)
        edits.set_time_zone(request.user, form.cleaned_data["time_zone"], actor=audit.by_request(request))
        messages.success(request, _("Your profile was saved."))
        return redirect("admin:profile")


def _groups(request: HttpRequest) -> str:
    """The names of the groups whose users alone this administrator sees; "" for who sees all."""
    if not limits.is_limited(request.user):
        return ""
    names = limits.groups().names(limits.of_users([request.user.pk or 0]).get(request.user.pk or 0, ()))
    return ", ".join(names) or _("none")
