"""One's own password, changed by who knows the one before; wrong guesses at that one count like those of a log-in."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from console.accounts import edits, lockout
from foundation import audit


class OwnPasswordForm(AdminPasswordChangeForm):
    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        typed: str = self.cleaned_data["old_password"]
        name = self.user.get_username()
        if authenticate(self.request, username=name, password=typed) is not None:
            return typed
        if lockout.locked_until(self.request, name, now=timezone.now()):
            raise ValidationError(_("Too many wrong attempts. Wait a while before the next one."), code="locked")
        raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")


class OwnPasswordPage(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:  # type: ignore[override]
        edits.set_password(form.user, form.cleaned_data["new_password1"], actor=audit.by_request(self.request))
        update_session_auth_hash(self.request, form.user)
        return redirect(self.get_success_url())
