"""The filters of lists."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta


def end_of(day: date) -> datetime:
    """The first moment after this day (UTC); after the calendar's last day there is none, and it is that day's last."""
    last = datetime.combine(day, time.max, tzinfo=UTC)
    return last if day == date.max else last + timedelta(microseconds=1)
