"""A PostgreSQL that fails over: when the primary dies its standby takes its address, and another one follows it.

The primary waits until the standby has what was committed, so no commit is lost.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.private_servers import Postgres

_WAITS = {"synchronous_commit": "remote_apply", "synchronous_standby_names": "*"}


class Pair:
    """A primary and its standby."""

    def __init__(self, binaries: Path, *, folder: Path) -> None:
        self._binaries, self._folder, self._made = binaries, folder, 0
        self._primary = self._make(None)
        self._primary.start()
        self._standby = self._follow()

    @property
    def url(self) -> str:
        return self._primary.url

    def fail_over(self) -> None:
        """The primary dies; returns when its standby has taken its place, with a standby that follows."""
        address, before = self._primary.port, self._standby
        self._primary.end(immediate=True)
        before.promote()
        before.end(immediate=False)
        before.port = address
        before.start()
        self._primary, self._standby = before, self._follow()

    def stop(self) -> None:
        for server in (self._primary, self._standby):
            server.stop()

    def _follow(self) -> Postgres:
        """Until it follows, every commit waits for it."""
        standby = self._make(self._primary)
        standby.start()
        return standby

    def _make(self, primary: Postgres | None) -> Postgres:
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        return Postgres(self._binaries, folder=folder, settings=_WAITS, primary=primary)


@contextmanager
def pair(binaries: Path) -> Iterator[Pair]:
    """Both end with the block."""
    with tempfile.TemporaryDirectory(prefix="xmnotify-pair-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a server runs as another user than root
        servers = Pair(binaries, folder=folder)
        try:
            yield servers
        finally:
            servers.stop()
