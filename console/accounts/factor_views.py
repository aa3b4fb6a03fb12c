"""One's own second factor: switched on with an app, recovery codes, switched off."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.accounts import edits, second_factor
from console.accounts.login import CodeForm
from console.kit.views import ConsoleView
from console.models import SecondFactor
from foundation import audit
from foundation.secrets import SecretUnreadableError, seal, unseal

_OFFERED = "console.offered_second_factor"


class SecondFactorPage(TemplateResponseMixin, ConsoleView):
    """Recovery codes stand in the answer to the POST that made them and nowhere else."""

    template_name = "console/second_factor.html"
    title = gettext_lazy("Second factor")
    asks_password = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(form=CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        factor = SecondFactor.objects.filter(user=request.user.pk).first()
        do = request.POST.get("do")
        if do == "on" and factor is None:
            return self._turn_on(request)
        if do == "codes" and factor is not None:
            return self._show(codes=edits.renew_recovery_codes(factor, actor=audit.by_request(request)))
        if do == "off" and factor is not None and second_factor.is_required(self._user()):
            messages.error(request, _("Your role requires a second factor, so it stays on."))
        elif do == "off" and factor is not None:
            edits.turn_off_second_factor(factor, actor=audit.by_request(request))
            messages.success(request, _("Your second factor is off: the password alone lets you in."))
        return redirect("admin:second-factor")

    def _turn_on(self, request: HttpRequest) -> HttpResponse:
        form = CodeForm(request.POST)
        if form.is_valid():
            codes = edits.turn_on_second_factor(
                self._user(),
                secret=self._offered(),
                code=form.cleaned_data["code"],
                actor=audit.by_request(request),
                now=timezone.now(),
            )
            if codes:
                request.session.pop(_OFFERED, None)
                return self._show(codes=codes)
            form.add_error("code", _("This is not the code of the key above. Wait for the next one, and try again."))
        return self._show(form=form, status=422)

    def _show(self, *, status: int = 200, **context: Any) -> HttpResponse:
        factor = SecondFactor.objects.filter(user=self.request.user.pk).first()
        if factor is None:
            secret = self._offered()
            address = second_factor.address(secret, name=self._user().get_username())
            groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
            context |= {"key": groups, "drawing": second_factor.drawing(address)}
        return self.render_to_response(
            self.get_context_data(factor=factor, required=second_factor.is_required(self._user()), **context),
            status=status,
        )

    def _offered(self) -> str:
        """The key that this session is shown; the same one until it is taken, so that a mistyped code loses nothing."""
        try:
            return unseal(self.request.session[_OFFERED])
        except (KeyError, SecretUnreadableError):
            secret = second_factor.new_secret()
            self.request.session[_OFFERED] = seal(secret)
            return secret

    def _user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user
