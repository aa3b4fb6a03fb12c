"""Errors as RFC 9457 problem details."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from django.http import HttpResponse


@dataclass(frozen=True, slots=True)
class FieldError:
    """`field` is a path such as "device.serial"; `code` is stable, `message` is for people."""

    field: str
    code: str
    message: str


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.retry_after = status, detail, errors, retry_after


def response(problem: ProblemError) -> HttpResponse:
    """The problem as an answer."""
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "errors": [{"field": error.field, "code": error.code, "message": error.message} for error in problem.errors],
    }
    answer = HttpResponse(
        msgspec.json.encode(body), status=problem.status.value, content_type="application/problem+json"
    )
    if problem.retry_after is not None:
        answer["Retry-After"] = str(problem.retry_after)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        answer["WWW-Authenticate"] = "Bearer"
    return answer
