"""What the flow needs to know of a server, frozen; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

from transports.types import AddressKind, ChannelKind


class ServerKind(StrEnum):
    """One active server each. Secure Hub has two services, one a platform."""

    SMTP = "smtp"
    SMS = "sms"
    APNS = "apns"
    FCM = "fcm"


KIND_OF_ADDRESS = {
    AddressKind.MAIL: ServerKind.SMTP,
    AddressKind.PHONE: ServerKind.SMS,
    AddressKind.APNS: ServerKind.APNS,
    AddressKind.FCM: ServerKind.FCM,
}
KINDS_OF_CHANNEL = {
    ChannelKind.SMTP: (ServerKind.SMTP,),
    ChannelKind.SMS: (ServerKind.SMS,),
    ChannelKind.SECURE_HUB: (ServerKind.APNS, ServerKind.FCM),
}

WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
)


RECEIPT_PATH = "receipts/nexmo/"
"""Where delivery receipts come in; a token that cannot be guessed follows."""


class Limits(Struct, frozen=True):
    """What one server allows. `rate` is messages per second over all workers, None for no limit.

    `max_attempts` is retries + 1; `waits[n-1]` is the wait after try n, the last one repeats.
    """

    timeout: timedelta
    max_attempts: int
    waits: tuple[timedelta, ...] = WAITS
    max_recipients: int = 1
    lanes: int = 1
    rate: float | None = None

    @property
    def lease(self) -> timedelta:
        """How long a claim holds: long enough for one silent request and what follows it."""
        return timedelta(seconds=60) + 2 * self.timeout


LEARNED_FOR = timedelta(days=7)
"""How long it holds what a server was seen to do; servers change."""


class Experience(Struct, frozen=True):
    """What a server was seen to do, and every connection to it heeds.

    `session_limit` is how many messages one connection carries, 0 for no limit.
    """

    session_limit: int = 0
    no_pipelining: bool = False


UNKNOWN = Experience()


def experience(
    *, session_limit: int | None, session_limit_at: datetime | None, unpipelined_at: datetime | None, now: datetime
) -> Experience:
    """What still holds of it `now`."""
    return Experience(
        session_limit=session_limit or 0 if _holds(session_limit_at, now=now) else 0,
        no_pipelining=_holds(unpipelined_at, now=now),
    )


def _holds(learned_at: datetime | None, *, now: datetime) -> bool:
    return learned_at is not None and now - learned_at < LEARNED_FOR


class NumberFormat(StrEnum):
    """How a carrier gateway wants the number before the "@"."""

    NATIONAL = "national"
    COUNTRY_CODE = "country_code"
    PLUS = "plus"


class CarrierRoute(Struct, frozen=True):
    """A carrier gateway, as planning sees it: the address of a phone is `prefix`, its number, "@", `domain`."""

    gateway_id: int
    domain: str
    prefix: str = ""
    number_format: NumberFormat = NumberFormat.NATIONAL


class Route(Struct, frozen=True):
    """The active server of a kind, as planning sees it. `country` reads phone numbers that name none (ISO 3166).

    `carriers`: carrier gateways by carrier and country (see `servers.carriers.matching`), where the SMS gateway uses
    them.
    """

    server_id: int
    kind: ServerKind
    limits: Limits
    country: str = ""
    carriers: Mapping[tuple[str, str], CarrierRoute] = field(default_factory=dict)
