"""The users and devices that somebody means who types a part of a name, an address or a number."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet
from msgspec import Struct

from devices import selection
from devices.models import Device, Person
from devices.scope import GroupScope
from foundation.sql.comparisons import Contains
from transports.addresses import phone_number

MOST = 50
"""Of how many users, and of how many devices, the events are looked up."""


class Found(Struct, frozen=True):
    """The keys of those that fit. `many` where there are more than MOST, which are looked for among deliveries then."""

    people: tuple[int, ...] = ()
    devices: tuple[int, ...] = ()

    @property
    def many(self) -> bool:
        return max(len(self.people), len(self.devices)) > MOST


NOBODY = Found()


def find(text: str, *, scope: GroupScope) -> Found:
    """Those in the scope that `text` may mean. What has an @ is looked for among users alone."""
    return Found(_keys(people(text, scope=scope)), () if "@" in text else _keys(devices(text, scope=scope)))


def people(text: str, *, scope: GroupScope) -> QuerySet[Person]:
    return Person.objects.within(scope).filter(selection.named(text, number="mobile")).order_by()


def devices(text: str, *, scope: GroupScope) -> QuerySet[Device]:
    return Device.objects.within(scope).filter(selection.named(text, number="phone_number")).order_by()


def addressed(text: str) -> Q:
    """The deliveries to an address with `text`, or with its digits, or that has such a name beside it."""
    found = Q(Contains(F("address"), text)) | Q(Contains(F("address_name"), text))
    digits = phone_number.part(text)
    return found | Q(address__contains=digits) if digits else found


def _keys(rows: QuerySet[Person] | QuerySet[Device]) -> tuple[int, ...]:
    return tuple(rows.values_list("pk", flat=True)[: MOST + 1])
