"""The bodies that devices and users come in, alone or within an event; their values are checked by devices.fields."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from api.kit import operation, strict_json, texts
from api.kit.problems import ProblemError, unprocessable
from devices import filters
from devices.fields import FieldError, clean_key
from devices.filters import Filter, FilterError, Op

Line = Annotated[str, Meta(max_length=255, pattern=texts.LINE)]
Identifier = Annotated[str, Meta(max_length=320)]
"""A key or an address: what can't be seen around it is cut off where it is checked, and refused inside it."""
Moment = Annotated[datetime, Meta(tz=True)]
Properties = dict[str, str | int | float | bool | None]
Text = str | None | UnsetType
Flag = bool | None | UnsetType
Value = bool | int | float | str


class PushBody(Struct, forbid_unknown_fields=True):
    """A push token; an APNs token is written in hexadecimal."""

    kind: Literal["apns", "fcm"]
    token: str
    environment: Literal["production", "sandbox"] = "production"


class DeviceFields(Struct, forbid_unknown_fields=True):
    """What can be supplied about a device: named fields are set, absent ones stay, null clears."""

    platform: Literal["iOS", "ANDROID", "WINDOWS", "MACOSX"] | UnsetType | None = UNSET
    os_version: Text = UNSET
    model: Text = UNSET
    name: Text = UNSET
    ownership: Literal["corporate", "byod", "unknown"] | UnsetType | None = UNSET
    phone_number: Text = UNSET
    carrier: Text = UNSET
    has_sim: Flag = UNSET
    push: PushBody | UnsetType | None = UNSET
    user: Text = UNSET
    managed: Flag = UNSET
    jailbroken: Flag = UNSET
    out_of_compliance: Flag = UNSET
    gateway_blocked: Flag = UNSET
    last_access: Moment | UnsetType | None = UNSET
    apps: list[str] | UnsetType | None = UNSET
    properties: Properties | UnsetType | None = UNSET


class UserFields(Struct, forbid_unknown_fields=True):
    """What can be supplied about a user: named fields are set, absent ones stay, null clears."""

    displayname: Text = UNSET
    mail: Text = UNSET
    mobile: Text = UNSET
    language: Text = UNSET
    time_zone: Text = UNSET
    groups: list[str] | UnsetType | None = UNSET
    disabled: Flag = UNSET
    properties: Properties | UnsetType | None = UNSET


class ConditionBody(Struct, forbid_unknown_fields=True):
    """`field` is a field of filters, `device.<PROPERTY>` or `user.<property>`; op and value are such as fit it."""

    field: str
    op: Op
    value: Value | list[Value] | UnsetType | None = UNSET


Conditions = Annotated[list[ConditionBody], Meta(min_length=1, max_length=filters.MOST_CONDITIONS)]


class FilterBody(Struct, forbid_unknown_fields=True):
    """All of the conditions hold, or any of them does."""

    all: Conditions | UnsetType = UNSET
    any: Conditions | UnsetType = UNSET


class _FilterParameter(Struct):
    filter: FilterBody


def filter_of(body: FilterBody, *, field: str) -> dict[str, Any]:
    """The filter as a plain value, checked; raises ProblemError with the path below `field`."""
    tree: dict[str, Any] = to_builtins(body)
    try:
        filters.parse(tree)
    except FilterError as error:
        raise unprocessable(f"{field}.{error.field}".rstrip("."), error.code, error.message) from None
    return tree


def filter_in(text: str | UnsetType) -> Filter | None:
    """The filter of a query parameter, which is the JSON text of one; raises ProblemError."""
    if text is UNSET:
        return None
    try:
        tree = {"filter": strict_json.parse(text.encode()).tree}
    except ProblemError:
        raise unprocessable("filter", "not_json", 'Give a filter as JSON, such as {"all": [...]}.') from None
    strict_json.check(tree)
    return filters.parse(filter_of(operation.read(tree, into=_FilterParameter).filter, field="filter"))


def key_in(name: str, value: str, *, field: str) -> str:
    """The key (`serial`, `imei`, `loginname` or `id`) as it is stored; raises ProblemError for the path `field`."""
    try:
        return clean_key(name, value)
    except FieldError as error:
        raise unprocessable(field, error.code, error.message) from None


def supplied(body: Struct) -> dict[str, Any]:
    """The fields that were named, as plain values."""
    found: dict[str, Any] = to_builtins(body, builtin_types=(datetime,))
    return found
