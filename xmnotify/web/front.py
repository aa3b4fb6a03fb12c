"""What comes before everything else: probes by any host, hosts that are not ours, encodings that are not read, and
requests of which no proxy says that they came over HTTPS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from api.kit import problems
from api.kit.problems import ProblemError
from api.kit.strict_json import shown
from foundation.log_filter import SEEN
from xmnotify.web import proxies

PROBES = ("/healthz", "/readyz")
_MOST_SHOWN = 100
_BROWSER_USED_HTTPS = "HTTP_SEC_FETCH_SITE"
"""Over HTTP a browser sends it to its own machine alone (Fetch Metadata, "potentially trustworthy")."""
logger = logging.getLogger("django.security.front")
"""There are a few lines a minute of such a logger at most: see `xmnotify.logs`."""


class FrontMiddleware:
    """To be the first of all but for what says who the client is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in PROBES:  # whatever name or address they are asked by
            match = resolve(request.path_info)
            answer: HttpResponse = match.func(request)
            return answer
        refusal = _foreign_host(request) or _would_redirect_for_ever(request) or _encoded(request)
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


def _would_redirect_for_ever(request: HttpRequest) -> ProblemError | None:
    """A redirect to HTTPS helps where a proxy knows how its client came; elsewhere it leads back here."""
    if not settings.SECURE_SSL_REDIRECT or request.is_secure():
        return None
    if proxies.PROTO in request.META and _BROWSER_USED_HTTPS not in request.META:
        return None
    peer = str(request.META.get("REMOTE_ADDR", ""))[:45]
    logger.warning("tls.not_reported peer=%s; XMNOTIFY_TLS needs a trusted proxy that reports HTTPS", peer)
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "XMNOTIFY_TLS is on, and no trusted proxy reports that this request came over HTTPS. Open the address of the "
        "proxy that terminates TLS. If you did, add the address that the log has to XMNOTIFY_TRUSTED_PROXIES, and have "
        "the proxy send X-Forwarded-Proto: https, which any proxy between it and this server must pass on.",
    )


def _encoded(request: HttpRequest) -> ProblemError | None:
    """Decompressing would let a small body become a huge one."""
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    words = f"Content-Encoding {shown(encoding, most=_MOST_SHOWN)!r} is not taken; send the body as it is."
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
