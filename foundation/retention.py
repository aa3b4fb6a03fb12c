"""What is too old goes, day after day, in small steps; and when something went is remembered.

Each room registers what it has and how it is removed. A step takes a moment and is followed by another one until the
day's pass is through, so that nothing else waits for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F
from msgspec import Struct

from foundation.models import AuditEntry, Purge
from foundation.sql.ids import moment_of

DAY = timedelta(days=1)
LONGEST = 2.0
"""Seconds of a step."""
_CHUNK = 500
_TIME_ORDERED = 7
logger = logging.getLogger(__name__)


class Kept(Struct, frozen=True):
    """A kind of row with an end. `days` is how long it is kept, read when a pass begins.

    `remove` deletes a chunk, a small part of a second's work, of what is older than the moment it is given, and returns
    how many rows went; 0 when there is none left.
    """

    what: str
    days: Callable[[], int]
    remove: Callable[[datetime], int]


_kinds: dict[str, Kept] = {}


def register(kind: Kept) -> None:
    _kinds[kind.what] = kind


def step(*, now: datetime, seconds: float = LONGEST) -> bool:
    """Go on with today's passes for so many seconds; returns whether all are through."""
    until = time.monotonic() + seconds
    return all(_advance(kind, now=now, until=until) for kind in list(_kinds.values()))


def removed_at(what: str, uid: UUID) -> datetime | None:
    """When a row with this id (UUIDv7) must have gone; None when nothing of its age has."""
    if uid.version != _TIME_ORDERED:
        return None
    passes = Purge.objects.filter(what=what, before__gt=moment_of(uid), ended_at__isnull=False)
    return passes.order_by("id").values_list("ended_at", flat=True).first()


def _advance(kind: Kept, *, now: datetime, until: float) -> bool:
    last = Purge.objects.filter(what=kind.what).order_by("-id").first()
    if last and last.ended_at and abs(now - last.ended_at) < DAY:  # a clock that was ahead delays nothing for long
        return True
    if last is None or last.ended_at:
        last = Purge.objects.create(what=kind.what, before=now - timedelta(days=kind.days()), began_at=now)
    mine = Purge.objects.filter(pk=last.pk)
    while time.monotonic() < until:
        removed = kind.remove(last.before)
        if not removed:
            mine.update(ended_at=now)
            logger.info("retention.removed what=%s rows=%d", kind.what, mine.get().removed)
            return True
        mine.update(removed=F("removed") + removed)
    return False


def _audit_entries(before: datetime) -> int:
    old = AuditEntry.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:_CHUNK]
    return AuditEntry.objects.filter(pk__in=list(old)).delete()[0]


def register_own() -> None:
    """What this room has."""
    register(Kept("audit", lambda: settings.XMNOTIFY_KEEP_AUDIT_DAYS, _audit_entries))
