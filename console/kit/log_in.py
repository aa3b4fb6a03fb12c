"""What the kit needs of the room that knows who may log in; that room supplies it when the console starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from msgspec import Struct


class LogIn(Struct, frozen=True):
    """Pages and rules. `urls` are further pages below the site's own address.

    `ask(request, typed=...)` answers a POST of nobody with the log-in page, which keeps `typed` as the box
    `interrupted.BOX`; the page that logs in hands it to `interrupted.keep`. `is_limited` says whether somebody is
    limited to groups of users.
    `locked_until(request, name, now=...)` returns when the next password for this user name is looked at, None for
    immediately.
    """

    may_enter: Callable[[AbstractBaseUser | AnonymousUser], bool]
    is_limited: Callable[[AbstractBaseUser | AnonymousUser], bool]
    locked_until: Callable[..., datetime | None]
    ask: Callable[..., HttpResponse]
    note_log_out: Callable[[HttpRequest], None]
    page: type[LoginView]
    password_page: type[PasswordChangeView]
    urls: Sequence[URLPattern]


_supplied: list[LogIn] = []


def supply(log_in: LogIn) -> None:
    """Once, when the console starts."""
    _supplied[:] = [log_in]


def supplied() -> LogIn:
    return _supplied[0]
