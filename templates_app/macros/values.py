"""How a macro finds its value, and how a value prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from types import NoneType
from typing import Any

Values = Mapping[str, Any]
Getter = Callable[[Values], Any]


def getter(parts: tuple[str, ...]) -> Getter:
    """A function that walks this path through the values and gives None where it ends early.

    One part alone, or the prefix `custom`, is a custom property: the device's, then the user's.
    A part made of digits is a key of a mapping or a position in a list.
    """
    if len(parts) == 1:
        return _custom(parts)
    if parts[0] == "custom":
        return _custom(parts[1:])
    return _walk(parts)


def _custom(parts: tuple[str, ...]) -> Getter:
    of_device = _walk(("device", *parts))
    of_user = _walk(("user", *parts))

    def get(values: Values) -> Any:
        value = of_device(values)
        return of_user(values) if is_empty(value) else value

    return get


def _walk(parts: tuple[str, ...]) -> Getter:
    if len(parts) == 2:
        return _pair(*parts)

    def get(values: Values) -> Any:
        value: Any = values
        for part in parts:
            value = _step(value, part=part)
        return value

    return get


def _pair(prefix: str, name: str) -> Getter:
    def get(values: Values) -> Any:
        try:
            return values[prefix][name]
        except (KeyError, TypeError):
            return None

    return get


def _step(value: Any, *, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list | tuple) and part.isascii() and part.isdigit() and len(part) < 10:
        position = int(part)
        return value[position] if position < len(value) else None
    return None


def is_empty(value: object) -> bool:
    """Missing, an empty text, or a list or mapping without members; 0 and false are values."""
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def as_text(value: object) -> str:
    """How a plain JSON value prints: true/false, whole numbers without ".0", lists with ", ", mappings as JSON.

    Dates and times print in ISO 8601. Halves of surrogate pairs, which no channel can send, become U+FFFD.
    """
    return _PRINTERS.get(type(value), str)(value)


def _string(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _float(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _list(items: Iterable[object]) -> str:
    return ", ".join(as_text(item) for item in items)


def _mapping(members: dict[str, object]) -> str:
    return _string(json.dumps(members, ensure_ascii=False, default=str))


_PRINTERS: dict[type, Callable[[Any], str]] = {
    str: _string,
    NoneType: lambda _: "",
    bool: lambda value: "true" if value else "false",
    float: _float,
    list: _list,
    tuple: _list,
    dict: _mapping,
    datetime: datetime.isoformat,
    date: date.isoformat,
}
