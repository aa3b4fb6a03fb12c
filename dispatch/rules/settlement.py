"""What became of one try, ready to be written. Pure: the journal keeps it too."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct


class AttemptRecord(Struct, frozen=True, array_like=True):
    """One try as it will stand in the log; `started_at` and the duration are the peer's side of it."""

    started_at: datetime
    duration_ms: int
    outcome: str
    code: str = ""
    reply: str = ""
    enhanced: str = ""
    detail: str = ""
    dialogue: str = ""
    next_try_at: datetime | None = None


class Settlement(Struct, frozen=True, array_like=True):
    """What becomes of one begun delivery. `tries` and `attempt_count` are the values after this try."""

    id: UUID
    state: str
    tries: int
    attempt_count: int
    attempt: AttemptRecord
    due_at: datetime | None = None
    sent_at: datetime | None = None
    reason_code: str = ""
    reason_detail: str = ""
    provider_id: str = ""
    lapsed: bool = False
