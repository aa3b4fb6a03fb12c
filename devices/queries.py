"""Whom an event reaches, and the values of people and devices that macros see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from devices.models import Device, Person, PushToken
from devices.values import Target, Token
from transports.types import AddressKind

_USER_FIELDS = ("loginname", "username", "domainname", "displayname", "mail", "mobile", "language")
_DEVICE_NAMES = {
    "serialNumber": "serial",
    "imei": "imei",
    "platform": "platform",
    "osVersion": "os_version",
    "model": "model",
    "name": "name",
    "ownership": "ownership",
    "carrier": "carrier",
    "phoneNumber": "phone_number",
}


def user_values(person: Person) -> dict[str, Any]:
    """`user.*` as macros see it; the directory's other attributes stand beside the fixed names."""
    return {**person.properties, **{name: getattr(person, name) for name in _USER_FIELDS}}


def device_values(device: Device) -> dict[str, Any]:
    """`device.*` as macros see it; the stored properties stand beside the fixed names."""
    return {**device.properties, **{name: getattr(device, field) for name, field in _DEVICE_NAMES.items()}}


def values_of_people(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    return _values(Person.objects.filter(pk__in=ids), {name: name for name in _USER_FIELDS}) if ids else {}


def values_of_devices(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    return _values(Device.objects.filter(pk__in=ids), _DEVICE_NAMES) if ids else {}


def _values(found: QuerySet[Any], names: Mapping[str, str]) -> dict[int, dict[str, Any]]:
    """The same as user_values and device_values, for many rows without making a model of each."""
    rows = found.order_by().values_list("pk", "properties", *names.values())
    return {row[0]: {**row[1], **dict(zip(names, row[2:], strict=True))} for row in rows}


def find_person(key: str, value: str) -> Person | None:
    """By `loginname` (its case does not matter) or `id`."""
    if key == "id":
        return Person.objects.filter(uid=value).first()
    return Person.objects.filter(loginname__iexact=value).first()


def find_device(key: str, value: str) -> Device | None:
    """By `serial`, `imei` or `id`."""
    column = "uid" if key == "id" else key
    return Device.objects.filter(**{column: value}).select_related("person").first()


def find_target(
    *,
    person: Person | None,
    device: Device | None,
    user_told: Mapping[str, Any],
    device_told: Mapping[str, Any],
) -> Target:
    """The one subject of an event. What the event itself told goes before what is stored.

    A device brings its user. A user alone is reached by push on all devices; SMS is out of the question only if every
    known device is known to have no SIM.
    """
    person = person or (device.person if device else None)
    devices = [device] if device else list(person.devices.all()) if person else []
    tokens = PushToken.objects.filter(device__in=devices, dead_at=None) if devices else []
    sims = [known.has_sim for known in devices]
    user = {**(user_values(person) if person else {}), **user_told}
    return Target(
        person_id=person.pk if person else None,
        device_id=device.pk if device else None,
        user=user,
        device={**(device_values(device) if device else {}), **device_told},
        tokens=tuple(Token(AddressKind(row.kind), row.token, row.device_id) for row in tokens),
        has_sim=False if sims and all(sim is False for sim in sims) else None,
        language=str(user.get("language") or ""),
        time_zone=person.time_zone if person else "",
    )


def administrators() -> list[dict[str, str]]:
    """`admin.*` of each administrator: the members of XMNOTIFY_ADMIN_GROUP, else XMNOTIFY_ADMIN_MAIL and _MOBILE."""
    group = settings.XMNOTIFY_ADMIN_GROUP
    members = Person.objects.filter(groups__name=group, disabled=False).order_by("loginname") if group else ()
    if members:
        return [{"mail": member.mail, "mobile": member.mobile} for member in members]
    mails = [{"mail": mail, "mobile": ""} for mail in settings.XMNOTIFY_ADMIN_MAIL]
    return mails + [{"mail": "", "mobile": mobile} for mobile in settings.XMNOTIFY_ADMIN_MOBILE]
