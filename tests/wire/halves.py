"""Peers that offer PIPELINING and do not do it."""

from __future__ import annotations

from tests.wire.scripted import Received, Script, Talk, honest


class LastOnly(Talk):
    """Sees the last line of what it reads in one go, and misses the rest."""

    kept = -1

    def line(self) -> str:
        chunk = b""
        while not chunk.endswith(b"\r\n"):
            octets = self.connection.recv(65536)
            if not octets:
                raise EOFError
            chunk += octets
        return chunk.split(b"\r\n")[:-1][self.kept].decode()

    def mail(self) -> bytes:
        mail = super().mail()
        self._buffer = b""
        return mail


class FirstOnly(LastOnly):
    """Looks at the first line alone."""

    kept = 0


class EndOnly(Talk):
    """Keeps step with groups, but sees the end of a mail only where it is the end of what it reads."""

    def mail(self) -> bytes:
        while not (b"\r\n" + self._buffer).endswith(b"\r\n.\r\n"):
            octets = self.connection.recv(65536)
            if not octets:
                raise EOFError
            self._buffer += octets
        return super().mail()


def heard_as(kind: type[Talk], received: Received, **answers: str) -> Script:
    """An honest server but for how it hears."""

    def script(talk: Talk) -> None:
        honest(received, features=("PIPELINING", "SIZE 1000000"), answers=answers)(kind(talk.connection))

    return script
