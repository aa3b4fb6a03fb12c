"""Bodies of requests, read in the event loop: each has a size, a deadline and a least rate, each address a number."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import IO, Self

from msgspec import Struct

Networks = tuple[IPv4Network | IPv6Network, ...]

MOST_UNFINISHED = 64
"""Requests of one address whose bodies are still on their way."""
MOST_HELD = 256 * 1024 * 1024
"""Bytes of all bodies together that are here or on their way."""
DROPPED = 32 * 1024 * 1024
"""How much of a refused body is read and dropped, so that the refusal reaches a client, or proxy, that still writes."""
SECONDS, KNOWN_SECONDS = 30.0, 120.0
"""In which a body must be here: a stranger's, and one of a caller who is known."""
_YOUNG = 1.0
"""Seconds in which a body is not counted: many callers of one address may begin at the same moment."""
_GRACE, _LEAST_RATE = 5.0, 1024
"""After so many seconds a body must have come at so many bytes a second on average."""
_LOOK_SECONDS = 0.5
_PREFIX_OF_A_SITE = 64
"""An IPv6 address stands for the network that a site is given at least."""


class Limits(Struct, frozen=True):
    """`most` bytes while it is not known who sends them, `known_most` afterwards: these `to_file`, where it says so."""

    most: int
    known_most: int
    to_file: bool = False


class Refusal(Enum):
    SLOW = HTTPStatus.REQUEST_TIMEOUT
    TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS
    FULL = HTTPStatus.SERVICE_UNAVAILABLE


class RefusedError(Exception):
    """The body is not taken, for a reason that has nothing to do with what is in it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class BrokenError(Exception):
    """The client went away, or sent what is no body: there is nobody to answer and nothing to take."""


class Reader:
    """One body; `with` it stands under the watch, which may end it with RefusedError.

    `length` is its Content-Length, if it has one. Granian (2.8) tells the end of a body by an empty chunk, and a body
    that breaks off by further ones: over HTTP/1.1 by a second, over HTTP/2, where the client may end it by an empty
    frame, by a third and so on for ever.
    """

    def __init__(
        self, watch: Watch, chunks: AsyncIterable[bytes], *, address: str, length: int | None, http1: bool
    ) -> None:
        self._watch, self._length = watch, length
        self._chunks = aiter(chunks)
        self._most_empty = 1 if http1 else 2
        self._parts: list[bytes] = []
        self._task = asyncio.current_task()
        self.address, self.since = address, watch.now()
        self.seconds = SECONDS
        self.received = 0
        self.counted_as = ""
        self.refusal: Refusal | None = None

    def __enter__(self) -> Self:
        self._watch.begin(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._watch.end(self, held=sum(map(len, self._parts)))
        if isinstance(error, asyncio.CancelledError) and self.refusal:
            assert self._task
            self._task.uncancel()
            raise RefusedError(self.refusal) from None

    async def read(self, most: int) -> bool:
        """Whether it is here; else it has more than `most` bytes."""
        if self._length is not None and self._length > most:
            return False
        while chunk := await self._next():
            self._parts.append(chunk)
            self._watch.hold(len(chunk))
            if self.received > most:
                return False
        return True

    async def read_into(self, file: IO[bytes], most: int) -> bool:
        """As `read`, and nothing of it stays in memory."""
        if self._length is not None and self._length > most:
            return False
        file.write(self.whole())
        self._watch.hold(-sum(map(len, self._parts)))
        self._parts.clear()
        while chunk := await self._next():
            file.write(chunk)
            if self.received > most:
                return False
        return True

    async def drop(self, most: int) -> None:
        """Read the rest, `most` bytes of it, and keep nothing."""
        until = self.received + most
        while self.received < until and await self._next():
            pass

    def whole(self) -> bytes:
        return b"".join(self._parts)

    def stop(self, refusal: Refusal) -> None:
        assert self._task
        self.refusal = refusal
        self._task.cancel()

    async def _next(self) -> bytes:
        """The next chunk; empty at the end."""
        if self.received == self._length:
            return b""
        for _ in range(self._most_empty + 1):
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                if self._length is None:
                    return b""
                break
            if chunk:
                self.received += len(chunk)
                return chunk
        raise BrokenError


class Watch:
    """Looks at all bodies that are on their way; lives in the thread of the loop. `exempt` are proxies of ours."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, exempt: Networks) -> None:
        self._loop, self._exempt = loop, exempt
        self._readers: set[Reader] = set()
        self._counts: Counter[str] = Counter()
        self._held = 0
        self.now = loop.time

    def begin(self, reader: Reader) -> None:
        if not self._readers:
            self._loop.call_later(_LOOK_SECONDS, self._look)
        self._readers.add(reader)

    def end(self, reader: Reader, *, held: int) -> None:
        self._readers.discard(reader)
        self._held -= held
        if site := reader.counted_as:
            self._counts[site] -= 1
            if not self._counts[site]:
                del self._counts[site]

    def hold(self, size: int) -> None:
        """Raises RefusedError where all bodies together would take too much memory."""
        self._held += size
        if self._held > MOST_HELD:
            raise RefusedError(Refusal.FULL)

    def _look(self) -> None:
        now = self._loop.time()
        for reader in tuple(self._readers):
            if not reader.refusal and (refusal := self._judge(reader, age=now - reader.since)):
                reader.stop(refusal)
        if self._readers:
            self._loop.call_later(_LOOK_SECONDS, self._look)

    def _judge(self, reader: Reader, *, age: float) -> Refusal | None:
        if age > reader.seconds or reader.received < (age - _GRACE) * _LEAST_RATE:
            return Refusal.SLOW
        if age < _YOUNG or reader.counted_as:
            return None
        site = site_of(reader.address, exempt=self._exempt)
        if site and self._counts[site] >= MOST_UNFINISHED:
            return Refusal.TOO_MANY
        if site:
            self._counts[site] += 1
            reader.counted_as = site
        return None


@lru_cache(maxsize=4096)
def site_of(address: str, *, exempt: Networks) -> str:
    """Whose requests are counted together; empty where none are: a proxy of ours, or a socket file."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if any(found in network for network in exempt):
        return ""
    return str(found) if found.version == 4 else str(ip_network((int(found), _PREFIX_OF_A_SITE), strict=False))
