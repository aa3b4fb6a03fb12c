"""Whom an event reaches, and the values of people and devices that macros see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import Count, Max, Value
from django.db.models.functions import Coalesce, NullIf, Substr
from msgspec import Struct, field

from console.accounts.directory import mails_of_administrators
from devices import statements
from devices.matching import DeviceFacts, Facts, UserFacts
from devices.models import Device, Person
from devices.scope import GroupScope
from devices.values import DEVICE_NAMES, FLAGS, USER_FIELDS, Phone, Target, Token
from foundation.sql.statements import Query, rows_of
from transports.types import AddressKind

Key = tuple[str, str]


class KnownPerson(Struct, frozen=True):
    """A user as planning needs it. `values` are `user.*` as macros see them; the directory's other attributes too."""

    id: int
    time_zone: str
    values: Mapping[str, Any]


class KnownDevice(Struct, frozen=True):
    """A device with its user. `values` are `device.*` as macros see them; the stored properties too."""

    id: int
    has_sim: bool | None
    values: Mapping[str, Any]
    person: KnownPerson | None


def known_person(row: Person) -> KnownPerson:
    values = {**row.properties, **{name: getattr(row, name) for name in USER_FIELDS}}
    return KnownPerson(row.pk, row.time_zone, values)


def known_device(row: Device) -> KnownDevice:
    values = {**row.properties, **{name: getattr(row, field) for name, field in DEVICE_NAMES.items()}}
    return KnownDevice(row.pk, row.has_sim, values, known_person(row.person) if row.person else None)


def facts(row: Device) -> Facts:
    """What filters look at in memory; `row` with its user, groups, apps and push tokens."""
    device, person, tokens = known_device(row), row.person, row.push_tokens.all()
    return Facts(
        DeviceFacts(
            device.values,
            flags={name: getattr(row, name) for name in FLAGS},
            last_access=row.last_access,
            apps=frozenset(app.name for app in row.apps.all()),
            has_tokens=bool(tokens),
            push_at=max((token.registered_at for token in tokens if token.dead_at is None), default=None),
        ),
        user=facts_of_user(person) if person else None,
    )


def facts_of_user(row: Person) -> UserFacts:
    return UserFacts(known_person(row).values, groups=frozenset(group.name for group in row.groups.all()))


def values_of_people(ids: Collection[int]) -> Query[dict[int, dict[str, Any]]]:
    return _values("devices_person", ids, {name: name for name in USER_FIELDS})


def values_of_devices(ids: Collection[int]) -> Query[dict[int, dict[str, Any]]]:
    return _values("devices_device", ids, DEVICE_NAMES)


def _values(table: str, ids: Collection[int], names: Mapping[str, str]) -> Query[dict[int, dict[str, Any]]]:
    """`values` of KnownPerson and KnownDevice, for many rows without making a model of each."""
    if not ids:
        return {}
    rows = yield statements.values(table, ids, columns=tuple(names.values()))
    return {row[0]: {**_json(row[1]), **dict(zip(names, row[2:], strict=True))} for row in rows}


