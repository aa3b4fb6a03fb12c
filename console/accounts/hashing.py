"""Passwords are hashed by Argon2, two at a time in a process: each takes 100 MiB and a core while it lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 2
PATIENCE = 5.0
"""Seconds that a password waits for its turn."""
_turns = threading.BoundedSemaphore(AT_ONCE)


class BusyError(Exception):
    """So many passwords are being checked that this one was not."""


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Raises BusyError where it is not its turn in time."""

    def encode(self, password: str, salt: str) -> str:
        with _turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turn():
            return super().verify(password, encoded)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=PATIENCE):
        raise BusyError
    try:
        yield
    finally:
        _turns.release()
