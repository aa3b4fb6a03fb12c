"""Ports for servers that have to be told theirs."""

from __future__ import annotations

import os
import socket
from itertools import count

_FIRST, _COUNT = 15_000, 17_000  # the system gives none of these to whoever asks for any
_numbers = count(os.getpid() * 997)  # tests in other processes begin elsewhere


def free() -> int:
    """One that is free on the loopback, and still is when the server has started."""
    while True:
        port = _FIRST + next(_numbers) % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
