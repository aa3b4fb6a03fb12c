"""The country by which phone numbers without one are read; the room of servers says which when it starts."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


def _none() -> str:
    return ""


class _Supplied(Struct):
    source: Callable[[], str] = _none


_supplied = _Supplied()


def supply(source: Callable[[], str]) -> None:
    _supplied.source = source


def default() -> str:
    """ISO 3166, "" where there is none."""
    return _supplied.source()
