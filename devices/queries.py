"""Whom an event reaches, and the values of people and devices that macros see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower

from devices.models import Device, Person, PushToken
from devices.values import Target, Token
from transports.types import AddressKind

Key = tuple[str, str]
USER_FIELDS = ("loginname", "username", "domainname", "displayname", "mail", "mobile", "language")
DEVICE_NAMES = {
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
    return {**person.properties, **{name: getattr(person, name) for name in USER_FIELDS}}


def device_values(device: Device) -> dict[str, Any]:
    """`device.*` as macros see it; the stored properties stand beside the fixed names."""
    return {**device.properties, **{name: getattr(device, field) for name, field in DEVICE_NAMES.items()}}


def values_of_people(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    return _values(Person.objects.filter(pk__in=ids), {name: name for name in USER_FIELDS}) if ids else {}


def values_of_devices(ids: Collection[int]) -> dict[int, dict[str, Any]]:
    return _values(Device.objects.filter(pk__in=ids), DEVICE_NAMES) if ids else {}


def _values(found: QuerySet[Any], names: Mapping[str, str]) -> dict[int, dict[str, Any]]:
    """The same as user_values and device_values, for many rows without making a model of each."""
    rows = found.order_by().values_list("pk", "properties", *names.values())
    return {row[0]: {**row[1], **dict(zip(names, row[2:], strict=True))} for row in rows}


def told_user(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`user.*` as an event itself told them; `fields` are checked (see devices.fields)."""
    named = {name: value or "" for name, value in fields.items() if name in USER_FIELDS}
    return {**_told_properties(fields), **named}


