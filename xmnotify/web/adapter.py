"""Granian's requests (RSGI) become Django's: the body is read in the loop, then a thread of the pool runs Django."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from io import SEEK_END, BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import HttpResponseBase
from granian.rsgi import HTTPProtocol, Scope

from xmnotify.web import environ, limits, refusals, silence
from xmnotify.web.answers import Stream, Whole
from xmnotify.web.bodies import DROPPED, KNOWN_SECONDS, BrokenError, Reader, RefusedError, Watch
from xmnotify.web.pool import BusyError, Pool

THREADS = 8
PATIENCE = 5.0
"""Seconds that a request waits for a thread; when none is free for so long, all wait for something, mostly a lock."""
_ALIVE, _READY = "/healthz", "/readyz"


class Application:
    """The RSGI application around Django's WSGI handler."""

    def __init__(self, handler: Callable[..., HttpResponseBase]) -> None:
        self._handler = handler

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pool = Pool(loop, threads=THREADS, patience=PATIENCE, name="request")
        self._probes = Pool(loop, threads=1, patience=PATIENCE, name="probe")
        self._watch = Watch(loop, exempt=settings.XMNOTIFY_TRUSTED_PROXIES)
        silence.watch()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pool.close()

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        if scope.path == _ALIVE:  # whatever the threads wait for
            proto.response_bytes(HTTPStatus.OK.value, [("content-type", "text/plain")], b"ok\n")
            return
        try:
            answer = await self._answer(scope, proto)
        except RefusedError as refused:
            refusals.send(scope, proto, status=refused.refusal.value)
        except BrokenError:
            refusals.send(scope, proto, status=HTTPStatus.BAD_REQUEST)
        except (BusyError, DatabaseError, InterfaceError):
            refusals.send(scope, proto, status=HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            await answer.send(proto)

    async def _answer(self, scope: Scope, proto: HTTPProtocol) -> Whole | Stream:
        request = environ.of(scope, scope.headers.items())
        length = environ.length(scope)
        closes = False
        if length == 0:
            _bring(request, BytesIO())
        elif (body := await self._body(scope, proto, request, length=length)) is not None:
            _bring(request, body)
        else:
            request |= {"CONTENT_LENGTH": str(length or DROPPED), "wsgi.input": _TooLarge()}
            closes = True
        pool = self._probes if scope.path == _READY else self._pool
        answer = await pool.run(partial(self._run, request, proto))
        if closes and isinstance(answer, Whole):
            answer.headers = refusals.closing(answer.headers, scope)
        return answer

    async def _body(
        self, scope: Scope, proto: HTTPProtocol, request: dict[str, Any], *, length: int | None
    ) -> IO[bytes] | None:
        """None where it is too large for its sender; then it is read to its end, as far as that is not too far."""
        most = limits.of(request)
        with Reader(
            self._watch, proto, address=request["REMOTE_ADDR"], length=length, http1=scope.http_version != "2"
        ) as body:
            if await body.read(most.most):
                return BytesIO(body.whole())
            if most.known_most > most.most and await self._pool.run(partial(limits.is_known, request)):
                body.seconds = KNOWN_SECONDS
                if most.to_file:
                    if (file := await _in_file(body, most.known_most)) is not None:
                        return file
                elif await body.read(most.known_most):
                    return BytesIO(body.whole())
            if body.received or "HTTP_EXPECT" not in request:  # who waits for 100 has sent nothing yet
                await body.drop(DROPPED)
            return None

    def _run(self, request: dict[str, Any], proto: HTTPProtocol) -> Whole | Stream:
        """Django's answer, in a thread of the pool."""
        answer = Whole()
        response = self._handler(request, answer.start)
        try:
            if response.streaming and not response.has_header("Content-Length"):
                return Stream(answer, self._loop, proto).fill(response)
            answer.body = b"".join(response)
            return answer
        finally:
            response.close()
            request["wsgi.input"].close()


async def _in_file(body: Reader, most: int) -> IO[bytes] | None:
    with ExitStack() as unless_whole:
        file = unless_whole.enter_context(tempfile.TemporaryFile())
        if not await body.read_into(file, most):
            return None
        unless_whole.pop_all()
    return file


def _bring(request: dict[str, Any], body: IO[bytes]) -> None:
    size = body.seek(0, SEEK_END)
    body.seek(0)
    request |= {"CONTENT_LENGTH": str(size), "wsgi.input": body}


class _TooLarge:
    """The body that was not taken: Django refuses the request for whatever comes first, its sender or this."""

    def read(self, *_: int) -> bytes:
        raise RequestDataTooBig("The body is larger than its sender may send.")

    readline = read

    def close(self) -> None:
        """There is nothing to close."""
