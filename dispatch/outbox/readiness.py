"""Whether an event could be stored now, and if not, why."""

from __future__ import annotations

from dispatch.models import Delivery, Event
from foundation.sql import probe
from foundation.sql.trouble import Trouble


def trouble_with_storing() -> Trouble | None:
    """None if it could."""
    return probe.trouble_with([model._meta.db_table for model in (Event, Delivery)])  # noqa: SLF001 - Django documents it
