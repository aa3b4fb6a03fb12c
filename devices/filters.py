"""Filters as lists, broadcasts and the conditions of automated actions have them: their form and its check; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

from msgspec import Struct

from devices.values import PUSH_STATES

MOST_CONDITIONS = 50
MOST_VALUES = 1_000
LONGEST_VALUE = 1_000
LARGEST_DAYS = 36_500
LARGEST_HOURS = 24 * LARGEST_DAYS
LARGEST = 10**15

NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?\Z"
"""What of a property's text is compared as a number; read alike by Python and PostgreSQL."""

_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


class Op(StrEnum):
    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GREATER = "greater"
    LESS = "less"
    IS_SET = "is_set"


class FilterError(ValueError):
    """A filter is wrong. `field` is the path in it, such as "all.0.op"; the message is for people."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


class Condition(Struct, frozen=True):
    """`value` is a text, a number of days or hours, a truth value, or a tuple of texts for `in`."""

    field: str
    op: Op
    value: Any


class Filter(Struct, frozen=True):
    """All of the conditions hold, or any of them does."""

    every: bool
    conditions: tuple[Condition, ...]


_EXACT = frozenset({Op.IS, Op.IS_NOT, Op.IN, Op.IS_SET})
_PARTS = frozenset({Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH})
_ORDER = frozenset({Op.GREATER, Op.LESS})


class _Kind(Struct, frozen=True):
    ops: frozenset[Op]
    read: Callable[[str, Any], Any]


def parse(tree: Any) -> Filter:
    """The filter of `{"all": [...]}` or `{"any": [...]}`; raises FilterError for anything that is none."""
    if not isinstance(tree, Mapping) or len(tree) != 1 or not set(tree) <= {"all", "any"}:
        raise FilterError("", "invalid", 'Give {"all": [...]} or {"any": [...]}.')
    ((name, given),) = tree.items()
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_CONDITIONS:
        raise FilterError(name, "invalid", f"Give 1 to {MOST_CONDITIONS} conditions.")
    return Filter(name == "all", tuple(_condition(f"{name}.{place}", each) for place, each in enumerate(given)))


def is_of_user(field: str) -> bool:
    """Whether a condition on the field can hold for a user without a device."""
    return field in {"group", "search"} or field.startswith("user.")


def version(text: str) -> tuple[int, ...]:
    """What versions are compared by: "26.1" comes before "26.10"."""
    numbers = [int(number) for number in re.findall(r"[0-9]{1,9}", text)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def digits(number: float) -> str:
    """The number as properties are compared: as JSON has it, with all digits in place of an exponent."""
    return str(number) if isinstance(number, int) else format(Decimal(repr(number + 0.0)), "f")


def _condition(path: str, given: Any) -> Condition:
    if not isinstance(given, Mapping):
        raise FilterError(path, "invalid", "A condition has field, op and value.")
    for name in given:
        if name not in {"field", "op", "value"}:
            raise FilterError(f"{path}.{str(name)[:64]}", "unknown_field", "A condition has field, op and value.")
    kind = _kind(f"{path}.field", given.get("field"))
    op = given.get("op")
    if not isinstance(op, str) or op not in kind.ops:
        known = ", ".join(each.value for each in Op if each in kind.ops)
        raise FilterError(f"{path}.op", "invalid", f"This field takes {known}.")
    return Condition(given["field"], Op(op), _value(f"{path}.value", given.get("value"), op=Op(op), kind=kind))


def _kind(path: str, field: Any) -> _Kind:
    if not isinstance(field, str):
        raise FilterError(path, "required", "Name the field.")
    if field in _FIELDS:
        return _FIELDS[field]
    space, _, name = field.partition(".")
    if space not in {"device", "user"}:
        known = ", ".join(sorted(_FIELDS))
        raise FilterError(path, "unknown", f"Fields are {known}, device.<PROPERTY> and user.<property>.")
    if not _PROPERTY.fullmatch(name):
        raise FilterError(path, "invalid", "A property's name has letters, digits, and any of _ . - in it.")
    return _KIND_OF_PROPERTY


def _value(path: str, value: Any, *, op: Op, kind: _Kind) -> Any:
    if op is Op.IS_SET:
        return True if value is None else _flag(path, value)
    if op is Op.IN:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
            raise FilterError(path, "invalid", f"Give a list of 1 to {MOST_VALUES} values.")
        return tuple(kind.read(f"{path}.{place}", each) for place, each in enumerate(value))
    if kind is _KIND_OF_PROPERTY and op in _ORDER:
        return _number(path, value)
    return kind.read(path, value)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_VALUE or "\0" in value:
        _refuse(path, f"Give a text of 1 to {LONGEST_VALUE} characters.")
    return value


def _scalar(path: str, value: Any) -> str:
    """A property's value as text, the way it is compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return digits(_number(path, value)) if isinstance(value, float) else str(value)
    return _text(path, value)


def _number(path: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        _refuse(path, f"Give a number between -{LARGEST:,} and {LARGEST:,}.")
    return float(value)


def _flag(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(path, "Give true or false.")
    return value


def _up_to(most: int, *, unit: str) -> Callable[[str, Any], int]:
    def read(path: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            _refuse(path, f"Give a whole number of {unit}, 0 to {most}.")
        return value

    return read


def _one_of(*known: str) -> Callable[[str, Any], str]:
    def read(path: str, value: Any) -> str:
        if value not in known:
            _refuse(path, f"Give one of {', '.join(known)}.")
        return str(value)

    return read


def _refuse(path: str, message: str) -> NoReturn:
    raise FilterError(path, "invalid", message)


_WORDS = _Kind(_EXACT | _PARTS, _text)
_FLAG = _Kind(frozenset({Op.IS, Op.IS_NOT}), _flag)
_KIND_OF_PROPERTY = _Kind(frozenset(Op), _scalar)
_FIELDS = {
    "platform": _Kind(_EXACT, _one_of("iOS", "ANDROID", "WINDOWS", "MACOSX")),
    "os_version": _Kind(frozenset(Op), _text),
    "ownership": _Kind(_EXACT, _one_of("corporate", "byod", "unknown")),
    "jailbroken": _FLAG,
    "out_of_compliance": _FLAG,
    "gateway_blocked": _FLAG,
    "managed": _FLAG,
    "inactive_days": _Kind(
        frozenset({Op.IS, Op.IS_NOT, Op.GREATER, Op.LESS, Op.IS_SET}), _up_to(LARGEST_DAYS, unit="days")
    ),
    "inactive_hours": _Kind(_ORDER, _up_to(LARGEST_HOURS, unit="hours")),
    "push": _Kind(frozenset({Op.IS, Op.IS_NOT, Op.IN}), _one_of(*PUSH_STATES)),
    "carrier": _WORDS,
    "group": _WORDS,
    "app": _WORDS,
    "search": _Kind(frozenset({Op.CONTAINS}), _text),
}
