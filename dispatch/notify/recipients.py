"""Recipients as the pages have them: what is chosen in a list, on a page or by typing, and what that is in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit.lists import chosen
from devices import filters
from devices.filters import Filter, FilterError
from devices.models import Device, Person
from devices.pages.forms import PUSH, DeviceFilter, UserFilter, wanted
from devices.scope import GroupScope
from dispatch.broadcasts import audiences
from dispatch.broadcasts.audiences import Audience
from templates_app.channels import ADDRESSED
from transports.types import AddressKind, ChannelKind

DEVICES, USERS = "devices", "users"
_LISTS: Mapping[str, tuple[type[Device | Person], Any]] = {
    DEVICES: (Device, DeviceFilter),
    USERS: (Person, UserFilter),
}
_EVERYTHING: Mapping[str, Audience] = {
    DEVICES: {"any": [{"field": "managed", "op": "is", "value": value} for value in (True, False)]},
    USERS: {"all": [{"field": "user.loginname", "op": "is_set"}]},
}
_FLAGS = {
    "jailbroken": gettext_lazy("jailbroken or rooted"),
    "out_of_compliance": gettext_lazy("out of compliance"),
    "gateway_blocked": gettext_lazy("blocked by the gateway"),
    "managed": gettext_lazy("managed"),
}
_LABELS = {
    "platform": gettext_lazy("platform"),
    "ownership": gettext_lazy("ownership"),
    "os_version": gettext_lazy("OS version"),
    "inactive_days": gettext_lazy("days inactive"),
    "inactive_hours": gettext_lazy("hours inactive"),
    "push": gettext_lazy("push"),
    "carrier": gettext_lazy("carrier"),
    "group": gettext_lazy("group"),
    "app": gettext_lazy("app"),
    "search": gettext_lazy("any part"),
}
_CHOICES: Mapping[str, Mapping[str, Any]] = {
    "platform": dict(Device.Platform.choices),
    "ownership": dict(Device.Ownership.choices),
    "push": PUSH,
}
_OPS = {
    "is": gettext_lazy("%(field)s is %(value)s"),
    "is_not": gettext_lazy("%(field)s is not %(value)s"),
    "in": gettext_lazy("%(field)s is one of %(value)s"),
    "contains": gettext_lazy("%(field)s contains %(value)s"),
    "starts_with": gettext_lazy("%(field)s starts with %(value)s"),
    "ends_with": gettext_lazy("%(field)s ends with %(value)s"),
    "greater": gettext_lazy("%(field)s is greater than %(value)s"),
    "less": gettext_lazy("%(field)s is less than %(value)s"),
    "is_set": gettext_lazy("%(field)s is set"),
    "is_not_set": gettext_lazy("%(field)s is not set"),
}
_OF_MAIL, _OF_PHONES = (
    next(kind for kind, addresses in ADDRESSED.items() if addresses.kind is wanted)
    for wanted in (AddressKind.MAIL, AddressKind.PHONE)
)
_SPLIT = re.compile(r"[;,\s]+")


def of_list(request: HttpRequest, name: str, *, scope: GroupScope) -> Audience | None:
    """What is ticked in the list of devices or users, or all that its filter matches; None where nothing is."""
    marked = chosen(request)
    if marked.everything:
        return of_filter(name, marked.query)
    return _named(name, marked.keys, scope=scope)


def of_address(query: QueryDict, *, scope: GroupScope) -> Audience | None:
    """What the address of the page names: `devices` or `users` by number, or the query of a list after `all`."""
    for name in _LISTS:
        if keys := query.getlist(name):
            return _named(name, keys, scope=scope)
    name = query.get("all", "")
    return of_filter(name, query) if name in _LISTS else None


def of_filter(name: str, query: QueryDict) -> Audience:
    asked = wanted(_LISTS[name][1](query).given())
    return tree(asked) if asked else _EVERYTHING[name]


def tree(wanted: Filter) -> dict[str, Any]:
    """A filter as it is stored and sent."""
    conditions = [
        {
            "field": each.field,
            "op": each.op.value,
            "value": list(each.value) if isinstance(each.value, tuple) else each.value,
        }
        for each in wanted.conditions
    ]
    return {"all" if wanted.every else "any": conditions}


def written(audience: Audience | None) -> str:
    """As a hidden field has it."""
    return json.dumps(audience) if audience else ""


def read(text: str) -> Audience | None:
    """The audience of a hidden field; None for what is none."""
    try:
        found = json.loads(text) if text else None
        json.dumps(found, ensure_ascii=False).encode()  # refuses what can't be stored
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    for name in (audiences.DEVICES, audiences.USERS):
        if set(found) == {name} and isinstance(found[name], list) and all(map(_is_uid, found[name])):
            return found
    try:
        filters.parse(found)
    except FilterError:
        return None
    return found


def _is_uid(one: object) -> bool:
    try:
        return isinstance(one, str) and bool(UUID(one))
    except ValueError:
        return False


def typed(text: str) -> dict[ChannelKind, list[str]]:
    """Mail addresses and phone numbers, separated by semicolons, commas or line ends; mail addresses by blanks too."""
    found: dict[ChannelKind, list[str]] = {}
    for line in re.split(r"[;,\r\n]+", text):
        for part in _SPLIT.split(line) if "@" in line else [line]:
            if part.strip():
                found.setdefault(_OF_MAIL if "@" in part else _OF_PHONES, []).append(part.strip())
    return found


def words(audience: Audience) -> str:
    """Whom it goes to, for people."""
    devices, users = (audience.get(name, ()) for name in (audiences.DEVICES, audiences.USERS))
    if devices:
        said = ngettext("%d device", "%d devices", len(devices)) % len(devices)
    elif users:
        said = ngettext("%d user", "%d users", len(users)) % len(users)
    elif addresses := audience.get(audiences.ADDRESSES):
        said = ", ".join(address for given in addresses.values() for address in given)
    elif audiences.AGAIN in audience:
        said = _("Those whom an earlier broadcast did not reach")
    elif audience in _EVERYTHING.values():
        said = _("All devices") if audience == _EVERYTHING[DEVICES] else _("All users")
    else:
        said = _of_filter(audience)
    return said


def _of_filter(audience: Audience) -> str:
    try:
        asked = filters.parse(audience)
    except FilterError:  # an older version stored it
        return _("A filter")
    joint = _(" and ") if asked.every else _(" or ")
    return joint.join(_condition(each.field, each.op.value, each.value) for each in asked.conditions)


def _condition(field: str, op: str, value: Any) -> str:
    if field in _FLAGS:
        holds = value is (op == "is")
        return str(_FLAGS[field]) if holds else _("not %s") % _FLAGS[field]
    said = ", ".join(_shown(field, one) for one in (value if isinstance(value, tuple) else (value,)))
    words = _OPS["is_not_set" if op == "is_set" and value is False else op]
    return str(words) % {"field": _LABELS.get(field, field), "value": said}


def _shown(field: str, value: Any) -> str:
    return str(_CHOICES.get(field, {}).get(value, value))


def _named(name: str, keys: Sequence[str], *, scope: GroupScope) -> Audience | None:
    """By the numbers that rows of lists have."""
    model = _LISTS[name][0]
    numbers = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]
    uids = model.objects.within(scope).filter(pk__in=numbers).order_by("pk").values_list("uid", flat=True)
    return {name: [str(uid) for uid in uids]} if uids else None
