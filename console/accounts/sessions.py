"""Which sessions go on: not too long, not idle, of users whom the console has something for, with a second factor where
their roles ask for one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from math import ceil

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from console.accounts import second_factor
from console.accounts.hashing import PATIENCE, BusyError
from console.accounts.roles import APPS

POLLS = frozenset({"figures"})
"""Ids of the elements of pages that ask by themselves, as htmx names them."""
_SINCE, _SEEN = "console.since", "console.seen"
_MINUTE = 60
logger = logging.getLogger(__name__)


def may_enter(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether it is an active administrator with a permission for anything here."""
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return False
    return user.is_superuser or any(name.partition(".")[0] in APPS for name in user.get_all_permissions())


def begin(request: HttpRequest) -> None:
    """The session lasts from now on, even where it was there before the log-in."""
    request.session[_SINCE] = request.session[_SEEN] = timezone.now().timestamp()


def _is_over(request: HttpRequest) -> bool:
    """Whether it lasted too long, or nobody did anything for too long; what is done now is noted once a minute."""
    now = timezone.now().timestamp()
    since, seen = request.session.get(_SINCE, now), request.session.get(_SEEN, now)
    longest = timedelta(hours=settings.XMNOTIFY_SESSION_HOURS).total_seconds()
    if now - since > longest or now - seen > settings.XMNOTIFY_IDLE_MINUTES * _MINUTE:
        return True
    by_itself = request.headers.get("HX-Trigger") in POLLS
    if _SEEN not in request.session or (now - seen > _MINUTE and not by_itself):
        _note(request.session, since=since, seen=now)
    return False


def _note(session: SessionBase, *, since: float, seen: float) -> None:
    """Stored here and not by Django, so that a page can be read while the database takes nothing."""
    modified = session.modified
    session[_SINCE], session[_SEEN] = since, seen
    try:
        session.save()
    except (DatabaseError, UpdateError):
        logger.warning("session.not_noted")
    session.modified = modified


@cache
def _without_factor() -> frozenset[str]:
    return frozenset(reverse(f"admin:{name}") for name in ("second-factor", "logout", "login"))


class SessionMiddleware:
    """Goes behind Django's own two of sessions and users."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            if not may_enter(request.user) or _is_over(request):
                logout(request)
            elif request.path_info not in _without_factor() and second_factor.is_lacking(request.user):
                return redirect("admin:second-factor")
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """503 where a password did not get its turn."""
        if not isinstance(exception, BusyError):
            return None
        words = _("Many log in just now, so your password was not checked. Try again in a moment.")
        page = render_to_string("console/unavailable.html", {"words": words})
        return HttpResponse(page, status=503, headers={"Retry-After": str(ceil(PATIENCE))})
