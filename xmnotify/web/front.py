"""What comes before everything else: probes by any host, encodings that are not read, hosts that are not ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from api import problems
from api.problems import ProblemError
from api.strict_json import shown
from foundation.log_filter import SEEN

PROBES = ("/healthz", "/readyz")
_MOST_SHOWN = 100
logger = logging.getLogger("django.security.DisallowedHost")
"""As Django itself has it, so that there are a few such lines a minute at most: see `xmnotify.logs`."""


class FrontMiddleware:
    """To be the first of all but for what says who the client is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in PROBES:  # whatever name or address they are asked by
            match = resolve(request.path_info)
            answer: HttpResponse = match.func(request)
            return answer
        refusal = _foreign_host(request) or _encoded(request)
        if refusal is None:
            return self._get_response(request)
        setattr(request, SEEN, True)
        return problems.plain_or_problem(request, refusal)


def _foreign_host(request: HttpRequest) -> ProblemError | None:
    try:
        request.get_host()
    except DisallowedHost:
        host = shown(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", ""), most=_MOST_SHOWN)
        logger.warning("Invalid HTTP_HOST header: %r; XMNOTIFY_ALLOWED_HOSTS does not have it.", host)
        return ProblemError(HTTPStatus.BAD_REQUEST, f"XMNOTIFY_ALLOWED_HOSTS does not have the host {host!r}.")
    return None


def _encoded(request: HttpRequest) -> ProblemError | None:
    """Decompressing would let a small body become a huge one."""
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    words = f"Content-Encoding {shown(encoding, most=_MOST_SHOWN)!r} is not taken; send the body as it is."
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
