"""Log-in: name and password, then the second factor where there is one; too many wrong ones lock out for a while."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from console.accounts import lockout, log_ins, second_factor, sessions
from console.accounts.sessions import may_enter
from console.kit import interrupted

_BACKEND = "console.accounts.backends.PasswordBackend"
_PENDING = "console.half_logged_in"
_PATIENCE = 300
_LONGEST_NAME = 150  # of django.contrib.auth


class LogInForm(AdminAuthenticationForm):
    """What no login name can be is refused in the usual words, before anything is looked for or stored by it."""

    def clean(self) -> dict[str, Any]:
        if len(self.cleaned_data.get("username") or "") > _LONGEST_NAME:
            raise self.get_invalid_login_error()
        return super().clean()

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if not may_enter(user):
            words = _("You have no role that allows anything in this console. Ask an administrator for one.")
            raise forms.ValidationError(words, code="no_role")


class LogInPage(LoginView):
    template_name = "console/login.html"
    authentication_form = LogInForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.POST.get("username", "")
        return locked_out(request, name) or super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        return locked_out(self.request, form.data.get("username", "")) or super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        assert isinstance(user, User)
        interrupted.keep(self.request, self.request.POST.get(interrupted.BOX, ""))
        if not second_factor.is_on(user):
            return _let_in(self.request, user, url=self.get_success_url())
        self.request.session.cycle_key()
        self.request.session[_PENDING] = {
            "user": user.pk,
            "hash": user.get_session_auth_hash(),
            "at": timezone.now().timestamp(),
            "next": self.get_success_url(),
        }
        return redirect("admin:login-code")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(typed=self.request.POST.get(interrupted.BOX, ""), **kwargs)


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        help_text=gettext_lazy("Six digits from your app."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )


@method_decorator(never_cache, name="dispatch")
class CodePage(FormView[CodeForm]):
    """The second step, for those whose password was right a moment ago."""

    template_name = "console/login_code.html"
    form_class = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.user = _half_logged_in(request)
        if self.user is None:
            return redirect("admin:login")
        refused = locked_out(request, self.user.get_username()) if request.method == "POST" else None
        return refused or super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        assert self.user
        if second_factor.verify(self.user, form.cleaned_data["code"], now=timezone.now()):
            return _let_in(self.request, self.user, url=self.request.session.pop(_PENDING)["next"])
        credentials = {"username": self.user.get_username()}
        user_login_failed.send(sender=__name__, credentials=credentials, request=self.request)
        form.add_error(
            "code", _("This code is not right, or it was used already. Wait for the next one, and try again.")
        )
        return self.form_invalid(form)

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        assert self.user
        return locked_out(self.request, self.user.get_username()) or self.render_to_response(
            self.get_context_data(form=form), status=422
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{**admin.site.each_context(self.request), "title": _("Log in")}, **kwargs)


def locked_out(request: HttpRequest, name: str) -> HttpResponse | None:
    """The log-in page after too many wrong passwords or codes; None where the next one is looked at."""
    minutes = minutes_locked(request, name)
    if not minutes:
        return None
    context = {
        **admin.site.each_context(request),
        "title": _("Log in"),
        "form": LogInForm(request, initial={"username": name}),
        "app_path": reverse("admin:login"),
        "next": request.POST.get("next", ""),
        "locked_minutes": minutes,
        "typed": request.POST.get(interrupted.BOX, ""),
    }
    return render(request, "console/login.html", context, status=429)


def ask(request: HttpRequest, *, typed: str) -> HttpResponse:
    """The log-in page in place of what a POST of nobody would have done; 403."""
    context = {
        **admin.site.each_context(request),
        "title": _("Log in"),
        "form": LogInForm(request),
        "app_path": reverse("admin:login"),
        "next": request.path,
        "typed": typed,
        "interrupted": True,
    }
    return render(request, "console/login.html", context, status=403)


def minutes_locked(request: HttpRequest, name: str) -> int:
    now = timezone.now()
    until = lockout.locked_until(request, name, now=now)
    return ceil((until - now) / timedelta(minutes=1)) if until else 0


def _let_in(request: HttpRequest, user: User, *, url: str) -> HttpResponse:
    log_ins.note_log_in(request, user)
    login(request, user, backend=_BACKEND)
    sessions.begin(request)
    response = redirect(url)
    lockout.remember(request, response, user)
    return response


def _half_logged_in(request: HttpRequest) -> User | None:
    """Whose password was right in this session, unless it is too long ago or the password changed since."""
    kept = request.session.get(_PENDING)
    if not kept or timezone.now().timestamp() - kept["at"] > _PATIENCE:
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    return user if user and constant_time_compare(user.get_session_auth_hash(), kept["hash"]) else None
