"""Nobody but its owner reads the data folder: it holds keys, the database, and logs with names and addresses."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def from_now_on() -> None:
    """Let this process, and those it starts, make files and folders for their owner alone."""
    os.umask(_OTHERS)


def tighten(folder: Path) -> None:
    """Take away what group and others may do with the folder and all in it, where we own that; no link is followed."""
    for path in (folder, *_within(folder)):
        with suppress(PermissionError, FileNotFoundError):
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def _within(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))
