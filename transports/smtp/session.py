"""One SMTP connection: reaching the server, securing it and signing in, step by step, each within the time limit."""

from __future__ import annotations

import math
import re
import select
import smtplib
import socket
import ssl
import struct
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from msgspec import structs

from transports.addresses.mail_address import FULL_NAME
from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.guard import ConnectionFailed, Policy
from transports.net.tls import describe_peer, handshake_failure, tls_context
from transports.smtp.auth import authenticate, choose
from transports.smtp.config import Mechanism, Security, SmtpConfig
from transports.smtp.replies import Phase, Reply, judge
from transports.stages import StageName, Step
from transports.types import Deferred, Reason, ReasonCode, Rejected, Scope, without_addresses

NO_GREETING = Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no greeting, but an answer to TLS")
_MAX_REPLY = 65536
_SINGLE = re.compile(rb"([2-5]\d\d) ([^\r\n]*)\r\n")
_GREETING_REFUSED = re.compile(r"4(?:21|5\d)|521|55\d|571")  # RFC 5321 3.1, RFC 7504, and what is in use
_RECORD = 16384  # RFC 8446 5.1
_MAX_DIGITS = 15
_GOODBYE = timedelta(seconds=2)
_TIMEVAL = struct.Struct("ll")  # seconds and microseconds, as SO_RCVTIMEO takes them
_TOLERANCE = 0.05  # seconds by which a reply may be late before the time limit is set anew in the system
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Session(smtplib.SMTP):
    """smtplib's client with every command and its reply under one time limit, and bytes that can be pipelined.

    Every failure is a ConnectionFailed with SERVER scope. `written` is how much of the last write was handed to the
    system; `transactions` how many were answered on this connection; `mechanism` what was chosen to sign in with.
    """

    def __init__(self, config: SmtpConfig, *, policy: Policy) -> None:
        super().__init__(local_hostname="")
        self.config = config
        self.encrypted = False
        self.written = 0
        self.transactions = 0
        self.mechanism: Mechanism | None = None
        self._policy = policy
        self._addresses: tuple[str, ...] = ()
        self._buffer = b""
        self._start = 0
        self._patience = math.inf
        self._deadline = Deadline(config.timeout)

    def steps(self) -> tuple[Step, ...]:
        """What has to be done, in this order, until mail can be sent."""
        names = [Step(StageName.RESOLVE, self._resolve), Step(StageName.CONNECT, self._connect)]
        if self.config.security is Security.SSL:
            names.append(Step(StageName.TLS, self._secure))
        names += [Step(StageName.BANNER, self._greeting), Step(StageName.EHLO, self._hello)]
        if self.config.security is Security.TLS:
            names.append(Step(StageName.TLS, self._starttls))
        if self.config.credentials is not None:
            names.append(Step(StageName.AUTHENTICATE, self._authenticate))
        return tuple(names)

    def open(self) -> None:
        """Do all steps; raises ConnectionFailed, and is closed then."""
        try:
            for step in self.steps():
                step.run()
        except ConnectionFailed:
            self.close()
            raise

    @property
    def offered(self) -> frozenset[str]:
        """The mechanisms to sign in with that the server names; X-EXPS stands for Exchange's own command."""
        exchange = {"X-EXPS"} if "x-exps" in self.esmtp_features else set()
        return frozenset(self.esmtp_features.get("auth", "").upper().split()) | exchange

    @property
    def max_size(self) -> int:
        """The octets a message may have (RFC 1870); 0 when the server names no limit that matters."""
        size = self.esmtp_features.get("size", "")
        return int(size) if size.isdecimal() and len(size) <= _MAX_DIGITS else 0

    def command(self, line: str) -> Reply:
        """Send one line and read its reply within the time limit."""
        self.putcmd(line)
        return self.reply(self._deadline)

    def exchange(self, octets: bytes) -> Reply:
        """Send a command or a mail as it is and read its reply within the time limit."""
        deadline = Deadline(self.config.timeout)
        self.write(octets, deadline)
        return self.reply(deadline)

    def write(self, octets: bytes, deadline: Deadline) -> None:
        """Hand all of `octets` to the system before `deadline`; a TLS record at a time, so that `written` is exact."""
        self.written = 0
        rest: bytes | memoryview = octets if len(octets) <= _RECORD else memoryview(octets)
        try:
            peer, flags = self._prepared, 0 if self.encrypted else socket.MSG_DONTWAIT
            while rest:
                try:
                    sent = peer.send(rest[:_RECORD], flags)
                except _NOT_YET as wait:
                    self._wait(_wanted(wait, else_for=select.POLLOUT), deadline=deadline)
                else:
                    self.written += sent
                    rest = rest[sent:]
        except OSError as error:
            raise ConnectionFailed(_lost(error)) from error

    def reply(self, deadline: Deadline | None = None) -> Reply:
        """Read one whole reply (RFC 5321 4.2) before `deadline`, by default a whole time limit from now."""
        single = _SINGLE.match(self._buffer, self._start)
        if single is None:
            deadline = deadline or Deadline(self.config.timeout)
            if self._start == len(self._buffer):
                self._fill(deadline)
            single = _SINGLE.match(self._buffer, self._start)
            if single is None:
                return self._long_reply(deadline)
        self._start = single.end()
        return _read(single[1], single[2])

    def finish(self) -> None:
        """Say QUIT and close; never raises and never waits long."""
        deadline = Deadline(min(self.config.timeout, _GOODBYE))
        try:
            self.write(b"QUIT\r\n", deadline)
            self.reply(deadline)
        except ConnectionFailed:
            pass
        self.close()

    def is_silent(self, within: timedelta) -> bool:
        """Whether a peer that should speak first has not begun to for so long."""
        try:
            self._wait(select.POLLIN, deadline=Deadline(within))
        except TimeoutError:
            return True
        return False

    def waits_for_tls(self) -> bool:
        """Whether a peer that has not greeted answers a TLS handshake; the connection is of no use after that."""
        peer = self._peer
        peer.settimeout(min(self.config.timeout, _GOODBYE).total_seconds())
        context = tls_context(self.config.ca_bundle, self.config.minimum_tls, verify=False)
        try:
            self.sock = context.wrap_socket(peer)
        except (OSError, ValueError) as error:
            return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
        return True

    def send(self, s: Any) -> None:
        """What smtplib writes through."""
        self._deadline = Deadline(self.config.timeout)
        self.write(s.encode(self.command_encoding) if isinstance(s, str) else s, self._deadline)

    def getreply(self) -> tuple[int, bytes]:
        """What smtplib reads through."""
        reply = self.reply(self._deadline)
        return reply.code, reply.text.encode()

    @property
    def _peer(self) -> socket.socket:
        if self.sock is None:
            raise ConnectionAbortedError("not connected")
        return self.sock

    @property
    def _prepared(self) -> socket.socket:
        """The socket as it is read and written; changing that anew costs a call of the system each time.

        Under TLS no call waits. A plain one waits for what is read up to the limit set in the system, and writes with
        MSG_DONTWAIT.
        """
        peer = self._peer
        limit = 0 if self.encrypted else None
        if peer.gettimeout() != limit:
            peer.settimeout(limit)
        return peer

    def _wait(self, event: int, *, deadline: Deadline) -> None:
        ready = select.poll()
        ready.register(self._peer, event)
        if not ready.poll(deadline.remaining() * 1000):
            raise TimeoutError("time is up")

    def _receive(self, deadline: Deadline) -> bytes:
        return self._receive_tls(deadline) if self.encrypted else self._receive_plain(deadline)

    def _receive_plain(self, deadline: Deadline) -> bytes:
        """The system itself keeps the time: one call where waiting and reading would be two."""
        peer = self._prepared
        left = deadline.remaining()
        if abs(left - self._patience) > _TOLERANCE:
            peer.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(*divmod(int(left * 1e6) + 1, 1_000_000))
            )
            self._patience = left
        try:
            return peer.recv(_MAX_REPLY)
        except BlockingIOError:
            raise TimeoutError("time is up") from None

    def _receive_tls(self, deadline: Deadline) -> bytes:
        """What TLS has read ahead can't be waited for, so it is read first."""
        peer = self._prepared
        while True:
            try:
                return peer.recv(_MAX_REPLY)
            except _NOT_YET as wait:
                self._wait(_wanted(wait, else_for=select.POLLIN), deadline=deadline)

    def _long_reply(self, deadline: Deadline) -> Reply:
        line = self._line(deadline)
        code, lines, size = line[:3], [line[4:]], len(line)
        while line[3:4] == b"-" and line[:3] == code and code.isdigit():
            line = self._line(deadline)
            lines.append(line[4:])
            size += len(line)
            if size > _MAX_REPLY:
                raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "the reply does not end"))
        if line[:3] != code or len(code) != 3 or not code.isdigit() or line[3:4] not in b" ":
            raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, _shown(line)))
        return Reply(int(code), b"\n".join(lines).decode("utf-8", "replace"))

    def _line(self, deadline: Deadline) -> bytes:
        while (end := self._buffer.find(b"\n", self._start)) < 0:
            self._fill(deadline)
        line = self._buffer[self._start : end]
        self._start = end + 1
        return line[:-1] if line.endswith(b"\r") else line

    def _fill(self, deadline: Deadline) -> None:
        try:
            octets = self._receive(deadline)
        except OSError as error:
            raise ConnectionFailed(_lost(error)) from error
        if not octets:
            raise ConnectionFailed(Reason(ReasonCode.DISCONNECTED, Scope.SERVER, "the server closed the connection"))
        self._buffer = self._buffer[self._start :] + octets
        self._start = 0
        if len(self._buffer) > 2 * _MAX_REPLY:
            raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "the reply does not end"))

    def _resolve(self) -> str:
        deadline = Deadline(self.config.timeout)
        self._addresses = guard.resolve(self.config.host, port=self.config.port, policy=self._policy, deadline=deadline)
        return ", ".join(self._addresses)

    def _connect(self) -> str:
        self.sock = guard.connect(self._addresses, port=self.config.port, deadline=Deadline(self.config.timeout))
        return f"[{self.sock.getpeername()[0]}]:{self.config.port}"

    def _greeting(self) -> str:
        reply = self.reply()
        if not (reply.success or _GREETING_REFUSED.fullmatch(str(reply.code))):
            reply = Reply(reply.code, "")  # only what greets like SMTP is shown: the address may have been guessed
        self._expect(Reply(reply.code, without_addresses(reply.text)), phase=Phase.CONNECT)
        return reply.detail

    def _hello(self) -> str:
        self.local_hostname = self.config.ehlo_name or _own_name(self._peer)
        code, text = self.ehlo()
        if 500 <= code < 600:
            code, text = self._old_hello(code, text)
        try:
            self._expect(Reply(code, without_addresses(text.decode())), phase=Phase.EHLO)
        except ConnectionFailed as failure:
            detail = f"{failure.reason.detail} (greeted with {self.local_hostname})"
            raise ConnectionFailed(structs.replace(failure.reason, detail=detail)) from failure
        return ", ".join(sorted(self.esmtp_features))

    def _old_hello(self, code: int, text: bytes) -> tuple[int, bytes]:
        """RFC 5321 4.1.1.1: an old server knows HELO only. The reply to EHLO says what is wrong."""
        try:
            old = self.helo()
        except ConnectionFailed:
            return code, text
        return old if 200 <= old[0] < 300 else (code, text)

    def _starttls(self) -> str:
        if not self.has_extn("starttls"):
            raise ConnectionFailed(Reason(ReasonCode.STARTTLS_MISSING, Scope.SERVER, "STARTTLS is not offered"))
        self._expect(self.command("STARTTLS"), phase=Phase.STARTTLS)
        if self._start != len(self._buffer):
            # Text sent before TLS by whoever sits between would be read as if it had come through it.
            raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "data after the reply to STARTTLS"))
        found = self._secure()
        self._hello()  # what was offered before TLS is void: RFC 3207 4.2
        return found

    def _secure(self) -> str:
        config = self.config
        plain = self._peer
        plain.settimeout(config.timeout.total_seconds())  # holds for the handshake as a whole
        try:
            context = tls_context(config.ca_bundle, config.minimum_tls, verify=config.verify_certificate)
            secured = context.wrap_socket(plain, server_hostname=config.host.strip("[]"))
        except (OSError, ValueError) as error:
            raise ConnectionFailed(handshake_failure(error)) from error
        self.sock = secured
        self.encrypted = True
        return describe_peer(secured)

    def _authenticate(self) -> str:
        credentials = self.config.credentials
        assert credentials is not None
        mechanism = choose(credentials, offered=self.offered, encrypted=self.encrypted)
        self.mechanism = mechanism
        tokens = credentials.tokens if mechanism is Mechanism.XOAUTH2 else None
        if tokens is not None:
            credentials = replace(credentials, token=tokens.token())
        try:
            authenticate(credentials, mechanism=mechanism, say=self.command)
        except ConnectionFailed as failure:
            if tokens is not None and failure.reason.code is ReasonCode.CREDENTIALS_REFUSED:
                tokens.forget()
            raise
        return f"{credentials.username} by {mechanism}"

    @staticmethod
    def _expect(reply: Reply, *, phase: Phase) -> None:
        if reply.success:
            return
        outcome = judge(reply, phase=phase)
        if isinstance(outcome, Deferred | Rejected):
            raise ConnectionFailed(outcome.reason)
        raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, reply.detail, reply=str(reply.code)))


@lru_cache(maxsize=64)
def _read(code: bytes, text: bytes) -> Reply:
    """Most replies of a server are always the same."""
    return Reply(int(code), text.decode("utf-8", "replace"))


def _wanted(wait: OSError, *, else_for: int) -> int:
    """What a socket that does not wait has to be waited for; TLS may have to read in order to write."""
    if isinstance(wait, ssl.SSLWantReadError):
        return select.POLLIN
    return select.POLLOUT if isinstance(wait, ssl.SSLWantWriteError) else else_for


def _lost(error: OSError) -> Reason:
    if isinstance(error, TimeoutError):
        return Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no answer in time")
    return Reason(ReasonCode.DISCONNECTED, Scope.SERVER, error.strerror or str(error))


def _shown(line: bytes) -> str:
    """What a peer that does not speak SMTP said is not repeated: the address may have been picked to read it."""
    return f"{len(line)} bytes that are no SMTP reply"


def _own_name(connection: socket.socket) -> str:
    """RFC 5321 4.1.4: a name with a domain, else the address; a machine's name may be anything."""
    name = socket.gethostname()
    if FULL_NAME.fullmatch(name):
        return name
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
