"""The few values that a place in a body may have, found by the type that it is read into."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from msgspec import inspect


@lru_cache(maxsize=256)
def at(into: Any, *, path: str) -> tuple[str, ...]:
    """The texts that are taken at a path such as "channels.0.kind"."""
    places = list(_each(inspect.type_info(into)))
    for name in path.split("."):
        places = [inner for place in places for below in _below(place, name) for inner in _each(below)]
    return tuple(str(value) for place in places for value in _values(place))


def _each(place: inspect.Type) -> Iterator[inspect.Type]:
    """The types of a union, without what only tells more of one."""
    if isinstance(place, inspect.UnionType):
        for one in place.types:
            yield from _each(one)
    elif isinstance(place, inspect.Metadata):
        yield from _each(place.type)
    else:
        yield place


def _below(place: inspect.Type, name: str) -> Iterator[inspect.Type]:
    if isinstance(place, inspect.StructType) and place.tag_field == name:
        yield inspect.LiteralType((place.tag,))
    elif isinstance(place, inspect.StructType):
        yield from (field.type for field in place.fields if field.encode_name == name)
    elif isinstance(place, inspect.ListType):
        yield place.item_type
    elif isinstance(place, inspect.DictType):
        yield place.value_type


def _values(place: inspect.Type) -> list[Any]:
    if isinstance(place, (inspect.EnumType, inspect.CustomType)) and issubclass(place.cls, Enum):
        return [member.value for member in place.cls]
    return list(place.values) if isinstance(place, inspect.LiteralType) else []
