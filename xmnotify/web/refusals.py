"""What is answered where Django is not asked: problem details below /api/, a line of text elsewhere."""

from __future__ import annotations

from http import HTTPStatus

from granian.rsgi import HTTPProtocol, Scope

from api.kit import problems
from api.kit.problems import RETRY_SECONDS, ProblemError

_WORDS = {
    HTTPStatus.BAD_REQUEST: "The body broke off.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not come in time.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests of this address are still sending their bodies.",
    HTTPStatus.SERVICE_UNAVAILABLE: "This can't be served now; nothing was done. Send it again.",
}
_WITH_RETRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def send(scope: Scope, proto: HTTPProtocol, *, status: HTTPStatus) -> None:
    """The connection ends with it, since the rest of the body may still be on its way."""
    words = _WORDS[status]
    if scope.path.startswith("/api/"):
        body, kind = problems.encoded(ProblemError(status, words)), problems.CONTENT_TYPE
    else:
        body, kind = f"{words}\n".encode(), "text/plain; charset=utf-8"
    headers = [("content-type", kind)]
    if status in _WITH_RETRY:
        headers.append(("retry-after", str(RETRY_SECONDS)))
    proto.response_bytes(status.value, closing(headers, scope), body)


def closing(headers: list[tuple[str, str]], scope: Scope) -> list[tuple[str, str]]:
    """With the header that ends the connection; HTTP/2 has none."""
    return headers if scope.http_version == "2" else [*headers, ("connection", "close")]
