"""Ids that sort by the time they were made (UUIDv7, RFC 9562 5.7), and what can be read out of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def new_uid() -> UUID:
    """A UUIDv7: ids that sort by the time they were made."""
    return uuid_utils.compat.uuid7()


def first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of this moment, to the millisecond."""
    milliseconds = max(0, int(moment.timestamp() * 1000)) & (2**48 - 1)
    return UUID(int=milliseconds << 80)


def moment_of(uid: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((uid.int >> 80) / 1000, tz=UTC)
