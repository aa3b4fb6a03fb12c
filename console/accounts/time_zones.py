"""The zone in which a page tells times: that of the administrator's profile, else the browser's, else UTC."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from console.models import Profile

COOKIE = "time_zone"
"""Set by console.js to what the browser says."""


class TimeZoneMiddleware:
    """Goes behind Django's middleware of users."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(ZoneInfo(chosen(request) or of_browser(request) or "UTC")):
            return self._get_response(request)


def chosen(request: HttpRequest) -> str:
    """The zone in the user's profile; empty for that of the browser."""
    profile = getattr(request.user, "profile", None) if isinstance(request.user, User) else None
    return profile.time_zone if isinstance(profile, Profile) and profile.time_zone in _known() else ""


def of_browser(request: HttpRequest) -> str:
    """The zone that the browser says it is in; empty for one that nobody knows."""
    said = request.COOKIES.get(COOKIE, "")
    return said if said in _known() else ""


def by_region() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every zone, under the first part of its name."""
    names = sorted(name for name in _known() if "/" in name and not name.startswith("Etc/"))
    return [("UTC", [("UTC", "UTC")]), *((region, _named(zones)) for region, zones in groupby(names, key=_region))]


def _named(zones: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, name.partition("/")[2].replace("_", " ")) for name in zones]


def _region(name: str) -> str:
    return name.partition("/")[0]


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
