"""How far a peer's clock is from ours, by the Date of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def ahead(date: str) -> timedelta:
    """How far the clock that wrote `date` (RFC 9110 5.6.7) is ahead of ours; none where it can't be read."""
    try:
        reported = parsedate_to_datetime(date)
    except ValueError:
        return timedelta()
    return reported.replace(tzinfo=reported.tzinfo or UTC) - datetime.now(UTC)
