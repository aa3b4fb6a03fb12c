"""Detect: the carriers of enrolled devices that have no carrier SMS gateway yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import phonenumbers
from msgspec import Struct, field

from devices import queries as devices
from devices.scope import GroupScope
from servers import countries, queries
from servers.carriers import matching
from servers.models import CarrierGateway

_LONGEST_CODE = 3


class NewCarrier(Struct, frozen=True):
    """A carrier as most of its devices name it; `country` is the likely one (ISO 3166)."""

    name: str
    country: str
    devices: int


class _Found(Struct):
    names: Counter[str] = field(default_factory=Counter)

    @property
    def devices(self) -> int:
        return self.names.total()


def new_carriers(scope: GroupScope) -> list[NewCarrier]:
    """Those of most devices in the scope first.

    A carrier is distinguished by country code, where its devices' numbers are known.
    """
    found = _with_countries(_counted(scope))
    known = {(row.carrier_key, _code(row.country)) for row in CarrierGateway.objects.all()}
    names = {name for name, _code in known}
    home = queries.country() or countries.FIRST
    fresh = [
        NewCarrier(group.names.most_common(1)[0][0], _country(code, home=home), group.devices)
        for (name, code), group in found.items()
        if (name, code) not in known and (code or name not in names)
    ]
    return sorted(fresh, key=lambda carrier: (-carrier.devices, carrier.name, carrier.country))


def _counted(scope: GroupScope) -> dict[tuple[str, int], _Found]:
    found: dict[tuple[str, int], _Found] = {}
    for row in devices.carriers(scope):
        name = matching.key(row.name)
        if name:
            found.setdefault((name, _code_of(row.number_start)), _Found()).names[row.name] += row.devices
    return found


def _with_countries(found: Mapping[tuple[str, int], _Found]) -> dict[tuple[str, int], _Found]:
    """Devices without a number count with those of the country where the carrier has most."""
    placed = {key: group for key, group in found.items() if key[1]}
    for (name, code), group in found.items():
        if code:
            continue
        same = [other for key, other in placed.items() if key[0] == name]
        if same:
            max(same, key=lambda other: other.devices).names.update(group.names)
        else:
            placed[name, 0] = group
    return placed


def _code_of(start: str) -> int:
    """The country code at the start of an E.164 number; 0 where there is none."""
    digits = start.removeprefix("+")
    if start == digits or not digits.isdigit():
        return 0
    codes = (int(digits[:length]) for length in range(1, min(_LONGEST_CODE, len(digits)) + 1))
    return next((code for code in codes if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 0)


def _code(country: str) -> int:
    return phonenumbers.country_code_for_region(country)


def _country(code: int, *, home: str) -> str:
    return home if not code or code == _code(home) else phonenumbers.region_code_for_country_code(code)
