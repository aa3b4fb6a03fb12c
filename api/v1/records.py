"""What devices and users have in common: batches, warnings, errors of fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import operation, strict_json
from api.kit.operation import Call
from api.kit.problems import Problem, ProblemError, details, none_taken, unprocessable
from devices.fields import FieldError, Unusable
from devices.models import Device, Person
from devices.upsert import Row, Saved
from dispatch.outbox import removal
from foundation import audit
from foundation.audit import Action

MOST = 1_000
_APART = frozenset({"apps", "push"})  # they stand in tables of their own; of a token nothing is told
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
    """What `save` answers; a wrong field becomes a problem."""
    try:
        return save()
    except FieldError as error:
        raise unprocessable(error.field, error.code, error.message) from None


def put(
    call: Call, rows: QuerySet[Row], *, save: Callable[[], Saved[Row]], answer: Callable[[Saved[Row]], Any]
) -> HttpResponse:
    """Create or change one record, with an entry in the audit trail; `rows` are those that have its key already."""
    with transaction.atomic():
        before = rows.first()
        told = _told(before) if before else {}
        kept = saved(save)
        if kept.created or kept.changed:
            after = _told(kept.row) | {name: audit.NEW_MASK for name in kept.changed if name in _APART}
            action = Action.ADD if kept.created else Action.CHANGE
            audit.record(call.actor, action=action, instance=kept.row, before=told, after=after)
    return operation.answer(answer(kept), status=HTTPStatus.CREATED if kept.created else HTTPStatus.OK)


def delete(call: Call, row: Device | Person) -> HttpResponse:
    """Remove it; events and deliveries keep their history without it. Of a person no copy stays anywhere."""
    with transaction.atomic():
        if isinstance(row, Person):
            gone = removal.words(call.now)
            removal.of_person(row.pk, now=call.now)
            audit.forget(row, words=gone)
            audit.record(call.actor, action=Action.DELETE, instance=row, name=gone)
        else:
            audit.record(call.actor, action=Action.DELETE, instance=row, before=_told(row))
        row.delete()
    return operation.nothing()


def _told(row: Device | Person) -> dict[str, Any]:
    """What the audit trail tells of it: its fields, each property by its name."""
    fields = dict(audit.snapshot(row))
    return {**fields.pop("properties", {}), **fields}


def save_all(call: Call, items: list[Any], *, save: Callable[[Any], Saved[Row]], batch: Row) -> HttpResponse:
    """Save each on its own: good ones are kept, bad ones reported; 422 when none was kept.

    `batch` stands for all of them in the audit trail, which gets one entry with the numbers.
    """
    kept: list[Saved[Row]] = []

    def keep(item: Any) -> Saved[Row]:
        kept.append(save(item))
        return kept[-1]

    results = [_result(index, item, save=keep) for index, item in enumerate(items)]
    created = sum(1 for each in kept if each.created)
    changed = sum(1 for each in kept if each.changed and not each.created)
    if created or changed:
        audit.record(call.actor, action=Action.CHANGE, instance=batch, after={"created": created, "changed": changed})
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
