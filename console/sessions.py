"""Which sessions go on: those of users whom the console has something for."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from django.contrib.auth import logout
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from console.hashing import PATIENCE, BusyError
from console.roles import APPS


def may_enter(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether it is an active administrator with a permission for anything here."""
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return False
    return user.is_superuser or any(name.partition(".")[0] in APPS for name in user.get_all_permissions())


class SessionMiddleware:
    """Goes behind Django's own two of sessions and users."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and not may_enter(request.user):
            logout(request)
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """503 where a password did not get its turn."""
        if not isinstance(exception, BusyError):
            return None
        words = _("Many log in just now, so your password was not looked at. Try again in a moment.")
        page = render_to_string("console/unavailable.html", {"words": words})
        return HttpResponse(page, status=503, headers={"Retry-After": str(ceil(PATIENCE))})
