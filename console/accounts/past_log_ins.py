"""Sessions that have ended and log-ins that failed, and how long they are kept."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from console.models import Failures
from foundation import retention
from foundation.retention import Kept

_CHUNK = 500


def register() -> None:
    """A session has its end in itself: what has passed it is of no more use."""
    retention.register(Kept("sessions", lambda: 0, _remove_sessions))
    retention.register(Kept("failed_log_ins", lambda: settings.XMNOTIFY_KEEP_FAILED_LOG_INS_DAYS, _remove_failed))


def _remove_sessions(before: datetime) -> int:
    return _remove(Session.objects.filter(expire_date__lt=before))


def _remove_failed(before: datetime) -> int:
    return _remove(Failures.objects.filter(last_at__lt=before))


def _remove(rows: QuerySet[Session] | QuerySet[Failures]) -> int:
    return rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:_CHUNK])).delete()[0]
