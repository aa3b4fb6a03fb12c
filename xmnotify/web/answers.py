"""Django's answer on its way to granian: whole, or as a stream whose reader keeps no thread waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from granian.rsgi import HTTPProtocol, ProtocolClosed


class Whole:
    """Status, headers and body."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    def start(self, status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        """WSGI's start_response."""
        self.status, self.headers = int(status[:3]), headers

    async def send(self, proto: HTTPProtocol) -> None:
        proto.response_bytes(self.status, self.headers, self.body)


class Stream:
    """What the thread has written already waits in memory for a reader that is slower."""

    def __init__(self, head: Whole, loop: asyncio.AbstractEventLoop, proto: HTTPProtocol) -> None:
        self._loop = loop
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._gone = False
        self._sent: asyncio.Task[None]
        loop.call_soon_threadsafe(self._begin, head, proto)

    def fill(self, chunks: Iterable[bytes]) -> Stream:
        """In the thread; ends early when the reader is gone."""
        try:
            for chunk in chunks:
                if self._gone:
                    break
                if chunk:
                    self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        finally:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, b"")
        return self

    async def send(self, proto: HTTPProtocol) -> None:
        """Wait until all is sent; it began with the first chunk."""
        await self._sent

    def _begin(self, head: Whole, proto: HTTPProtocol) -> None:
        self._sent = self._loop.create_task(self._send(head, proto))

    async def _send(self, head: Whole, proto: HTTPProtocol) -> None:
        transport = proto.response_stream(head.status, head.headers)
        while chunk := await self._chunks.get():
            try:
                await transport.send_bytes(chunk)
            except ProtocolClosed:
                self._gone = True
                return
