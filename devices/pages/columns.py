"""The columns of the lists of devices and users: which there are, and what each is called in a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

from console.kit import cells
from console.kit.registry import Column, Level, Words
from devices import coverage
from devices.models import Device, Person
from devices.pages.forms import STATUS
from devices.values import USER_FIELDS

MOST_PROPERTIES = 200
_DAY = timedelta(days=1)


class Choice(Struct, frozen=True):
    """A column that can be chosen. `exported` are the columns of a CSV file that say the same."""

    label: Words
    cell: Callable[[Any], Words]
    exported: tuple[str, ...] = ()
    style: str = ""


def device_of(row: Device) -> Words:
    known = str(row)
    further = row.serial if row.serial and row.serial != known else row.imei if row.imei != known else ""
    return cells.joined(cells.link(reverse("device", args=[row.pk]), known), " ", cells.small(further))


def user_of(row: Person | None) -> Words:
    if row is None:
        return ""
    further = row.loginname if row.displayname else ""
    return cells.joined(cells.link(reverse("user", args=[row.pk]), str(row)), " ", cells.small(further))


def status_of(row: Device) -> Words:
    found = [
        cells.badge(Level.NEUTRAL if field == "managed" else Level.WARNING, words)
        for words, field, value in STATUS.values()
        if getattr(row, field) is value
    ]
    return cells.items(found, style="channels") if found else cells.badge(Level.OK, _("In order"))


def _groups_of(row: Person | None) -> str:
    return ", ".join(sorted(group.name for group in row.groups.all())) if row else ""


def _inactive_days(row: Device) -> str:
    return str((timezone.now() - row.last_access) // _DAY) if row.last_access else ""


def _yes(value: bool | None) -> Words:  # noqa: FBT001 - what stands in the row
    return "" if value is None else _("Yes") if value else _("No")


DEVICE: Mapping[str, Choice] = {
    "status": Choice(
        gettext_lazy("Status"), status_of, ("managed", "jailbroken", "out_of_compliance", "gateway_blocked"), "nowrap"
    ),
    "user": Choice(gettext_lazy("User"), lambda row: user_of(row.person), ("user",), "who"),
    "platform": Choice(gettext_lazy("Platform"), lambda row: row.get_platform_display(), ("platform",)),
    "version": Choice(gettext_lazy("OS version"), lambda row: row.os_version, ("os_version",)),
    "model": Choice(gettext_lazy("Model"), lambda row: row.model, ("model",), "named"),
    "access": Choice(gettext_lazy("Last access"), lambda row: cells.moment(row.last_access), ("last_access",)),
    "inactive": Choice(gettext_lazy("Inactivity days"), _inactive_days, ("last_access",), "number"),
    "serial": Choice(gettext_lazy("Serial number"), lambda row: row.serial, ("serial",), "nowrap"),
    "imei": Choice(gettext_lazy("IMEI"), lambda row: row.imei, ("imei",), "nowrap"),
    "ownership": Choice(gettext_lazy("Ownership"), lambda row: row.get_ownership_display(), ("ownership",)),
    "phone": Choice(gettext_lazy("Phone number"), lambda row: row.phone_number, ("phone_number",), "nowrap"),
    "carrier": Choice(gettext_lazy("Carrier"), lambda row: row.carrier, ("carrier",)),
    "sim": Choice(gettext_lazy("Has a SIM"), lambda row: _yes(row.has_sim), ("has_sim",)),
    "mail": Choice(gettext_lazy("Mail"), lambda row: row.person.mail if row.person else "", (), "named"),
    "mobile": Choice(gettext_lazy("Mobile"), lambda row: row.person.mobile if row.person else "", (), "nowrap"),
    "groups": Choice(gettext_lazy("Groups"), lambda row: _groups_of(row.person)),
}
USER: Mapping[str, Choice] = {
    "mail": Choice(gettext_lazy("Mail"), lambda row: row.mail, ("mail",), "named"),
    "mobile": Choice(gettext_lazy("Mobile"), lambda row: row.mobile, ("mobile",), "nowrap"),
    "groups": Choice(gettext_lazy("Groups"), _groups_of, ("groups",)),
    "devices": Choice(gettext_lazy("Devices"), lambda row: str(len(row.devices.all())), (), "number"),
    "login": Choice(gettext_lazy("Login name"), lambda row: row.loginname, ("loginname",), "named"),
    "language": Choice(gettext_lazy("Language"), lambda row: row.language, ("language",)),
    "zone": Choice(gettext_lazy("Time zone"), lambda row: row.time_zone, ("time_zone",)),
    "disabled": Choice(gettext_lazy("Disabled"), lambda row: _yes(row.disabled), ("disabled",)),
}
USUAL = {
    "devices": ("status", "user", "platform", "version", "model", "access", "inactive"),
    "users": ("mail", "mobile", "groups", "devices"),
}
_OF_PAGE = {"devices": (DEVICE, "device."), "users": (USER, "user.")}
_ALWAYS = {"devices": ("serial", "imei", "name"), "users": ("loginname", "displayname")}


def known(page: str) -> dict[str, Words]:
    """All that can be chosen: columns, then the properties that the latest records have."""
    choices, space = _OF_PAGE[page]
    names = sorted(name for name in coverage.properties() if name.startswith(space))
    properties = {name: name.removeprefix(space) for name in names if name.removeprefix(space) not in USER_FIELDS}
    return {name: one.label for name, one in choices.items()} | dict(list(properties.items())[:MOST_PROPERTIES])


def shown(page: str, names: Sequence[str]) -> list[Column]:
    """The columns of these names; what there is none of any more is left out."""
    choices, space = _OF_PAGE[page]
    found = []
    for name in names:
        if name in choices:
            found.append(Column(name, choices[name].label, choices[name].cell, style=choices[name].style))
        elif name.startswith(space):
            found.append(Column(name, name.removeprefix(space), _property(name.removeprefix(space)), style="named"))
    return found


def exported(page: str, names: Sequence[str]) -> list[str]:
    """The columns of a CSV file with what tells one from another, and what was chosen."""
    choices, space = _OF_PAGE[page]
    found = list(_ALWAYS[page])
    for name in names:
        found += choices[name].exported if name in choices else [name] if name.startswith(space) else []
    return list(dict.fromkeys(found))


def _property(name: str) -> Callable[[Any], Words]:
    def cell(row: Device | Person) -> Words:
        value = row.properties.get(name)
        return _yes(value) if isinstance(value, bool) else "" if value is None else str(value)

    return cell
