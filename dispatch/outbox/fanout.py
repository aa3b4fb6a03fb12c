"""Mails to many users in one statement: where the Recipient is the pre-built macro, planning needs no row in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from dispatch.outbox import columns
from dispatch.rules.plan import Planned
from foundation.sql import dialect
from templates_app.texts.render import ChannelTexts
from transports.types import ChannelKind

PREBUILT = "${user.mail}"
PLAIN = r"\A[A-Za-z0-9._%+-]+@[A-Za-z0-9]+([.-][A-Za-z0-9]+)*\Z"
"""Addresses that are sent as they stand, but for the case of their domain; what else there is is left to `plan`."""
PLAIN_LENGTHS = (6, 63)
"""Of these lengths, apart: looking ahead in PLAIN for them makes PostgreSQL take eight times as long."""

_VERSION, _VARIANT = "7", "8"  # RFC 9562 5.7
_OF_TARGET = ("person_id", "device_id", "address", "address_name", "language", "time_zone")
"""What differs from delivery to delivery, besides the id."""
_planned_row = columns.row_of(columns.PLANNED)
_OF_DEVICES = "devices_device AS t JOIN devices_person AS p ON p.id = t.person_id"
_OF_USERS = "devices_person AS t JOIN devices_person AS p ON p.id = t.id"


def takes(channel: ChannelTexts) -> bool:
    """Whether nothing but the Recipient decides who gets it, and that is the pre-built macro."""
    to_users = [entry.source for entry in channel.recipients] == [PREBUILT]
    return channel.kind is ChannelKind.SMTP and to_users and not channel.requires_values


def delivery_id(key: str, *, now: datetime) -> UUID:
    """The id that a delivery of a broadcast has for what may be there once: a UUIDv7 whose random part is a hash."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return UUID(f"{_milliseconds(now)}{_VERSION}{digest[:3]}{_VARIANT}{digest[3:18]}")


def insert(row: Planned, ids: Sequence[int], *, of_devices: bool, per_device: bool, key: str, now: datetime) -> None:
    """One delivery like `row` for each device, or user, with these numbers, to the mail address of its user.

    The addresses are PLAIN, and sent with their domain in lower case (see transports.addresses.mail_address). The id
    is made from `key`, device (if it is one `per_device`) and address; what is there stays.
    """
    device = "'d' || t.id" if of_devices and per_device else "''"
    address = dialect.mail_address("p.mail")
    digest = f"%s || {device} || '|' || {address}"
    text = f"encode(sha256(convert_to({digest}, 'UTF8')), 'hex')" if dialect.is_postgresql() else f"sha256({digest})"
    made = f"%s || '{_VERSION}' || substr(digest, 1, 3) || '{_VARIANT}' || substr(digest, 4, 15)"
    same = dict(zip(columns.PLANNED, _planned_row(row), strict=True)) | dict.fromkeys(columns.MOMENTS, now)
    for name in ("id", *_OF_TARGET):
        del same[name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO dispatch_delivery ({", ".join(["id", *_OF_TARGET, *same, *columns.OTHERS])})
            SELECT {f"({made})::uuid" if dialect.is_postgresql() else made}, {", ".join(_OF_TARGET)},
                {", ".join(["%s"] * len(same))}, {", ".join(map(dialect.literal, columns.OTHERS.values()))}
            FROM (
                SELECT p.id AS person_id, {"t.id" if of_devices else "CAST(NULL AS bigint)"} AS device_id,
                    {address} AS address, p.displayname AS address_name, p.language, p.time_zone, {text} AS digest
                FROM {_OF_DEVICES if of_devices else _OF_USERS} WHERE {dialect.in_ids("t.id")} ORDER BY t.id
            ) AS x WHERE true ON CONFLICT (id) DO NOTHING""",  # noqa: S608 - names of columns and constants of ours
            [
                _milliseconds(now),
                *(dialect.value_of(columns.DELIVERY[name], value) for name, value in same.items()),
                key,
                dialect.numbers(ids),
            ],
        )


def _milliseconds(now: datetime) -> str:
    return f"{int(now.timestamp() * 1000):012x}"
