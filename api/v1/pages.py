"""Keyset paging: newest first, each page names the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from msgspec import Meta

Row = TypeVar("Row", bound=Model)
Limit = Annotated[int, Meta(ge=1, le=500)]
DEFAULT_LIMIT = 100


def page(rows: QuerySet[Row], *, limit: int) -> tuple[list[Row], Row | None]:
    """The first rows, and the last of them if more follow."""
    return cut(rows[: limit + 1], limit=limit)


def cut(rows: Iterable[Row], *, limit: int) -> tuple[list[Row], Row | None]:
    """The same of rows of which one more than these was read, if there is one."""
    found = list(rows)
    return found[:limit], found[limit - 1] if len(found) > limit else None


def address(path: str, parameters: dict[str, Any], *, after: object) -> str:
    """The address of the page that begins after a row."""
    return f"{path}?{urlencode({**parameters, 'after': str(after)})}"


def next_page(request: HttpRequest, last: Row | None, *, key: Callable[[Row], object]) -> str | None:
    """The address of the next page with the same filters; None on the last."""
    return None if last is None else address(request.path, request.GET.dict(), after=key(last))
