"""Where simulated servers put what they took: mails in memory, and a ledger on disk that outlives the process."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Envelope(Struct, frozen=True):
    """What was said before the text: MAIL FROM, the accepted RCPT TOs, who signed in, and whether over TLS."""

    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    encrypted: bool = False


class Mail(Struct, frozen=True):
    """An accepted mail. `number` counts from 1; `raw` is the text as sent, dots unstuffed; the time is UTC."""

    number: int
    envelope: Envelope
    raw: bytes
    message_id: str
    received_at: datetime

    def parsed(self) -> EmailMessage:
        message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


T = TypeVar("T", bound=Numbered)


class Kept(Generic[T]):
    """The newest things that came, at most `most` of them and of `most_bytes` together. Safe between threads."""

    def __init__(self, *, most: int = 1000, most_bytes: int = 32 * 1024 * 1024) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._things: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._count = 0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many ever came, those no longer kept included."""
        return self._count

    def all(self) -> list[T]:
        """The kept ones, oldest first."""
        with self._changed:
            return [thing for thing, _ in self._things]

    def find(self, number: int) -> T | None:
        return next((thing for thing in self.all() if thing.number == number), None)

    def keep(self, make: Callable[[int], T], *, size: int) -> T:
        """Keep what `make` makes of its number, counted from 1."""
        with self._changed:
            self._count += 1
            thing = make(self._count)
            self._things.append((thing, size))
            self._bytes += size
            while len(self._things) > self._most or (self._bytes > self._most_bytes and len(self._things) > 1):
                self._bytes -= self._things.popleft()[1]
            self._changed.notify_all()
        return thing

    def clear(self) -> None:
        """Forget what is kept; the count goes on."""
        with self._changed:
            self._things.clear()
            self._bytes = 0

    def wait_for(self, predicate: Callable[[T], bool], *, timeout: float) -> T:
        """The first kept one that fits, waiting for it; raises TimeoutError after `timeout` seconds.

        `predicate` is asked once about each and must not touch what is kept.
        """
        seen = 0
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                for thing, _ in self._things:
                    if thing.number > seen and predicate(thing):
                        return thing
                seen = self._count
                self._wait_until(until)

    def wait_until_count(self, count: int, *, timeout: float) -> None:
        """Return once `count` ever came; raises TimeoutError after `timeout` seconds."""
        until = time.monotonic() + timeout
        with self._changed:
            while self._count < count:
                self._wait_until(until)

    def _wait_until(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0 or not self._changed.wait(left):
            raise TimeoutError(f"{self._count} came, the awaited one is not among them")


class Inbox(Kept[Mail]):
    """The mails that were accepted."""

    def mails(self) -> list[Mail]:
        """The kept ones, oldest first."""
        return self.all()

    def add(self, envelope: Envelope, *, raw: bytes, message_id: str) -> Mail:
        now = datetime.now(UTC)
        return self.keep(lambda number: Mail(number, envelope, raw, message_id, now), size=len(raw))


class Ledger:
    """An append-only file with one line `Message-ID<TAB>recipient` per accepted recipient.

    A line is in the file (written, not synced) when `add` returns, so it survives the death of the process.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def add(self, message_id: str, *, recipients: tuple[str, ...]) -> None:
        os.write(self._descriptor, "".join(f"{message_id}\t{to}\n" for to in recipients).encode())

    def close(self) -> None:
        os.close(self._descriptor)


def read_ledger(path: Path) -> list[tuple[str, str]]:
    """Every (Message-ID, recipient) of a ledger file in the order accepted; empty when there is none yet."""
    if not path.exists():
        return []
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return [(message_id, recipient) for message_id, recipient in rows]


def message_id_of(raw: bytes) -> str:
    """The Message-ID header's value, or an empty text."""
    found = _MESSAGE_ID.search(raw, 0, max(raw.find(b"\r\n\r\n"), 0) or len(raw))
    return found[1].strip().decode("ascii", "replace") if found else ""
