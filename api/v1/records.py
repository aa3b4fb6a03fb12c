"""What devices and users have in common: batches, warnings, errors of fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import operation, strict_json
from api.kit.operation import Call
from api.kit.problems import Problem, ProblemError, details, none_taken, unprocessable
from devices import edits
from devices.edits import Row, Saved
from devices.fields import FieldError, Unusable

MOST = 1_000
Items = Annotated[list[Any], Meta(min_length=1, max_length=MOST)]


class WarningBody(Struct):
    """Something that can't be used: stored as given, or not stored where nobody would see what is wrong with it."""

    field: str
    code: str
    message: str


class SavedResult(Struct):
    """What became of one record of a batch: its id, or the problem."""

    index: int
    id: UUID | UnsetType = UNSET
    created: bool | UnsetType = UNSET
    warnings: list[WarningBody] | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class SavedAnswer(Struct):
    accepted: int
    rejected: int
    results: list[SavedResult]


def warnings_of(found: Sequence[Unusable]) -> list[WarningBody]:
    return [WarningBody(each.field, each.code, each.message) for each in found]


def saved(save: Callable[[], Saved[Any]]) -> Saved[Any]:
    """What `save` returns; a wrong field becomes a problem."""
    try:
        return save()
    except FieldError as error:
        raise unprocessable(error.field, error.code, error.message) from None


def put(*, save: Callable[[], Saved[Row]], answer: Callable[[Saved[Row]], Any]) -> HttpResponse:
    """Create or change one record."""
    kept = saved(save)
    return operation.answer(answer(kept), status=HTTPStatus.CREATED if kept.created else HTTPStatus.OK)


def save_all(call: Call, items: list[Any], *, model: type[Row], save: Callable[[Any], Saved[Row]]) -> HttpResponse:
    """Save each on its own: good ones are kept, bad ones reported; 422 when none was kept."""
    kept: list[Saved[Row]] = []

    def keep(item: Any) -> Saved[Row]:
        kept.append(save(item))
        return kept[-1]

    results = [_result(index, item, save=keep) for index, item in enumerate(items)]
    edits.record_batch(kept, model=model, given=len(items), actor=call.actor)
    rejected = sum(1 for result in results if result.error is not UNSET)
    if rejected == len(results):
        return none_taken(results)
    return operation.answer(SavedAnswer(len(results) - rejected, rejected, results))


def _result(index: int, item: Any, *, save: Callable[[Any], Saved[Any]]) -> SavedResult:
    try:
        strict_json.check(item)
        kept = saved(lambda: save(item))
    except ProblemError as problem:
        return SavedResult(index, error=details(problem))
    return SavedResult(index, kept.row.uid, kept.created, warnings_of(kept.warnings))
