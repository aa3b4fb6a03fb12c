"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from msgspec import Struct

from foundation.log_filter import SEEN
from foundation.sql import trouble
from foundation.sql.trouble import WORDS, Trouble

RETRY_SECONDS = 5
"""How long a caller is to wait when the database is away."""
_ROOT = "/api/"
CONTENT_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)


class FieldError(Struct, frozen=True):
    """`field` is a path such as "device.serial"; `code` is stable, `message` is for people."""

    field: str
    code: str
    message: str


class Problem(msgspec.Struct):
    """Problem details (RFC 9457); `errors` names the fields that are wrong."""

    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    type: str = "about:blank"


class BatchProblem(Problem, kw_only=True):
    """Nothing of a batch was taken; `results` has the problem of each item."""

    accepted: int
    rejected: int
    results: list[Any]


class ProblemError(Exception):
    """Ends a request with a problem. `retry_after` is in seconds."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, errors: Sequence[FieldError] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.retry_after = status, detail, tuple(errors), retry_after


def unprocessable(field: str, code: str, message: str) -> ProblemError:
    """422 about one field."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, message, errors=[FieldError(field, code, message)])


def invalid(error: ValidationError) -> ProblemError:
    """422 with everything that a validator of ours found, by field."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    errors = [
        FieldError("body" if field == NON_FIELD_ERRORS else field, each.code or "invalid", " ".join(each.messages))
        for field, found in by_field.items()
        for each in found
    ]
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, errors[0].message, errors=errors)


def details(problem: ProblemError) -> Problem:
    return Problem(
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        errors=list(problem.errors),
    )


def encoded(problem: ProblemError) -> bytes:
    return msgspec.json.encode(details(problem))


def response(problem: ProblemError) -> HttpResponse:
    """The problem as an answer."""
    answer = HttpResponse(encoded(problem), status=problem.status.value, content_type=CONTENT_TYPE)
    if problem.retry_after is not None:
        answer["Retry-After"] = str(problem.retry_after)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def none_taken(results: list[Any]) -> HttpResponse:
    """422 for a batch of which every item is wrong."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    body = BatchProblem(
        title=status.phrase,
        status=status.value,
        detail="Nothing of the batch was taken.",
        accepted=0,
        rejected=len(results),
        results=results,
    )
    return HttpResponse(msgspec.json.encode(body), status=status.value, content_type=CONTENT_TYPE)


def database_trouble(found: Trouble, *, error: BaseException) -> ProblemError:
    """503; what the database said goes to the log alone. The connection is given up where another may do better."""
    logger.error("database.trouble cause=%s error=%s", found, type(error).__name__, exc_info=error)
    trouble.give_up(found)
    detail = f"{WORDS[found]}. Send this again: an event with the same idempotency key is stored once."
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_SECONDS)


def late() -> ProblemError:
    """503 for what waited too long for others and was not begun."""
    detail = "Others were being taken in for longer than a request waits; nothing was stored. Send this again."
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_SECONDS)


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    return response(ProblemError(HTTPStatus.NOT_FOUND, "There is nothing at this address; see /api/docs."))


def plain_or_problem(request: HttpRequest, problem: ProblemError) -> HttpResponse:
    """The problem as an answer: a line of text where it is not the interface that is called."""
    if request.path_info.startswith(_ROOT):
        return response(problem)
    answer = HttpResponse(f"{problem.detail}\n", status=problem.status.value, content_type="text/plain; charset=utf-8")
    if problem.retry_after is not None:
        answer["Retry-After"] = str(problem.retry_after)
    return answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's answer to what it refuses itself; below /api/ as a problem."""
    if isinstance(exception, RequestDataTooBig):
        detail = "The body is larger than is taken here."
        return plain_or_problem(request, ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail))
    if found := trouble.of(exception):  # a session that could not be saved, says Django
        return _unavailable(request, found, error=exception)
    if request.path_info.startswith(_ROOT):
        return response(ProblemError(HTTPStatus.BAD_REQUEST, "The request is malformed."))
    return defaults.bad_request(request, exception)


def _unavailable(request: HttpRequest, found: Trouble, *, error: BaseException) -> HttpResponse:
    """A problem below /api/, a page elsewhere, which needs no database."""
    setattr(request, SEEN, True)
    problem = database_trouble(found, error=error)
    if request.path_info.startswith(_ROOT):
        return response(problem)
    page = render_to_string("console/unavailable.html", {"words": f"{WORDS[found]}."})
    return HttpResponse(page, status=problem.status.value, headers={"Retry-After": str(RETRY_SECONDS)})


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    """Django's answer to an exception: 503 for the database's troubles, else 500 without internals.

    Django calls it while it handles the exception, which is in the log.
    """
    error = sys.exc_info()[1]
    if error and (found := trouble.of(error)):
        return _unavailable(request, found, error=error)
    if request.path_info.startswith(_ROOT):
        detail = "Something went wrong on our side; it was logged."
        return response(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail))
    return defaults.server_error(request)
