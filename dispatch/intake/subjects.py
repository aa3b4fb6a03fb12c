"""Whom posted events are about: found by their keys, or created and changed by what the events tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct, field, structs

from devices import edits, queries
from devices.fields import FieldError, clean_device, clean_user
from devices.queries import Key, KnownDevice, KnownPerson, Subject
from devices.scope import GroupScope
from foundation.sql import statements
from foundation.sql.statements import Query


class RefusedError(Exception):
    """Something in the event is wrong; nothing was stored. `field` is its path, such as "device.serial"."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


class SubjectIn(Struct, frozen=True):
    """A device (serial, imei or id) or a user (loginname or id): its key, and the fields that the event tells."""

    key: str
    value: str
    reported: Mapping[str, Any] = field(default_factory=dict)


_ADDRESSES = frozenset({"mail", "mobile", "phone_number", "push"})
Named = tuple[SubjectIn | None, SubjectIn | None]
People = dict[Key, KnownPerson]
Devices = dict[Key, KnownDevice]
Known = TypeVar("Known", KnownDevice, KnownPerson)


def readings(named: Mapping[int, Named], *, scope: GroupScope) -> tuple[Query[People], Query[Devices]]:
    """What `find` has to know."""
    return (
        queries.find_people({_key(user) for user, _ in named.values() if user}, scope=scope),
        queries.find_devices({_key(device) for _, device in named.values() if device}, scope=scope),
    )


def find(
    named: Mapping[int, Named], *, people: People, devices: Devices, scope: GroupScope, country: str
) -> dict[int, Subject | RefusedError]:
    """The subject of each (user, device); what is reported counts for the event alone.

    Who is limited reports of nobody whom they don't see, and no other addresses of those whom they do.
    """
    found: dict[int, Subject | RefusedError] = {}
    for place, (user, device) in named.items():
        try:
            if scope.is_limited:
                _check_addresses(user, "user")
                _check_addresses(device, "device")
            found[place] = Subject(
                person=_known(user, "user", found=people, scope=scope),
                device=_known(device, "device", found=devices, scope=scope),
                user_reported=_cleaned(user, "user", country=country),
                device_reported=_cleaned(device, "device", country=country),
            )
        except RefusedError as refused:
            found[place] = refused
    return _with_reported_owners(found, scope=scope)


def save(
    user: SubjectIn | None, device: SubjectIn | None, *, scope: GroupScope, country: str, now: datetime
) -> Subject | RefusedError:
    """The subject, created or changed first where something is reported of it; in the transaction of the caller."""
    person = machine = None
    try:
        if user and user.reported:
            with _within("user"):
                saved = edits.save_user(user.key, user.value, user.reported, scope=scope, country=country)
                person = queries.known_person(saved.row)
        if device and device.reported:
            with _within("device"):
                kept = edits.save_device(
                    device.key, device.value, device.reported, scope=scope, country=country, now=now
                )
                machine = queries.known_device(kept.row)
    except RefusedError as refused:
        return refused
    rest = {0: (None if person else user, None if machine else device)}
    people, devices = statements.results_of(*readings(rest, scope=scope))
    found = find(rest, people=people, devices=devices, scope=scope, country=country)[0]
    if isinstance(found, RefusedError):
        return found
    return structs.replace(
        found,
        person=person or found.person,
        device=machine or found.device,
        user_reported=_cleaned(user, "user", country=country),
        device_reported=_cleaned(device, "device", country=country),
    )


@contextmanager
def _within(prefix: str) -> Iterator[None]:
    """What is wrong with a field is reported with its path in the event."""
    try:
        yield
    except FieldError as error:
        raise RefusedError(f"{prefix}.{error.field}", error.code, error.message) from None


def _key(subject: SubjectIn) -> Key:
    return subject.key, subject.value


def _known(subject: SubjectIn | None, prefix: str, *, found: Mapping[Key, Known], scope: GroupScope) -> Known | None:
    if subject is None:
        return None
    row = found.get(_key(subject))
    if row is None and (scope.is_limited or not subject.reported):
        raise RefusedError(f"{prefix}.{subject.key}", "unknown", f"No {prefix} has the {subject.key} given.")
    return row


def _check_addresses(subject: SubjectIn | None, prefix: str) -> None:
    for name in sorted(_ADDRESSES & set(subject.reported if subject else ())):
        detail = "This key is limited to groups of users: it writes to their stored addresses alone."
        raise RefusedError(f"{prefix}.{name}", "outside", detail)


def _cleaned(subject: SubjectIn | None, prefix: str, *, country: str) -> Mapping[str, Any]:
    """What is reported, and the key itself, which is a value too."""
    if subject is None or not subject.reported:
        return {}
    check = clean_device if prefix == "device" else clean_user
    given = subject.reported if subject.key == "id" else {subject.key: subject.value, **subject.reported}
    with _within(prefix):
        return check(given, key=subject.key, country=country).values


def _with_reported_owners(
    found: Mapping[int, Subject | RefusedError], *, scope: GroupScope
) -> dict[int, Subject | RefusedError]:
    """A device that is reported to be a user's comes with that user, for its event alone."""
    owners = {
        place: subject.device_reported["user"]
        for place, subject in found.items()
        if isinstance(subject, Subject) and not subject.person and subject.device_reported.get("user")
    }
    keys = {("loginname", loginname) for loginname in owners.values()}
    people = statements.result_of(queries.find_people(keys, scope=scope))
    answer = dict(found)
    for place, loginname in owners.items():
        person = people.get(("loginname", loginname))
        subject = found[place]
        if person is None:
            answer[place] = RefusedError("device.user", "unknown", "No user has this login name.")
        elif isinstance(subject, Subject):
            answer[place] = structs.replace(subject, person=person)
    return answer
