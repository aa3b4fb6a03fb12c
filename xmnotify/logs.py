"""Log lines without what must not stand in them, and no more of them than an operator can keep."""

from __future__ import annotations

import copy
import logging
import re
import threading
import time
from collections.abc import Callable

from servers.values import RECEIPT_PATH

_TOKEN = re.compile(rf"{RECEIPT_PATH}[^/\s?'\"]+")

LONGEST = 2_000
"""Characters of a message; a traceback has as many as it has."""
MOST_REFUSALS = 60
"""Lines a minute about requests that were refused, which anybody can send any number of."""
_MINUTE = 60.0

logger = logging.getLogger(__name__)


class Formatter(logging.Formatter):
    """The address that receipts come to is as good as a password: Django names it where a request fails."""

    def format(self, record: logging.LogRecord) -> str:
        if _is_refusal(record) and record.exc_info:
            record = copy.copy(record)  # another handler may want its traceback, which says no more than its message
            record.exc_info = record.exc_text = None
        return _TOKEN.sub(f"{RECEIPT_PATH}***", super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        length = len(record.message)
        if length > LONGEST:
            record.message = f"{record.message[:LONGEST]}... ({length:,} characters)"
        return super().formatMessage(record)


class FewRefusals(logging.Filter):
    """Leaves out what comes after the first lines of a minute about refused requests, and then says how many."""

    def __init__(self, name: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name)
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not _is_refusal(record):
            return True
        with self._lock:
            left_out = self._begin_anew() if self._clock() - self._began >= _MINUTE else 0
            self._count += 1
            shown = self._count <= MOST_REFUSALS
        if left_out:
            logger.warning("refusals.left_out count=%s", left_out)
        return shown

    def _begin_anew(self) -> int:
        left_out = max(0, self._count - MOST_REFUSALS)
        self._began, self._count = self._clock(), 0
        return left_out


def _is_refusal(record: logging.LogRecord) -> bool:
    """Django's lines about requests that were at fault themselves."""
    return record.name.startswith("django.security") or (
        record.name == "django.request" and record.levelno < logging.ERROR
    )
