"""How many devices are in which state: jailbroken, out of compliance, inactive, of which platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Count, Q
from msgspec import Struct

from devices.models import Device
from devices.scope import GroupScope

KEPT_SECONDS = 60
INACTIVE = {"8h": timedelta(hours=8), "1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}
"""By the key that the filter of the list has for it."""


class Standing(Struct, frozen=True):
    """`flags` are by what a device is: jailbroken, out_of_compliance, gateway_blocked, unmanaged; `inactive` by how
    long it was not heard of, as INACTIVE has it; `platforms` by platform.
    """

    devices: int
    flags: Mapping[str, int]
    inactive: Mapping[str, int]
    platforms: Mapping[str, int]


def of(scope: GroupScope, *, now: datetime) -> Standing:
    """Of the devices in the scope, as they were within the last minute."""
    key = "devices.standing." + ("all" if scope.groups is None else "-".join(map(str, sorted(scope.groups))))
    known: Standing | None = cache.get(key)
    if known is None:
        known = _count(scope, now=now)
        cache.set(key, known, KEPT_SECONDS)
    return known


def _count(scope: GroupScope, *, now: datetime) -> Standing:
    rows = Device.objects.within(scope).order_by()
    flags = {
        "jailbroken": Q(jailbroken=True),
        "out_of_compliance": Q(out_of_compliance=True),
        "gateway_blocked": Q(gateway_blocked=True),
        "unmanaged": Q(managed=False),
    }
    inactive = {f"inactive_{key}": Q(last_access__lt=now - silent) for key, silent in INACTIVE.items()}
    platforms = {f"platform_{value}": Q(platform=value) for value in Device.Platform.values}
    counted = flags | inactive | platforms
    found = rows.aggregate(devices=Count("pk"), **{name: Count("pk", filter=held) for name, held in counted.items()})
    return Standing(
        devices=found["devices"],
        flags={name: found[name] for name in flags},
        inactive={key: found[f"inactive_{key}"] for key in INACTIVE},
        platforms={value: found[f"platform_{value}"] for value in Device.Platform.values},
    )
