"""The one check of what is reported about devices and users, for API, events, CSV and forms alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Model
from msgspec import Struct, field

from devices.filters import digits
from devices.models import Device, Person, PushToken
from transports.addresses import invisible, mail_address, phone_number
from transports.addresses.invisible import InvisibleError

DEVICE_KEYS = ("id", "serial", "imei")
USER_KEYS = ("id", "loginname")
MOST_PROPERTIES = 1_000
LONGEST_PROPERTY = 10_000
INVISIBLE = "invisible_character"
MOST_APPS = 5_000

_FURTHER_KEYS = frozenset({"serial", "imei", "loginname"})
_LOGIN_NAMES = frozenset({"loginname", "user"})
_ADDRESSES = {"phone_number", "mobile", "mail"}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3})?")
_APNS_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")


class FieldError(ValueError):
    """A field is wrong. `field` is its path, such as "push.token"; `code` is stable, the message is for people."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


class Unusable(Struct, frozen=True):
    """Something that can't be used: it was stored as it was given, or not at all where nobody would see why."""

    field: str
    code: str
    message: str


class Cleaned(Struct, frozen=True):
    """Checked values by field; None clears a field, a field that is not there stays."""

    values: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Unusable, ...] = ()


Check = Callable[[str, Any], Any]


def clean_device(given: Mapping[str, Any], *, key: str, country: str) -> Cleaned:
    """Check the fields of a device that is found by its `key`. `country` (ISO 3166, may be empty) reads phone numbers.

    Raises FieldError.
    """
    return _clean(given, checks=_DEVICE, key=key, country=country)


def clean_user(given: Mapping[str, Any], *, key: str, country: str) -> Cleaned:
    """Check the fields of a user, as `clean_device` does."""
    return _clean(given, checks=_USER, key=key, country=country)


def clean_key(name: str, value: str) -> str:
    """A serial number, IMEI, login name or id as it is stored and compared. Raises FieldError."""
    found = _identifier(name, value)
    if not found:
        raise FieldError(name, "required", f"Give the {name}.")
    return found


def _clean(given: Mapping[str, Any], *, checks: Mapping[str, Check], key: str, country: str) -> Cleaned:
    values: dict[str, Any] = {}
    warnings: list[Unusable] = []
    for name, value in given.items():
        if name not in checks:
            raise FieldError(name, "unknown_field", f"There is no field {name!r}.")
        try:
            values[name] = None if value is None else checks[name](name, value)
        except FieldError as error:
            if error.code != INVISIBLE or name not in _FURTHER_KEYS or name == key:
                raise
            warnings.append(Unusable(name, INVISIBLE, f"{error.message} What is stored stays."))
    for name in _ADDRESSES & values.keys():
        if values[name]:
            values[name], found = _address(name, values[name], country=country)
            warnings += found
    return Cleaned(values, tuple(warnings))


def line(name: str, value: Any, *, longest: int) -> str:
    """One line of text without what can't be seen around it.

    Raises FieldError for another type, a control character or too many characters.
    """
    text = _trimmed(name, value, longest=longest)
    if _CONTROLS.search(text):
        raise FieldError(name, "control_character", "Line ends and other control characters are not taken here.")
    return text


def is_storable(moment: datetime) -> bool:
    """Whether the time exists in UTC as well: at both ends of the calendar it may not."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _trimmed(name: str, value: Any, *, longest: int) -> str:
    if not isinstance(value, str):
        raise FieldError(name, "invalid", "Give a text.")
    text = invisible.trimmed(value)
    if len(text) > longest:
        raise FieldError(name, "too_long", f"At most {longest} characters.")
    return text


def _identifier(name: str, value: Any, *, longest: int = 320) -> str:
    """Exact to the character, so that none of them may be one that can't be seen; login names may have spaces."""
    text = _trimmed(name, value, longest=longest)
    try:
        invisible.refuse(text, allowed=" " if name in _LOGIN_NAMES else "")
    except InvisibleError as error:
        raise FieldError(name, INVISIBLE, f"This is not taken: {error}.") from None
    return text


def _address(name: str, value: str, *, country: str) -> tuple[str, list[Unusable]]:
    """A mail address or phone number; "" for one that holds what nobody would see in it."""
    what = "address" if name == "mail" else "number"
    try:
        if name != "mail":
            return phone_number.normalise(value, country=country), []
        mail_address.normalise(value)
    except InvisibleError as error:
        return "", [Unusable(name, INVISIBLE, f"No {what} was stored: {error}.")]
    except ValueError as error:
        return value, [Unusable(name, "unreadable", f"This {what} can't be used: {error}.")]
    return value, []


