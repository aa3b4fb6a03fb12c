"""Detect: the carriers of enrolled devices that have no carrier SMS gateway yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, field
from phonenumbers import NumberParseException

from devices import queries as devices
from devices.scope import GroupScope
from servers import countries, queries
from servers.carriers import matching
from servers.models import CarrierGateway
from transports.addresses import phone_number


class NewCarrier(Struct, frozen=True):
    """A carrier as most of its devices name it; `country` is theirs (ISO 3166), by their numbers."""

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

    Where none of a carrier's devices has a number, the SMS gateway's country stands.
    """
    found = _with_countries(_counted(scope))
    known = set(CarrierGateway.objects.values_list("carrier_key", "country"))
    names = {name for name, _country in known}
    home = queries.country() or countries.FIRST
    fresh = [
        NewCarrier(group.names.most_common(1)[0][0], country or home, group.devices)
        for (name, country), group in found.items()
        if (name, country) not in known and (country or name not in names)
    ]
    return sorted(fresh, key=lambda carrier: (-carrier.devices, carrier.name, carrier.country))


def _counted(scope: GroupScope) -> dict[tuple[str, str], _Found]:
    found: dict[tuple[str, str], _Found] = {}
    for row in devices.carriers(scope):
        name = matching.key(row.name)
        if name:
            found.setdefault((name, _country_of(row.number)), _Found()).names[row.name] += row.devices
    return found


def _with_countries(found: Mapping[tuple[str, str], _Found]) -> dict[tuple[str, str], _Found]:
    """Devices without a number count with those of the country where the carrier has most."""
    placed = {key: group for key, group in found.items() if key[1]}
    for (name, country), group in found.items():
        if country:
            continue
        same = [other for key, other in placed.items() if key[0] == name]
        if same:
            max(same, key=lambda other: other.devices).names.update(group.names)
        else:
            placed[name, ""] = group
    return placed


def _country_of(number: str) -> str:
    """Empty where there is no number, or one of no country."""
    try:
        country = phone_number.country_of(number)
    except NumberParseException:
        return ""
    return country if countries.is_country(country) else ""