def told_device(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`device.*` as an event itself told them; `fields` are checked (see devices.fields)."""
    named = {name: fields[field] or "" for name, field in DEVICE_NAMES.items() if field in fields}
    return {**_told_properties(fields), **named}


def find_people(keys: Collection[Key]) -> dict[Key, Person]:
    """The known people among these; a key is (`loginname` or `id`, value), the case of a login name does not matter."""
    found: dict[Key, Person] = {}
    for name, values in _by_name(keys).items():
        if name == "id":
            rows = {str(row.uid): row for row in Person.objects.filter(uid__in=_uids(values))}
        else:
            wanted = [Lower(Value(each)) for each in values]
            folded = Person.objects.annotate(folded=Lower("loginname")).filter(folded__in=wanted)
            rows = {row.loginname.lower(): row for row in folded}
        found |= {(name, value): rows[kept] for value in values if (kept := _kept(name, value.lower())) in rows}
    return found


def find_devices(keys: Collection[Key]) -> dict[Key, Device]:
    """The known devices among these, each with its user; a key is (`serial`, `imei` or `id`, value)."""
    found: dict[Key, Device] = {}
    for name, values in _by_name(keys).items():
        column = "uid" if name == "id" else name
        rows = _devices_by_uid(values) if name == "id" else _devices_by(column, values)
        known = {str(getattr(row, column)): row for row in rows}
        found |= {(name, value): known[kept] for value in values if (kept := _kept(name, value)) in known}
    return found


def _devices_by_uid(values: Sequence[str]) -> Iterable[Device]:
    return Device.objects.filter(uid__in=_uids(values)).select_related("person")


def _devices_by(column: str, values: Sequence[str]) -> list[Device]:
    """Statements of our own: every event asks, and compiling Django's would cost more than they do."""
    listed = ", ".join(["%s"] * len(values))
    statement = f"SELECT * FROM devices_device WHERE {column} IN ({listed}) ORDER BY id DESC"  # noqa: S608 - our names
    rows = list(Device.objects.raw(statement, list(values)))
    owners = {row.person_id for row in rows if row.person_id}
    listed = ", ".join(["%s"] * len(owners))
    statement = f"SELECT * FROM devices_person WHERE id IN ({listed})"  # noqa: S608 - placeholders only
    people = {row.pk: row for row in Person.objects.raw(statement, list(owners))} if owners else {}
    for row in rows:
        row.person = people[row.person_id] if row.person_id else None
    return rows


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an event is about, and the checked fields that it told of them and that hold for it alone."""

    person: Person | None = None
    device: Device | None = None
    user_told: Mapping[str, Any] = field(default_factory=dict)
    device_told: Mapping[str, Any] = field(default_factory=dict)


def find_targets(subjects: Sequence[Subject], *, reach_phones: bool) -> list[Target]:
    """The target of each subject. What the event itself told goes before what is stored.

    A device brings its user. A user alone is reached by push on all devices; SMS is out of the question only if every
    known device is known to have no SIM. Only `reach_phones` looks for a user's devices and for push tokens.
    """
    people = [subject.person or (subject.device.person if subject.device else None) for subject in subjects]
    owned: dict[int, list[Device]] = {}
    tokens: dict[int, list[Token]] = {}
    if reach_phones:
        alone = {person.pk for person, subject in zip(people, subjects, strict=True) if person and not subject.device}
        for row in Device.objects.filter(person__in=alone) if alone else ():
            assert row.person_id is not None
            owned.setdefault(row.person_id, []).append(row)
        known = [row.pk for rows in owned.values() for row in rows]
        tokens = _live_tokens([*known, *(subject.device.pk for subject in subjects if subject.device)])
    return [
        _target(subject, person=person, owned=owned, tokens=tokens)
        for subject, person in zip(subjects, people, strict=True)
    ]


def _target(
    subject: Subject, *, person: Person | None, owned: Mapping[int, list[Device]], tokens: Mapping[int, list[Token]]
) -> Target:
    device, told = subject.device, subject.device_told
    devices = [device] if device else owned.get(person.pk, []) if person else []
    sims = [known.has_sim for known in devices]
    if "has_sim" in told:
        sims = [told["has_sim"]]
    user = {**(user_values(person) if person else {}), **told_user(subject.user_told)}
    time_zone = person.time_zone if person else ""
    return Target(
        person_id=person.pk if person else None,
        device_id=device.pk if device else None,
        user=user,
        device={**(device_values(device) if device else {}), **told_device(told)},
        tokens=_told_token(told) or tuple(token for known in devices for token in tokens.get(known.pk, ())),
        has_sim=False if sims and all(sim is False for sim in sims) else None,
        language=str(user.get("language") or ""),
        time_zone=str(subject.user_told.get("time_zone", time_zone) or ""),
    )


def _told_token(told: Mapping[str, Any]) -> tuple[Token, ...]:
    push = told.get("push")
    return (Token(AddressKind(push["kind"]), push["token"]),) if push else ()


def _live_tokens(device_ids: Sequence[int]) -> dict[int, list[Token]]:
    found: dict[int, list[Token]] = {}
    for row in PushToken.objects.filter(device__in=device_ids, dead_at=None) if device_ids else ():
        found.setdefault(row.device_id, []).append(Token(AddressKind(row.kind), row.token, row.device_id))
    return found


def _told_properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in (fields.get("properties") or {}).items()}


def _by_name(keys: Collection[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in keys:
        found.setdefault(name, []).append(value)
    return found


def _uids(values: Sequence[str]) -> list[UUID]:
    return [UUID(value) for value in values if _is_uid(value)]


def _kept(name: str, value: str) -> str:
    return str(UUID(value)) if name == "id" and _is_uid(value) else value


def _is_uid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def administrators() -> list[dict[str, str]]:
    """`admin.*` of each administrator: the members of XMNOTIFY_ADMIN_GROUP, else XMNOTIFY_ADMIN_MAIL and _MOBILE."""
    group = settings.XMNOTIFY_ADMIN_GROUP
    members = Person.objects.filter(groups__name=group, disabled=False).order_by("loginname") if group else ()
    if members:
        return [{"mail": member.mail, "mobile": member.mobile} for member in members]
    mails = [{"mail": mail, "mobile": ""} for mail in settings.XMNOTIFY_ADMIN_MAIL]
    return mails + [{"mail": "", "mobile": mobile} for mobile in settings.XMNOTIFY_ADMIN_MOBILE]