def _check_of(model: type[Model], column: str, *, check: Callable[..., str]) -> Check:
    longest = getattr(model._meta.get_field(column), "max_length", None) or 255  # noqa: SLF001 - a public name
    return partial(check, longest=longest)


def _checks_of(model: type[Model], names: Iterable[str], *, check: Callable[..., str]) -> dict[str, Check]:
    return {name: _check_of(model, name, check=check) for name in names}


def _choice_of(choices: list[str]) -> Check:
    def check(name: str, value: Any) -> str:
        if value not in choices:
            raise FieldError(name, "invalid", f"Give one of {', '.join(choices)}.")
        return str(value)

    return check


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError(name, "invalid", "Give true or false.")
    return value


def _moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise FieldError(name, "no_offset", "Give a time with its offset from UTC, such as Z or +01:00.")
    if not is_storable(value):
        raise FieldError(name, "out_of_range", "This time is beyond the calendar.")
    return value


def _properties(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) > MOST_PROPERTIES:
        raise FieldError(name, "invalid", f"Give at most {MOST_PROPERTIES} properties by their names.")
    for key, item in value.items():
        path = f"{name}.{key[:128]}"
        if not _PROPERTY.fullmatch(key):
            raise FieldError(path, "invalid", "A property's name has letters, digits, and any of _ . - in it.")
        if not isinstance(item, (str, int, float, bool, type(None))) or (
            isinstance(item, float) and not isfinite(item)
        ):
            raise FieldError(path, "invalid", "A property is a text, a number, true or false.")
        if isinstance(item, str) and ("\0" in item or len(item) > LONGEST_PROPERTY):
            raise FieldError(path, "invalid", f"At most {LONGEST_PROPERTY} characters, without NUL.")
    return {key: _kept(item) for key, item in value.items()}


def _kept(value: Any) -> Any:
    """A number that each database would write in its own way, with an exponent or as -0.0, is kept in its digits."""
    if not isinstance(value, float):
        return value
    return digits(value) if "e" in repr(value) else value + 0.0


def _lines(name: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > MOST_APPS:
        raise FieldError(name, "invalid", f"Give a list of at most {MOST_APPS} texts.")
    found = [line(f"{name}.{number}", item, longest=255) for number, item in enumerate(value)]
    return list(dict.fromkeys(item for item in found if item))


def _push(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not set(value) <= {"kind", "token", "environment"}:
        raise FieldError(name, "invalid", "Give kind, token and environment.")
    kind = _choice_of(PushToken.Kind.values)(f"{name}.kind", value.get("kind"))
    token = line(f"{name}.token", value.get("token"), longest=4096)
    if not token or (kind == PushToken.Kind.APNS and not _APNS_TOKEN.fullmatch(token)):
        raise FieldError(f"{name}.token", "invalid", "This is no push token: an APNs token is written in hexadecimal.")
    environment = value.get("environment") or PushToken.Environment.PRODUCTION.value
    return {
        "kind": kind,
        "token": token,
        "environment": _choice_of(PushToken.Environment.values)(f"{name}.environment", environment),
    }


def _language(name: str, value: Any) -> str:
    text = line(name, value, longest=35)
    if not _LANGUAGE.fullmatch(text):
        raise FieldError(name, "invalid", "Give a language tag such as de or pt-BR.")
    return text


def _time_zone(name: str, value: Any) -> str:
    text = line(name, value, longest=64)
    if text and not _is_zone(text):
        raise FieldError(name, "invalid", "Give a time zone such as Europe/Berlin.")
    return text


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


_DEVICE: dict[str, Check] = {
    **_checks_of(Device, ("serial", "imei"), check=_identifier),
    **_checks_of(Device, ("os_version", "model", "name", "carrier"), check=line),
    **_checks_of(Device, ("phone_number",), check=_trimmed),
    "platform": _choice_of(Device.Platform.values),
    "ownership": _choice_of(Device.Ownership.values),
    **dict.fromkeys(("has_sim", "managed", "jailbroken", "out_of_compliance", "gateway_blocked"), _flag),
    "last_access": _moment,
    "push": _push,
    "user": _check_of(Person, "loginname", check=_identifier),
    "apps": _lines,
    "properties": _properties,
}
_USER: dict[str, Check] = {
    **_checks_of(Person, ("loginname",), check=_identifier),
    **_checks_of(Person, ("displayname",), check=line),
    **_checks_of(Person, ("mail", "mobile"), check=_trimmed),
    "language": _language,
    "time_zone": _time_zone,
    "groups": _lines,
    "disabled": _flag,
    "properties": _properties,
}
