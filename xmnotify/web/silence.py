"""Ends connections over which nothing comes: granian (2.8) waits without end for the first byte of one.

Its time-out for headers begins when the first bytes have shown that it is HTTP/1.1. A connection that says nothing, or
only how HTTP/2 begins, would be kept, and each takes one of the places that there are for connections.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

MANY = 256
"""Fewer open files than so many harm nobody, and are not looked at."""
FIRST_SECONDS = 5.0
IDLE_SECONDS = 60.0
"""Without a byte either way; granian itself ends HTTP/1.1 between two requests sooner."""
_LOOK_SECONDS = 2.0
_PREFACE_BYTES = 24
"""So many has the beginning of HTTP/2 (RFC 9113, 3.4); less than that can be the beginning of either."""
_FILES = Path("/proc/self/fd")
_TCP_INFO = struct.Struct("=8B24I4Q")
"""struct tcp_info (linux/tcp.h) as far as tcpi_bytes_received; times are in milliseconds."""
_DATA_SENT, _DATA_RECEIVED, _BYTES_RECEIVED = 17, 19, 35


class _Silence(Struct):
    """`seconds` in which nothing went either way, after `received` bytes."""

    seconds: float
    received: int

    def is_too_long(self) -> bool:
        return self.seconds > (FIRST_SECONDS if self.received < _PREFACE_BYTES else IDLE_SECONDS)


def watch() -> None:
    """Look every two seconds from now on, where the system tells what is to be known (Linux)."""
    if hasattr(socket, "TCP_INFO") and _FILES.is_dir():
        threading.Thread(target=_watch, name="silence", daemon=True).start()


def _watch() -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_SECONDS):
        numbers = os.listdir(_FILES)  # noqa: PTH208 - a Path for each of thousands would be for nothing
        if len(numbers) > MANY:
            end_silent([int(number) for number in numbers])


def end_silent(files: list[int]) -> None:
    """End those of the open files that are connections to a port that this process listens on, and silent too long."""
    ports = {found.getsockname()[1] for found in _sockets(files) if _listens(found)}
    for found in _sockets(files):
        with suppress(OSError):  # it ended meanwhile
            if not _listens(found) and found.getsockname()[1] in ports and _silence(found).is_too_long():
                found.shutdown(socket.SHUT_RDWR)


def _sockets(files: list[int]) -> Iterator[socket.socket]:
    """Those that are TCP.

    Never through a number of its own: to close that would release the locks that SQLite holds on its file, if the
    number should mean that by now (fcntl(2): all locks of the process go with any of the file's numbers).
    """
    for number in files:
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            found = socket.socket(fileno=number)
        except OSError:
            continue
        try:
            if found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM:
                yield found
        finally:
            found.detach()


def _listens(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _silence(found: socket.socket) -> _Silence:
    info = _TCP_INFO.unpack(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
    return _Silence(min(info[_DATA_SENT], info[_DATA_RECEIVED]) / 1000, info[_BYTES_RECEIVED])
