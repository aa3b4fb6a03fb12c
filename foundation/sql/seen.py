"""Whether something came before, among more things than memory should hold."""

from __future__ import annotations

import sqlite3
from typing import Self


class Seen:
    """Texts with a number each, in a temporary file of its own that nobody else sees and that goes with it."""

    def __enter__(self) -> Self:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE seen (text TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        return self

    def __exit__(self, *_raised: object) -> None:
        self._file.close()

    def before(self, text: str, number: int) -> int:
        """The number that came with the text first, 0 if that is now."""
        if self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (text, number)).rowcount:
            return 0
        found: int = self._file.execute("SELECT number FROM seen WHERE text = ?", (text,)).fetchone()[0]
        return found
