"""HTTP/2 over one guarded TLS connection: many requests in flight, each of which is answered, refused or lost."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from msgspec import Struct, field

from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.frames import GoAway, GoAwayTap
from transports.net.guard import ConnectionFailed, Policy
from transports.net.tls import describe_peer, handshake_failure, refused_certificate, tls_context
from transports.stages import StageName, Step
from transports.types import Reason, ReasonCode, Scope

IDLE = timedelta(seconds=60)
"""After so much silence a PING asks whether the peer is still there."""
PING_REPLY = timedelta(seconds=5)
MOST_AT_A_TIME = 100
"""Requests in flight, however many more a peer would take: so many may be doubled when this process is killed."""
_MOST_ANSWER = 65_536
_READ = 65_536
_PING = b"xmnotify"


class Request(Struct, frozen=True):
    """A POST. The names of `headers` are in lower case."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Answer(Struct, frozen=True):
    """What the peer replied; the names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Unprocessed(Struct, frozen=True):
    """The peer certainly did not act upon the request; `said` is why, where it said so."""

    said: str


class Lost(Struct, frozen=True):
    """The request was handed over and no answer came."""

    reason: Reason


End = Answer | Unprocessed | Lost


class _Stream(Struct):
    unsent: bytes
    ends_at: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Http2Line:
    """One connection to `host`, opened when it is needed. Belongs to one thread.

    `timeout` holds for each step of opening it and for each request with its answer as a whole; a request without an
    answer ends alone, and a PING tells whether the connection goes on. `certificate` (PEM, with its key) is shown to
    the peer. Every failure is a ConnectionFailed. The name is looked up each time it is opened.
    """

    def __init__(
        self, host: str, *, port: int, timeout: timedelta, policy: Policy, ca_bundle: str = "", certificate: str = ""
    ) -> None:
        self._host, self._port = host, port
        self._timeout, self._policy = timeout, policy
        self._ca_bundle, self._certificate = ca_bundle, certificate
        self._authority = host if port == 443 else f"{host}:{port}"
        self._addresses: tuple[str, ...] = ()
        self._socket: socket.socket | None = None
        self._ended: list[tuple[int, End]] = []
        self._forget()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @property
    def is_leaving(self) -> bool:
        """Whether no request can be started any more: it is closed, or the peer takes no more over it."""
        return self._socket is None or bool(self._leaving)

    @property
    def room(self) -> int:
        """How many requests may be started now."""
        if self.is_leaving or self._ping_ends_at is not None:
            return 0
        return min(self._h2.remote_settings.max_concurrent_streams, MOST_AT_A_TIME) - len(self._streams)

    def steps(self) -> tuple[Step, ...]:
        """What has to be done, in this order, until a request can be started."""
        return (
            Step(StageName.RESOLVE, self._resolve),
            Step(StageName.CONNECT, self._connect),
            Step(StageName.TLS, self._encrypt),
            Step(StageName.HTTP2, self._greet),
        )

    def open(self) -> None:
        """Do all steps; raises ConnectionFailed, and is closed then."""
        self.close()
        for step in self.steps():
            step.run()

    def close(self) -> None:
        """Never raises. Tells the peer where that needs no waiting."""
        if self._socket is None:
            return
        try:
            self._h2.close_connection()
            self._socket.settimeout(0)
            self._socket.send(self._h2.data_to_send())
        except (H2Error, OSError, ValueError):
            pass
        self._drop()

    def start(self, request: Request) -> int:
        """Begin a request where there is `room`; returns its number. It is written by `ends`."""
        number: int = self._h2.get_next_available_stream_id()
        fixed = ((":method", "POST"), (":scheme", "https"), (":authority", self._authority), (":path", request.path))
        self._h2.send_headers(number, [*fixed, *request.headers, ("content-length", str(len(request.body)))])
        self._streams[number] = _Stream(request.body, time.monotonic() + self._timeout.total_seconds())
        self._pump(number)
        return number

    def ends(self) -> list[tuple[int, End]]:
        """Write what was started and wait until something has ended: requests by number, in the order they ended.

        Empty only where nothing is in flight.
        """
        self._checked_at = time.monotonic()
        try:
            self._flush()
            while self._streams and not self._ended:
                self._turn()
        except ConnectionFailed as failure:
            self._lose(failure.reason)
        ended, self._ended = self._ended, []
        return ended

    def prove(self) -> None:
        """See whether the peer replies, within five seconds; raises ConnectionFailed, and is closed then."""
        try:
            self._ask()
            self._wait(lambda: self._ping_ends_at is None)
        except ConnectionFailed as failure:
            self._lose(failure.reason)
            raise

    def wait_for_room(self) -> None:
        """Wait, with nothing in flight, until the peer takes requests or none any more; raises ConnectionFailed."""
        deadline = Deadline(self._timeout)
        try:
            self._wait(lambda: self.room > 0 or self.is_leaving or _is_over(deadline))
        except ConnectionFailed as failure:
            self._lose(failure.reason)
            raise
        if not self.room and not self.is_leaving:
            self.close()
            detail = "the server allows no request at a time"
            raise ConnectionFailed(Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, detail))

    def _resolve(self) -> str:
        self._addresses = guard.resolve(
            self._host, port=self._port, policy=self._policy, deadline=Deadline(self._timeout)
        )
        return ", ".join(self._addresses)

    def _connect(self) -> str:
        self._socket = guard.connect(self._addresses, port=self._port, deadline=Deadline(self._timeout))
        self._forget()
        peer = self._socket.getpeername()
        return f"{peer[0]}, port {peer[1]}"

    def _encrypt(self) -> str:
        assert self._socket is not None
        self._socket.settimeout(self._timeout.total_seconds())
        try:
            context = tls_context(self._ca_bundle, "1.2", verify=True, alpn=("h2",), certificate=self._certificate)
            secured = context.wrap_socket(self._socket, server_hostname=self._host)
        except (OSError, ValueError) as error:
            self._drop()
            raise ConnectionFailed(refused_certificate(error) or handshake_failure(error)) from error
        self._socket = secured
        return describe_peer(secured)

    def _greet(self) -> str:
        """The prefaces (RFC 9113 3.4): the peer's SETTINGS show that it speaks HTTP/2."""
        assert isinstance(self._socket, ssl.SSLSocket)
        if self._socket.selected_alpn_protocol() != "h2":
            self._drop()
            raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "the server speaks no HTTP/2"))
        deadline = Deadline(self._timeout)
        try:
            self._h2.initiate_connection()
            self._wait(lambda: self._greeted or _is_over(deadline))
        except ConnectionFailed:
            self._drop()
            raise
        if not self._greeted:
            self._drop()
            raise ConnectionFailed(Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no SETTINGS in time"))
        return f"HTTP/2, {self._h2.remote_settings.max_concurrent_streams} requests at a time"

    def _forget(self) -> None:
        """What belongs to one connection begins anew."""
        self._h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding=False, normalize_outbound_headers=False)
        )
        self._h2.local_settings = Settings(client=True, initial_values={SettingCodes.ENABLE_PUSH: 0})
        self._tap = GoAwayTap()
        self._streams: dict[int, _Stream] = {}
        self._ended = []
        self._leaving = ""
        self._greeted = False
        self._heard_at = self._checked_at = time.monotonic()
        self._ping_ends_at: float | None = None

    def _drop(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _lose(self, reason: Reason) -> None:
        """The connection is gone: what was not written whole was certainly not acted upon."""
        said = f"{reason.detail} after it took leave: {self._leaving}" if self._leaving else reason.detail
        lost = Lost(Reason(reason.code, reason.scope, said, reply=reason.reply))
        for number, stream in self._streams.items():
            self._ended.append((number, Unprocessed(said) if stream.unsent else lost))
        self._streams.clear()
        self._drop()

    def _wait(self, done: Callable[[], bool]) -> None:
        self._checked_at = time.monotonic()
        self._flush()
        while not done():
            self._turn()

    def _turn(self) -> None:
        """Read once, until the next moment at which something is over. What has come already is read before that."""
        octets = self._read(max(self._next_moment() - time.monotonic(), 0.001))
        now = time.monotonic()
        if octets:
            self._heard_at = now
            self._take(octets)
        if not octets or now - self._checked_at > 1:
            self._expire(now)
        self._flush()

    def _next_moment(self) -> float:
        waits = [self._heard_at + IDLE.total_seconds()] if self._ping_ends_at is None else [self._ping_ends_at]
        waits += [stream.ends_at for stream in self._oldest()]
        return min(*waits, time.monotonic() + 1.0)  # a condition of _wait may be over before anything else is

    def _oldest(self) -> Sequence[_Stream]:
        return [next(iter(self._streams.values()))] if self._streams else []

    def _read(self, seconds: float) -> bytes:
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            octets = self._socket.recv(_READ)
        except TimeoutError:
            return b""
        except OSError as error:
            raise ConnectionFailed(refused_certificate(error) or _gone(str(error))) from error
        if not octets:
            raise ConnectionFailed(_gone("the connection was closed"))
        return octets

    def _take(self, octets: bytes) -> None:
        whole, goodbyes = self._tap.feed(octets)
        try:
            for event in self._h2.receive_data(whole):
                handle = _HANDLERS.get(type(event))
                if handle:
                    handle(self, event)
        except (H2Error, UnicodeDecodeError, ValueError) as error:
            said = f"no HTTP/2: {error}"
            raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, said)) from error
        for goodbye in goodbyes:
            self._part(goodbye)

    def _part(self, goodbye: GoAway) -> None:
        """RFC 9113 6.8: up to the last one named, requests may still be answered; all others were not looked at."""
        self._leaving = " ".join(part for part in (_name(goodbye.code), goodbye.said) if part)
        for number in [number for number in self._streams if number > goodbye.last]:
            del self._streams[number]
            self._ended.append((number, Unprocessed(self._leaving)))

    def _expire(self, now: float) -> None:
        self._checked_at = now
        if self._ping_ends_at is not None and now >= self._ping_ends_at:
            raise ConnectionFailed(Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no reply to a PING"))
        late = [number for number, stream in self._streams.items() if stream.ends_at <= now]
        for number in late:
            del self._streams[number]
            self._ended.append((number, Lost(Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no answer in time"))))
            self._h2.reset_stream(number, ErrorCodes.CANCEL)
        if late or now >= self._heard_at + IDLE.total_seconds():
            self._ask()

    def _ask(self) -> None:
        if self._ping_ends_at is None:
            self._h2.ping(_PING)
            self._ping_ends_at = time.monotonic() + PING_REPLY.total_seconds()

    def _flush(self) -> None:
        octets = memoryview(self._h2.data_to_send())
        if not octets:
            return
        if self._socket is None:
            raise ConnectionFailed(_gone("the connection was closed"))
        deadline = Deadline(self._timeout)
        try:
            while octets:
                self._socket.settimeout(deadline.remaining())
                octets = octets[self._socket.send(octets) :]
        except TimeoutError as error:
            raise ConnectionFailed(Reason(ReasonCode.TIMEOUT, Scope.SERVER, "the server reads nothing")) from error
        except OSError as error:
            raise ConnectionFailed(refused_certificate(error) or _gone(str(error))) from error

    def _pump(self, number: int) -> None:
        """As much of the body as the peer's windows allow; the rest goes when they open."""
        stream = self._streams[number]
        while True:
            most = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if most <= 0 < len(stream.unsent):
                return
            part, stream.unsent = stream.unsent[:most], stream.unsent[most:]
            self._h2.send_data(number, part, end_stream=not stream.unsent)
            if not stream.unsent:
                return

    def _on_response(self, event: Any) -> None:
        stream = self._streams.get(event.stream_id)
        if stream:
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            stream.status, stream.headers = int(named.get(":status", "0")), named

    def _on_data(self, event: Any) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream and len(stream.body) < _MOST_ANSWER:
            stream.body += event.data

    def _on_end(self, event: Any) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is None:
            return
        self._ended.append((event.stream_id, Answer(stream.status, stream.headers, stream.body)))
        if stream.unsent:
            self._h2.reset_stream(event.stream_id, ErrorCodes.NO_ERROR)

    def _on_reset(self, event: Any) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is None:
            return
        said = f"the server reset the request: {_name(event.error_code)}"
        if event.error_code == ErrorCodes.REFUSED_STREAM or stream.unsent:  # RFC 9113 8.7
            self._ended.append((event.stream_id, Unprocessed(said)))
        else:
            self._ended.append((event.stream_id, Lost(Reason(ReasonCode.NO_ANSWER, Scope.MESSAGE, said))))

    def _on_pong(self, _event: Any) -> None:
        self._ping_ends_at = None

    def _on_settings(self, _event: Any) -> None:
        self._greeted = True
        self._go_on()

    def _on_window(self, _event: Any) -> None:
        self._go_on()

    def _go_on(self) -> None:
        for number in [number for number, stream in self._streams.items() if stream.unsent]:
            self._pump(number)


_HANDLERS: dict[type[Event], Callable[[Http2Line, Any], None]] = {
    ResponseReceived: Http2Line._on_response,  # noqa: SLF001 - the table of this class
    DataReceived: Http2Line._on_data,  # noqa: SLF001
    StreamEnded: Http2Line._on_end,  # noqa: SLF001
    StreamReset: Http2Line._on_reset,  # noqa: SLF001
    PingAckReceived: Http2Line._on_pong,  # noqa: SLF001
    RemoteSettingsChanged: Http2Line._on_settings,  # noqa: SLF001
    WindowUpdated: Http2Line._on_window,  # noqa: SLF001
}


def _is_over(deadline: Deadline) -> bool:
    try:
        deadline.remaining()
    except TimeoutError:
        return True
    return False


def _name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error {code}"


def _gone(detail: str) -> Reason:
    return Reason(ReasonCode.DISCONNECTED, Scope.SERVER, detail)
