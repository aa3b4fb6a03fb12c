"""A loopback SMTP peer that does what a test tells it, honest or not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests import waiting


class Talk:
    """One connection, from the server's side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def line(self) -> str:
        """The next line; raises EOFError when the client is gone."""
        while b"\r\n" not in self._buffer:
            octets = self.connection.recv(65536)
            if not octets:
                raise EOFError
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode()

    def mail(self) -> bytes:
        """Everything up to the final dot, dots unstuffed."""
        while b"\r\n.\r\n" not in b"\r\n" + self._buffer:
            octets = self.connection.recv(65536)
            if not octets:
                raise EOFError
            self._buffer += octets
        if self._buffer.startswith(b".\r\n"):
            self._buffer = self._buffer[3:]
            return b""
        mail, _, self._buffer = self._buffer.partition(b"\r\n.\r\n")
        return (mail + b"\r\n").replace(b"\r\n..", b"\r\n.")

    def secure(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)


Script = Callable[[Talk], None]
Answer = str | tuple[str, ...] | Callable[[str], str]


@dataclass
class Received:
    """What an honest peer took."""

    commands: list[str] = field(default_factory=list)
    mails: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)


def honest(
    received: Received,
    *,
    features: tuple[str, ...] = ("PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8"),
    answers: Mapping[str, Answer] | None = None,
    tls: ssl.SSLContext | None = None,
    sign_in: Callable[[Talk, str], str] | None = None,
) -> Script:
    """A server that keeps to RFC 5321, apart from `answers`: verb (or "END", "BANNER") -> reply or replies in turn.

    A reply "drop" hangs up, "hang" says nothing more. `tls` is for STARTTLS; `sign_in` talks through AUTH and gives
    the last reply.
    """
    given = dict(answers or {})
    turns: dict[str, int] = {}

    def answer(verb: str, line: str, usual: str) -> str:
        said = given.get(verb, usual)
        if callable(said):
            return said(line) or usual
        if isinstance(said, tuple):
            turn = turns[verb] = turns.get(verb, -1) + 1
            return said[min(turn, len(said) - 1)] or usual
        return said

    def reply(talk: Talk, text: str) -> None:
        if text == "drop":
            raise EOFError
        if text == "hang":
            while True:
                talk.line()
        talk.say(*text.split("\n"))

    def script(talk: Talk) -> None:
        reply(talk, answer("BANNER", "", "220 scripted.test ESMTP"))
        accepted: list[str] = []
        begun = False
        while True:
            line = talk.line()
            received.commands.append(line)
            verb = line[:4].upper()
            if verb == "EHLO":
                lines = ["scripted.test", *features]
                usual = "\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{text}" for i, text in enumerate(lines))
                reply(talk, answer(verb, line, usual))
            elif verb == "STAR" and tls is not None:
                reply(talk, answer(verb, line, "220 go on"))
                talk.secure(tls)
            elif verb == "AUTH" and sign_in is not None:
                reply(talk, sign_in(talk, line))
            elif verb == "QUIT":
                reply(talk, answer(verb, line, "221 bye"))
                return
            elif verb == "RCPT":
                said = answer(verb, line, "250 2.1.5 ok")
                if said.startswith("25"):
                    accepted.append(line.partition("<")[2].partition(">")[0])
                reply(talk, said)
            elif verb == "DATA":
                said = answer(verb, line, "354 go on" if accepted else "554 5.5.1 no valid recipients")
                reply(talk, said)
                if said.startswith("354"):
                    mail = talk.mail()
                    received.mails.append((tuple(accepted), mail))
                    accepted, begun = [], False
                    reply(talk, answer("END", "", "250 2.0.0 queued as 1"))
            elif verb == "MAIL":
                said = answer(verb, line, "503 5.5.1 nested MAIL command" if begun else "250 2.1.0 ok")
                accepted, begun = [], begun or said.startswith("250")
                reply(talk, said)
            elif verb == "RSET":
                accepted, begun = [], False
                reply(talk, answer(verb, line, "250 2.0.0 ok"))
            else:
                usual = "250 2.0.0 ok" if verb in {"NOOP", "HELO"} else "502 5.5.1 not known"
                reply(talk, answer(verb, line, usual))

    return script


class Peer:
    """Listens on loopback and serves each connection with `script` in a thread of its own."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(waiting.PATIENCE)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each reply of a group waits 40 ms
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        talk = Talk(connection)
        with suppress(EOFError, OSError):
            self._script(talk)
        talk.connection.close()
