"""An HTTP/2 server on loopback with TLS and ALPN, a thread a connection, and faults to order."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate

from cryptography import x509
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from msgspec import Struct, field

from simulators.faults import Delay, Drop, FaultBook, GoAway, Hang, Ignore, Page, PushStep, Refuse, Reply

_READ = 65_536
_GOAWAY = 0x7


class Posted(Struct):
    """A request. The names of `headers` are in lower case; `certificate` is the common name of the client's."""

    path: str
    headers: dict[str, str]
    body: bytes = b""
    certificate: str = ""


class Answered(Struct, frozen=True):
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Site(Struct):
    """What a server does: `recipient` names whom a request is for, `take` answers it, `refuse` words an ordered reply.

    `streams` are requests at a time; `shy` allows one until the first was answered with 200. `clock` is how far its
    clock is ahead, `latency` how long each answer takes, both in seconds.
    """

    faults: FaultBook
    recipient: Callable[[Posted], str]
    take: Callable[[Posted], Answered]
    refuse: Callable[[int, str], Answered]
    streams: int = 100
    shy: bool = False
    clock: float = 0.0
    latency: float = 0.0


class Http2Server:
    """Answers on `host`, a loopback address, from `start()` to `stop()`; port 0 takes a free one.

    Making one raises OSError when the port is taken.
    """

    def __init__(self, site: Site, *, tls: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0) -> None:
        tls.set_alpn_protocols(["h2"])
        self._site, self._tls = site, tls
        self._listener = socket.create_server((host, port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sessions: dict[_Session, threading.Thread] = {}
        self._thread = threading.Thread(target=self._listen, name="http2", daemon=True)
        self.connections = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the port and cut every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread.is_alive():
            self._thread.join()
        self.disconnect()

    def disconnect(self) -> None:
        """Cut every open connection; returns when their threads have let go of them."""
        for session, thread in self._open():
            session.cut()
            thread.join()

    def go_deaf(self) -> None:
        """The open connections stay, and nothing that comes over them is read any more."""
        for session, _ in self._open():
            session.deaf.set()

    def _open(self) -> list[tuple[_Session, threading.Thread]]:
        with self._lock:
            return list(self._sessions.items())

    def _listen(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            session = _Session(self._site, plain, self._tls)
            thread = threading.Thread(target=self._serve, args=(session,), name="http2-session", daemon=True)
            with self._lock:
                self._sessions[session] = thread
            thread.start()

    def _serve(self, session: _Session) -> None:
        try:
            session.run()
        finally:
            with self._lock:
                self._sessions.pop(session, None)


class _Gone(Exception):  # noqa: N818 - the connection is gone as ordered
    """Ends the connection."""


class _Gathering(Struct):
    order: GoAway
    numbers: list[int] = field(default_factory=list)


class _Session:
    """One connection."""

    def __init__(self, site: Site, plain: socket.socket, tls: ssl.SSLContext) -> None:
        self._site, self._socket, self._tls = site, plain, tls
        self.deaf, self._over = threading.Event(), threading.Event()
        self._posted: dict[int, Posted] = {}
        self._gathering: _Gathering | None = None
        self._certificate = ""
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        streams = 1 if site.shy else site.streams
        self._h2.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self._shy = site.shy

    def cut(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            self._strike_connection()
            self._encrypt()
            self._certificate = _common_name(self._socket)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._h2.initiate_connection()
            self._flush()
            while octets := self._socket.recv(_READ):
                if self.deaf.is_set():
                    self._be_silent()
                for event in self._h2.receive_data(octets):
                    self._see(event)
                self._flush()
        except (_Gone, OSError, H2Error):
            pass
        finally:
            self._socket.close()

    def _encrypt(self) -> None:
        """A client that is refused can read why: a connection closed over unread octets is reset."""
        plain = self._socket.dup()
        self._socket = self._tls.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        with plain:
            try:
                self._socket.do_handshake()
            except ssl.SSLError:
                plain.shutdown(socket.SHUT_WR)
                plain.settimeout(5)
                while plain.recv(_READ):
                    pass
                raise

    def _see(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            named = {str(name): str(value) for name, value in event.headers}
            self._posted[event.stream_id] = Posted(named.get(":path", ""), named, certificate=self._certificate)
        elif isinstance(event, DataReceived):
            self._posted[event.stream_id].body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self._handle(event.stream_id)

    def _handle(self, number: int) -> None:
        if self._gathering is None:
            action = self._site.faults.strike(PushStep.TAKE, recipients=[self._site.recipient(self._posted[number])])
            if not isinstance(action, GoAway):
                self._do(number, action)
                return
            self._gathering = _Gathering(action)
        self._gathering.numbers.append(number)
        if len(self._gathering.numbers) == self._gathering.order.gather:
            self._take_leave(self._gathering)

    def _do(self, number: int, action: object) -> None:
        match action:
            case None:
                self._take(number)
            case Delay(seconds=seconds):
                self._flush()
                time.sleep(seconds)
                self._take(number)
            case Reply(code=code, text=text):
                words, _, after = text.partition("; retry-after=")
                answer = self._site.refuse(code, words)
                extra = (("retry-after", after),) if after else ()
                self._answer(number, Answered(answer.status, answer.body, (*answer.headers, *extra)))
            case Page(text=text):
                self._answer(number, Answered(200, text.encode(), (("content-type", "text/html"),)))
            case Refuse():
                self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            case Ignore():
                self._posted.pop(number)
            case _:
                self._end(action)

    def _take(self, number: int) -> None:
        posted = self._posted[number]
        answer = self._site.take(posted)
        if self._site.latency:
            time.sleep(self._site.latency)
        action = self._site.faults.strike(PushStep.ANSWER, recipients=[self._site.recipient(posted)])
        if isinstance(action, Delay):
            time.sleep(action.seconds)
        elif isinstance(action, Ignore):
            return
        elif action is not None:
            self._end(action)
        self._answer(number, answer)
        if self._shy and answer.status == 200:
            self._shy = False
            self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._site.streams})

    def _answer(self, number: int, answer: Answered) -> None:
        self._posted.pop(number, None)
        date = formatdate(time.time() + self._site.clock, usegmt=True)
        headers = [(":status", str(answer.status)), ("date", date), *answer.headers]
        self._h2.send_headers(number, headers, end_stream=not answer.body)
        if answer.body:
            self._h2.send_data(number, answer.body, end_stream=True)

    def _take_leave(self, gathering: _Gathering) -> None:
        """The frame is written past the state machine, which would answer nothing behind it."""
        order, numbers = gathering.order, gathering.numbers
        self._flush()
        last = numbers[order.processed - 1] if order.processed else max(0, numbers[0] - 2)
        said = f'{{"reason":"{order.reason}"}}'.encode() if order.reason else b""
        payload = last.to_bytes(4, "big") + bytes(4) + said
        self._socket.sendall(len(payload).to_bytes(3, "big") + bytes([_GOAWAY, 0]) + bytes(4) + payload)
        for number in numbers[: order.processed]:
            self._take(number)
        self._flush()
        raise _Gone

    def _end(self, action: object) -> None:
        match action:
            case Drop(reset=True):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Drop():
                self._flush()
            case Hang():
                self._flush()
                self._be_silent()
            case _:
                raise ValueError(f"{action} is no fault of HTTP/2")
        raise _Gone

    def _strike_connection(self) -> None:
        action = self._site.faults.strike(PushStep.CONNECT)
        if isinstance(action, Delay):
            time.sleep(action.seconds)
        elif action is not None:
            self._end(action)

    def _be_silent(self) -> None:
        self._over.wait()
        raise _Gone

    def _flush(self) -> None:
        octets = self._h2.data_to_send()
        if octets:
            self._socket.sendall(octets)


def _common_name(connection: socket.socket) -> str:
    """Of the client's certificate, "" without one."""
    assert isinstance(connection, ssl.SSLSocket)
    octets = connection.getpeercert(binary_form=True)
    if not octets:
        return ""
    found = x509.load_der_x509_certificate(octets).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
