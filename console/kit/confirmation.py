"""The password asked again before secrets, keys and administrators change; what was typed waits meanwhile, sealed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from console.kit import log_in
from console.kit.site import ConsoleSite
from foundation.secrets import SecretUnreadableError, seal, unseal

RECENT = timedelta(minutes=10)
OWN_PASSWORD = "own_password"  # noqa: S105 - the name of a box
_KEPT = timedelta(hours=1)
_AT = "console.password_at"
_HELD = "held"


def note_password(*, request: HttpRequest | None, **_kwargs: Any) -> None:
    """The user of this session has just given the password; also called whenever somebody logs in."""
    if request is not None and hasattr(request, "session"):
        request.session[_AT] = timezone.now().timestamp()


def is_given(request: HttpRequest) -> bool:
    """Whether the password was given lately, or is right in this answer to `ask`, whose form then stands in POST."""
    if not is_held(request):
        return _age(request.session.get(_AT, 0)) < RECENT
    body = _reopen(request)
    if not is_right(request) or body is None:
        return False
    request.POST = body  # type: ignore[assignment]
    return True


def is_held(request: HttpRequest) -> bool:
    """Whether it is an answer to `ask`."""
    return _HELD in request.POST


def is_right(request: HttpRequest) -> bool:
    """Whether the user's own password stands in POST; if so it counts as given."""
    password = request.POST.get(OWN_PASSWORD, "")
    user = authenticate(request, username=request.user.get_username(), password=password) if password else None
    if user is None or user.pk != request.user.pk:
        return False
    note_password(request=request)
    return True


def locked_until(request: HttpRequest) -> datetime | None:
    """When the next password of this user is looked at; None for immediately."""
    return log_in.supplied().locked_until(request, request.user.get_username(), now=timezone.now())


def ask(request: HttpRequest, *, page: str, back: str) -> HttpResponse:
    """The page that asks; it carries what was posted, encrypted, so that no secret stands in it."""
    again = is_held(request)
    until = locked_until(request)
    context = {
        **cast("ConsoleSite", admin.site).page_context(request, view=page),
        "title": _("Confirm that it is you"),
        "held": request.POST[_HELD] if again else _hold(request),
        "wrong": again and not until,
        "locked_until": until,
        "back": back,
    }
    return render(request, "console/confirm_password.html", context, status=429 if until else 422)


def _hold(request: HttpRequest) -> str:
    return seal(json.dumps([request.user.pk, request.path, timezone.now().timestamp(), request.POST.urlencode()]))


def _reopen(request: HttpRequest) -> QueryDict | None:
    """What was posted; None when it was another user's, for another page, or too long ago."""
    try:
        user, path, at, body = json.loads(unseal(request.POST[_HELD]))
    except SecretUnreadableError:
        return None
    return QueryDict(body) if (user, path) == (request.user.pk, request.path) and _age(at) < _KEPT else None


def _age(at: float) -> timedelta:
    return timedelta(seconds=timezone.now().timestamp() - at)
