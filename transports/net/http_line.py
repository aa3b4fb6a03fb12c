"""HTTP/1.1 over one guarded keep-alive connection: each request within a time limit, sent once, redirected nowhere."""

from __future__ import annotations

import http.client
import io
import select
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.guard import ConnectionFailed, Policy
from transports.net.tls import describe_peer, handshake_failure, tls_context
from transports.stages import StageName, Step
from transports.types import Reason, ReasonCode, Scope

_MAX_ANSWER = 262_144
_PORTS = {"https": 443, "http": 80}


class NoAnswer(ConnectionFailed):
    """The request was handed over as a whole, and no answer came that can be read: perhaps it was acted upon."""


class HttpLine:
    """One connection to the origin of `url` (http or https), opened when it is needed and kept while the peer does.

    `timeout` holds for each step of opening it and for each request with its answer as a whole. Every failure is a
    ConnectionFailed. Belongs to one thread.
    """

    def __init__(self, url: str, *, timeout: timedelta, policy: Policy, ca_bundle: str = "") -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._timeout, self._policy, self._ca_bundle = timeout, policy, ca_bundle
        self._addresses: tuple[str, ...] = ()
        self._timed: _TimedSocket | None = None
        self._used = False
        self._http = http.client.HTTPConnection(self._host, self._port)

    def steps(self) -> tuple[Step, ...]:
        """What has to be done, in this order, until a request can be sent."""
        plain = (Step(StageName.RESOLVE, self._resolve), Step(StageName.CONNECT, self._connect))
        return (*plain, Step(StageName.TLS, self._encrypt)) if self._secure else plain

    def open(self) -> None:
        """Do all steps; raises ConnectionFailed, and is closed then."""
        self.close()
        try:
            for step in self.steps():
                step.run()
        except ConnectionFailed:
            self.close()
            raise

    def ready(self) -> None:
        """Open it if it is not open any more, as where the peer hung up in between; raises ConnectionFailed."""
        if self._timed is None or (self._used and self._timed.is_readable()):
            self.open()

    def close(self) -> None:
        """Never raises."""
        if self._timed:
            self._timed.socket.close()
        self._timed, self._used = None, False
        self._http.close()

    def ask(self, method: str, target: str, *, body: bytes | None, headers: Mapping[str, str]) -> requests.Response:
        """Send one request and read its answer. Raises NoAnswer once it was written, else ConnectionFailed."""
        self.ready()
        assert self._timed is not None
        self._timed.deadline = Deadline(self._timeout)
        self._http.sock = self._timed
        try:
            self._http.request(method, target, body, headers)
        except OSError as error:
            self.close()
            raise ConnectionFailed(_lost(error)) from error
        return self._answer()

    def _answer(self) -> requests.Response:
        try:
            received = self._http.getresponse()
            content = received.read(_MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(_lost(error)) from error
        self._used = True
        whole = len(content) <= _MAX_ANSWER and not received.length
        if received.will_close or not whole:
            self.close()
        if not whole:
            raise NoAnswer(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "the answer breaks off or does not end"))
        answer = requests.Response()
        answer.status_code, answer.reason = received.status, received.reason
        answer.headers = CaseInsensitiveDict(received.getheaders())
        answer.raw, answer.encoding = io.BytesIO(content), "utf-8"
        return answer

    def _resolve(self) -> str:
        self._addresses = guard.resolve(
            self._host, port=self._port, policy=self._policy, deadline=Deadline(self._timeout)
        )
        return ", ".join(self._addresses)

    def _connect(self) -> str:
        plain = guard.connect(self._addresses, port=self._port, deadline=Deadline(self._timeout))
        self._timed = _TimedSocket(plain, deadline=Deadline(self._timeout))
        peer = plain.getpeername()
        return f"{peer[0]}, port {peer[1]}"

    def _encrypt(self) -> str:
        assert self._timed is not None
        plain = self._timed.socket
        plain.settimeout(self._timeout.total_seconds())
        try:
            secured = tls_context(self._ca_bundle, "1.2", verify=True).wrap_socket(plain, server_hostname=self._host)
        except (OSError, ValueError) as error:
            raise ConnectionFailed(handshake_failure(error)) from error
        self._timed.socket = secured
        return describe_peer(secured)


class LineAdapter(BaseAdapter):
    """Lets a `requests` session speak over an HttpLine, whose time limit and checks count."""

    def __init__(self, line: HttpLine) -> None:
        super().__init__()
        self._line = line

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **_ignored: Any
    ) -> requests.Response:
        """See `HttpLine.ask`."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        assert body is None or isinstance(body, bytes)
        answer = self._line.ask(request.method or "GET", request.path_url, body=body, headers=dict(request.headers))
        answer.request, answer.url = request, request.url or ""
        return answer

    def close(self) -> None:
        self._line.close()


def session(line: HttpLine) -> requests.Session:
    """A session over `line` alone: nothing of the environment, no redirects but those asked for, no cookies kept."""
    made = requests.Session()
    made.trust_env = False
    made.headers.clear()
    made.headers.update({"User-Agent": "xmnotify", "Accept": "application/json", "Accept-Encoding": "identity"})
    made.adapters.clear()
    for scheme in ("https://", "http://"):
        made.mount(scheme, LineAdapter(line))
    return made


class _TimedSocket:
    """A socket as http.client uses it, each operation within what is left of `deadline`. Its owner closes it."""

    def __init__(self, plain: socket.socket, *, deadline: Deadline) -> None:
        self.socket = plain
        self.deadline = deadline

    def sendall(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:
            self.socket.settimeout(self.deadline.remaining())
            left = left[self.socket.send(left) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """What http.client asks for while the answer is still to be read."""

    def is_readable(self) -> bool:
        return bool(select.select([self.socket], [], [], 0)[0])


class _Reader(io.RawIOBase):
    def __init__(self, timed: _TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._timed.socket.settimeout(self._timed.deadline.remaining())
        return self._timed.socket.recv_into(buffer)


def _lost(error: Exception) -> Reason:
    if isinstance(error, TimeoutError):
        return Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no answer in time")
    if isinstance(error, OSError):
        return Reason(ReasonCode.DISCONNECTED, Scope.SERVER, "the connection was closed")
    return Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "the answer can't be read")
