"""Whether something still changes, as one watcher sees it on a clock of its own. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Stillness(Generic[K]):
    """What values a watcher saw last, and for how long it has seen each of them stand still.

    Times are seconds of the watcher's monotonic clock; a time that somebody else wrote is only compared for equality.
    """

    def __init__(self) -> None:
        self._seen: dict[K, tuple[object, float]] = {}

    def look(self, values: Mapping[K, object], *, at: float) -> dict[K, float]:
        """For how many seconds each of these has not changed; what is not among them any more is forgotten."""
        fresh = (None, at)
        self._seen = {
            key: self._seen[key] if self._seen.get(key, fresh)[0] == value and key in self._seen else (value, at)
            for key, value in values.items()
        }
        return {key: at - since for key, (_, since) in self._seen.items()}

    def forget(self) -> None:
        """The watcher was blind for a while: what it saw before says nothing."""
        self._seen.clear()
