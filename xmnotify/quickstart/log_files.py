"""The log files of the parts, which write to them as their standard output and so can't begin a new one themselves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LARGEST = 10 * 1024 * 1024
"""Octets; a file that has more becomes the one before it, whose place it takes."""


def opened(path: Path) -> int:
    """A descriptor that always writes at the end, wherever that is by then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def rotate(path: Path) -> None:
    """Keep a large file as its `.1` and empty it; what is written in between, some lines at most, is lost."""
    try:
        if path.stat().st_size <= LARGEST:
            return
        older = path.with_name(f"{path.name}.1")
        older.unlink(missing_ok=True)
        os.close(os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(path, older)
        os.truncate(path, 0)
    except OSError:
        return  # not there yet, or no room: the parts go on
