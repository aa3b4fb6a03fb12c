"""The short way to the HTTP interface: past what only pages need, such as sessions, languages, forms and messages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils import translation

_BELOW = "/api/v1/"


class DirectMiddleware:
    """Serves the operations itself; their callers have keys or signatures, no cookies, and get plain English."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(_BELOW):
            return self._get_response(request)
        request.get_host()  # raises for a host that is not ours, as it does for pages
        translation.deactivate()  # what a page before left in this thread
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self._get_response(request)
        request.resolver_match = match
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(answer, HttpResponse):
            answer.headers.setdefault("Content-Length", str(len(answer.content)))
        return answer
