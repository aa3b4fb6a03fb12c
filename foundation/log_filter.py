"""Keeps the log from saying again, and as often as somebody likes, what has its own line."""

from __future__ import annotations

import logging

SEEN = "refusal_is_logged"
"""Set on a request whose refusal has its own line."""


def not_logged_yet(record: logging.LogRecord) -> bool:
    """A filter: not what Django says of such a request as well."""
    return not hasattr(getattr(record, "request", None), SEEN)
