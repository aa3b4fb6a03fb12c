"""Whom one event reaches, as planning sees it, and what is known of devices and users by its names; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct, field

from transports.types import AddressKind

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
"""What macros and filters call the columns of users and devices; every other name is a property."""
PUSH_STATES = ("live", "stale", "off", "none")
"""Of a device: a token that was registered lately, only older ones, only such as the push service refused, no token."""
STALE_AFTER = timedelta(days=30)
"""The age of a registration from which nobody knows whether the device still listens."""
FLAGS = ("managed", "jailbroken", "out_of_compliance", "gateway_blocked")


class Token(Struct, frozen=True):
    """A live push token; `kind` is APNS or FCM."""

    kind: AddressKind
    value: str
    device_id: int | None = None


class Phone(Struct, frozen=True):
    """A device with a SIM, as far as is known: its home carrier, and its own number (E.164, empty if not known)."""

    carrier: str
    number: str = ""


class Target(Struct, frozen=True):
    """A person, a device, or both. `user` and `device` are the values that macros see.

    `has_sim` is False only if every known device is known to have none. `phones` are those whose carrier is known.
    """

    person_id: int | None = None
    device_id: int | None = None
    user: Mapping[str, Any] = field(default_factory=dict)
    device: Mapping[str, Any] = field(default_factory=dict)
    tokens: tuple[Token, ...] = ()
    has_sim: bool | None = None
    phones: tuple[Phone, ...] = ()
    language: str = ""
    time_zone: str = ""
