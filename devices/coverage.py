"""Which properties devices and users have, and for how many a value is missing: for those who write macros."""

from __future__ import annotations

from django.core.cache import cache
from django.db.models import Q

from devices import statements
from devices.models import Device, Person
from devices.scope import GroupScope
from devices.values import DEVICE_NAMES, USER_FIELDS
from foundation.sql.statements import rows_of

KEPT_SECONDS = 120
_PROPERTIES = "devices.coverage.properties"


def properties() -> frozenset[str]:
    """The properties stored with the latest devices and users, as "device.ROOM" and "user.costcentre"."""
    known: frozenset[str] | None = cache.get(_PROPERTIES)
    if known is None:
        known = frozenset(
            f"{prefix}.{name}"
            for prefix, table in (("device", "devices_device"), ("user", "devices_person"))
            for (name,) in rows_of(statements.property_names(table))
        )
        cache.set(_PROPERTIES, known, KEPT_SECONDS)
    return known


def empty(path: str, *, scope: GroupScope) -> tuple[int, int]:
    """How many in the scope have no value for "device.model" or "user.mail", and how many devices or users it has."""
    prefix, _dot, name = path.partition(".")
    key = f"devices.coverage.empty.{path}.{scope.key}"
    known: tuple[int, int] | None = cache.get(key)
    if known is None:
        known = _of_devices(name, scope=scope) if prefix == "device" else _of_people(name, scope=scope)
        cache.set(key, known, KEPT_SECONDS)
    return known


def _of_devices(name: str, *, scope: GroupScope) -> tuple[int, int]:
    found = Device.objects.within(scope)
    return found.filter(_missing(name, column=DEVICE_NAMES.get(name))).count(), found.count()


def _of_people(name: str, *, scope: GroupScope) -> tuple[int, int]:
    column = name if name in USER_FIELDS else None
    found = Person.objects.within(scope).filter(disabled=False)
    return found.filter(_missing(name, column=column)).count(), found.count()


def _missing(name: str, *, column: str | None) -> Q:
    if column:
        return Q(**{column: ""})
    return ~Q(properties__has_key=name)