def reported_user(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`user.*` as an event itself reports them; `fields` are checked (see devices.fields)."""
    if not fields:
        return {}
    named = {name: value or "" for name, value in fields.items() if name in USER_FIELDS}
    return {**_reported_properties(fields), **named}


def reported_device(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`device.*` as an event itself reports them; `fields` are checked (see devices.fields)."""
    if not fields:
        return {}
    named = {name: fields[field] or "" for name, field in DEVICE_NAMES.items() if field in fields}
    return {**_reported_properties(fields), **named}


_PERSON_COLUMNS = ("id", "time_zone", "properties", *USER_FIELDS)
_DEVICE_COLUMNS = ("id", "has_sim", "properties", *DEVICE_NAMES.values())


def find_people(keys: Collection[Key], *, scope: GroupScope) -> Query[dict[Key, KnownPerson]]:
    """The known people in the scope among these; a key is (`loginname` or `id`, value).

    The case of a login name does not matter.
    """
    found: dict[Key, KnownPerson] = {}
    for name, values in _by_name(keys).items():
        kept_values = [kept for value in values if (kept := _kept(name, value))]
        if not kept_values:
            continue
        rows = yield statements.people(
            "uid" if name == "id" else name, kept_values, columns=_PERSON_COLUMNS, groups=scope.groups
        )
        known = {_kept(name, row[0]).lower(): _person_of(row[1:]) for row in rows}
        found |= {(name, value): known[kept] for value in values if (kept := _kept(name, value).lower()) in known}
    return found


def find_devices(keys: Collection[Key], *, scope: GroupScope) -> Query[dict[Key, KnownDevice]]:
    """The known devices in the scope among these, each with its user; a key is (`serial`, `imei` or `id`, value)."""
    found: dict[Key, KnownDevice] = {}
    for name, values in _by_name(keys).items():
        kept_values = [kept for value in values if (kept := _kept(name, value))]
        if not kept_values:
            continue
        key = "uid" if name == "id" else name
        rows = yield statements.devices(
            key, kept_values, columns=_DEVICE_COLUMNS, of_owner=_PERSON_COLUMNS, groups=scope.groups
        )
        known = {_kept(name, row[0]): _device_of(row[1:]) for row in rows}
        found |= {(name, value): known[kept] for value in values if (kept := _kept(name, value)) in known}
    return found


def _person_of(row: Sequence[Any]) -> KnownPerson:
    return KnownPerson(row[0], row[1], {**_json(row[2]), **dict(zip(USER_FIELDS, row[3:], strict=True))})


def _device_of(row: Sequence[Any]) -> KnownDevice:
    own, owner = row[: len(_DEVICE_COLUMNS)], row[len(_DEVICE_COLUMNS) :]
    return KnownDevice(
        id=own[0],
        has_sim=None if own[1] is None else bool(own[1]),
        values={**_json(own[2]), **dict(zip(DEVICE_NAMES, own[3:], strict=True))},
        person=None if owner[0] is None else _person_of(owner),
    )


def _json(value: Any) -> dict[str, Any]:
    """A JSON column as a statement of our own returns it."""
    found: dict[str, Any] = msgspec.json.decode(value) if isinstance(value, str) else value
    return found


class _Owned(NamedTuple):
    """What planning needs of a device of a user who is reached without naming one."""

    id: int
    has_sim: bool | None
    carrier: str
    number: str


class Subject(Struct, frozen=True):
    """Whom an event is about, and the checked fields that it reports of them and that hold for it alone."""

    person: KnownPerson | None = None
    device: KnownDevice | None = None
    user_reported: Mapping[str, Any] = field(default_factory=dict)
    device_reported: Mapping[str, Any] = field(default_factory=dict)


def find_targets(subjects: Sequence[Subject], *, reach_phones: bool) -> list[Target]:
    """The target of each subject. What the event itself reports goes before what is stored.

    A device comes with its user. A user alone is reached by push on all devices; SMS is out of the question only if
    every known device is known to have no SIM. Only `reach_phones` looks for a user's devices and for push tokens.
    """
    people = [subject.person or (subject.device.person if subject.device else None) for subject in subjects]
    owned: dict[int, list[_Owned]] = {}
    tokens: dict[int, list[Token]] = {}
    if reach_phones:
        alone = {person.id for person, subject in zip(people, subjects, strict=True) if person and not subject.device}
        columns = ("person_id", "pk", "has_sim", "carrier", "phone_number")
        for person_id, *row in Device.objects.filter(person__in=alone).values_list(*columns) if alone else ():
            owned.setdefault(person_id, []).append(_Owned(*row))
        ids = [row.id for rows in owned.values() for row in rows]
        tokens = _live_tokens([*ids, *(subject.device.id for subject in subjects if subject.device)])
    return [
        _target(subject, person=person, owned=owned, tokens=tokens)
        for subject, person in zip(subjects, people, strict=True)
    ]


def _target(
    subject: Subject,
    *,
    person: KnownPerson | None,
    owned: Mapping[int, list[_Owned]],
    tokens: Mapping[int, list[Token]],
) -> Target:
    known, reported = subject.device, subject.device_reported
    user = _with_reported(person.values if person else {}, subject.user_reported, report=reported_user)
    device = _with_reported(known.values if known else {}, reported, report=reported_device)
    devices = [_owned(known.id, device, has_sim=known.has_sim)] if known else owned.get(person.id, []) if person else []
    sims = [reported["has_sim"]] if "has_sim" in reported else [row.has_sim for row in devices]
    phones = [_owned(0, device, has_sim=reported.get("has_sim", known and known.has_sim))] if reported else devices
    time_zone = person.time_zone if person else ""
    return Target(
        person_id=person.id if person else None,
        device_id=known.id if known else None,
        user=user,
        device=device,
        tokens=_reported_token(reported) or tuple(token for row in devices for token in tokens.get(row.id, ())),
        has_sim=False if sims and sims.count(False) == len(sims) else None,
        phones=tuple(Phone(row.carrier, row.number) for row in phones if row.carrier and row.has_sim is not False),
        language=str(user.get("language") or ""),
        time_zone=str(subject.user_reported.get("time_zone", time_zone) or ""),
    )


def _owned(device_id: int, values: Mapping[str, Any], *, has_sim: bool | None) -> _Owned:
    return _Owned(device_id, has_sim, str(values.get("carrier") or ""), str(values.get("phoneNumber") or ""))


def _with_reported(
    values: Mapping[str, Any], reported: Mapping[str, Any], *, report: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Mapping[str, Any]:
    return {**values, **report(reported)} if reported else values


def _reported_token(reported: Mapping[str, Any]) -> tuple[Token, ...]:
    push = reported.get("push")
    return (Token(AddressKind(push["kind"]), push["token"]),) if push else ()


def _live_tokens(device_ids: Sequence[int]) -> dict[int, list[Token]]:
    found: dict[int, list[Token]] = {}
    if not device_ids:
        return found
    for device_id, kind, token in rows_of(statements.live_tokens(device_ids)):
        found.setdefault(device_id, []).append(Token(AddressKind(kind), token, device_id))
    return found


def _reported_properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in (fields.get("properties") or {}).items()}


_START = len("+447781")


class CarrierCount(Struct, frozen=True):
    """How many managed devices name a carrier, by the start of their phone number; `number` is one of theirs, or empty.

    The start is long enough to tell the countries of a shared country code apart.
    """

    name: str
    number: str
    devices: int


def carriers(scope: GroupScope) -> list[CarrierCount]:
    """The home carriers of managed devices in the scope, each with the numbers of the device, else of its user."""
    number = Coalesce(NullIf("phone_number", Value("")), "person__mobile", Value(""))
    found = Device.objects.within(scope).filter(managed=True).exclude(carrier="").exclude(has_sim=False).order_by()
    rows = found.annotate(number=number).values("carrier", start=Substr(number, 1, _START))
    counted = rows.annotate(one=Max("number"), count=Count("pk"))
    return [CarrierCount(row["carrier"], row["one"], row["count"]) for row in counted]


def _by_name(keys: Collection[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in keys:
        found.setdefault(name, []).append(value)
    return found


def _kept(name: str, value: Any) -> str:
    """A key as it is looked for and compared: of an id its 32 digits, or "" for what is none."""
    if name != "id":
        return str(value)
    try:
        return value.hex if isinstance(value, UUID) else UUID(value).hex
    except ValueError:
        return ""


def known_mails(addresses: Collection[str], *, scope: GroupScope) -> set[str]:
    """Those that are a user's in the scope, in small letters."""
    given = [address.lower() for address in addresses]
    found = Person.objects.within(scope).filter(mail__lower__in=given)
    return {mail.lower() for mail in found.values_list("mail", flat=True)}


def known_numbers(numbers: Collection[str], *, scope: GroupScope) -> set[str]:
    """Those that are a user's or a device's in the scope; all are normalised."""
    people = Person.objects.within(scope).filter(mobile__in=numbers).values_list("mobile", flat=True)
    owned = Device.objects.within(scope).filter(phone_number__in=numbers).values_list("phone_number", flat=True)
    return {*people, *owned}


def administrators() -> list[dict[str, str]]:
    """`admin.*` of each administrator: the members of XMNOTIFY_ADMIN_GROUP, else XMNOTIFY_ADMIN_MAIL and _MOBILE.

    Where none of them names anybody, the console's own administrators, by mail.
    """
    group = settings.XMNOTIFY_ADMIN_GROUP
    members = Person.objects.filter(groups__name=group, disabled=False).order_by("loginname") if group else ()
    if members:
        return [{"mail": member.mail, "mobile": member.mobile} for member in members]
    mails, mobiles = settings.XMNOTIFY_ADMIN_MAIL, settings.XMNOTIFY_ADMIN_MOBILE
    if not mails and not mobiles:
        mails = mails_of_administrators()
    return [*({"mail": mail, "mobile": ""} for mail in mails), *({"mail": "", "mobile": mobile} for mobile in mobiles)]
