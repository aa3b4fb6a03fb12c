"""Whether a filter (see devices.filters) holds for one device or user in memory; pure.

`devices.selection` says the same as a query; a property test holds both equal, on PostgreSQL and on SQLite.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec import Struct

from devices.filters import NUMBER, Condition, Filter, Op, digits, is_of_user, version
from devices.values import DEVICE_NAMES, STALE_AFTER
from foundation.casing import folded

USER_SEARCH = ("loginname", "displayname", "mail", "mobile")
DEVICE_SEARCH = ("serialNumber", "imei", "name", "model", "phoneNumber")
_NUMBER = re.compile(NUMBER)


class DeviceFacts(Struct, frozen=True):
    """`values` are `device.*` as macros see them (see devices.queries.known_device); `flags` by their columns.

    `push_at` is when the newest live token was registered; None without one, be it that dead ones are there.
    """

    values: Mapping[str, Any]
    flags: Mapping[str, bool]
    last_access: datetime | None = None
    apps: Collection[str] = ()
    has_tokens: bool = False
    push_at: datetime | None = None


class UserFacts(Struct, frozen=True):
    """`values` are `user.*` as macros see them."""

    values: Mapping[str, Any]
    groups: Collection[str] = ()


class Facts(Struct, frozen=True):
    """A device with its user, if it has one, or a user without devices."""

    device: DeviceFacts | None = None
    user: UserFacts | None = None


def holds(wanted: Filter, facts: Facts, *, now: datetime) -> bool:
    """A condition about a device never holds where there is none, nor does one about a user."""
    each = (holds_one(condition, facts, now=now) for condition in wanted.conditions)
    return all(each) if wanted.every else any(each)


def holds_one(condition: Condition, facts: Facts, *, now: datetime) -> bool:
    name = condition.field
    if name == "search":
        return any(folded(condition.value) in folded(text) for text in _searched(facts))
    if is_of_user(name):
        return facts.user is not None and _of_user(condition, facts.user)
    return facts.device is not None and _of_device(condition, facts.device, now=now)


def _searched(facts: Facts) -> list[str]:
    device = [_text(facts.device.values.get(name)) for name in DEVICE_SEARCH] if facts.device else []
    return device + ([_text(facts.user.values.get(name)) for name in USER_SEARCH] if facts.user else [])


def _of_user(condition: Condition, user: UserFacts) -> bool:
    if condition.field == "group":
        return _any_of(user.groups, condition)
    return _compared(user.values.get(condition.field.removeprefix("user.")), condition)


def _of_device(condition: Condition, device: DeviceFacts, *, now: datetime) -> bool:
    name, op = condition.field, condition.op
    if name in device.flags:
        return (device.flags[name] == condition.value) is (op is Op.IS)
    if name == "app":
        return _any_of(device.apps, condition)
    if name.startswith("inactive_"):
        return _inactive(device.last_access, condition, now=now)
    if name == "os_version" and op in _ORDER:
        installed = _text(device.values.get("osVersion"))
        return bool(installed) and _ORDER[op](version(installed), version(condition.value))
    known = device.values.get(_NAMES.get(name, name.removeprefix("device.")))
    return _compared(_push_state(device, now=now) if name == "push" else known, condition)


def _compared(value: Any, condition: Condition) -> bool:
    text, wanted = _text(value), condition.value
    match condition.op:
        case Op.IS:
            return bool(text == wanted)
        case Op.IS_NOT:
            return bool(text != wanted)
        case Op.IN:
            return text in wanted
        case Op.CONTAINS | Op.STARTS_WITH | Op.ENDS_WITH:
            return _PARTS[condition.op](folded(text), folded(wanted))
        case Op.GREATER | Op.LESS:
            return bool(_NUMBER.match(text)) and _ORDER[condition.op](float(text), wanted)
        case Op.IS_SET:
            return bool(text) is wanted
    assert_never(condition.op)


def _any_of(names: Collection[str], condition: Condition) -> bool:
    """Of several names one has to be as the condition says; for `is_not` none may be the one."""
    if condition.op is Op.IS_SET:
        return bool(names) is condition.value
    if condition.op is Op.IS_NOT:
        return condition.value not in names
    return any(_compared(name, condition) for name in names)


def _inactive(last_access: datetime | None, condition: Condition, *, now: datetime) -> bool:
    if condition.op is Op.IS_SET:
        return (last_access is not None) is condition.value
    if last_access is None:
        return False
    edge = now - timedelta(**{condition.field.removeprefix("inactive_"): condition.value})
    if condition.op in _ORDER:
        return _ORDER[condition.op](edge, last_access)
    return (edge - timedelta(days=1) < last_access <= edge) is (condition.op is Op.IS)


def _push_state(device: DeviceFacts, *, now: datetime) -> str:
    if device.push_at is None:
        return "off" if device.has_tokens else "none"
    return "live" if device.push_at > now - STALE_AFTER else "stale"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return digits(value) if isinstance(value, (int, float)) else str(value)


_NAMES = {column: name for name, column in DEVICE_NAMES.items()}
_PARTS: dict[Op, Callable[[str, str], bool]] = {
    Op.CONTAINS: operator.contains,
    Op.STARTS_WITH: str.startswith,
    Op.ENDS_WITH: str.endswith,
}
_ORDER: dict[Op, Callable[[Any, Any], bool]] = {Op.GREATER: operator.gt, Op.LESS: operator.lt}
