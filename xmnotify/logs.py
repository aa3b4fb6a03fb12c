"""Log lines without what must not stand in them."""

from __future__ import annotations

import logging
import re

from servers.values import RECEIPT_PATH

_TOKEN = re.compile(rf"{RECEIPT_PATH}[^/\s?'\"]+")


class Formatter(logging.Formatter):
    """The address that receipts come to is as good as a password: Django names it where a request fails."""

    def format(self, record: logging.LogRecord) -> str:
        return _TOKEN.sub(f"{RECEIPT_PATH}***", super().format(record))
