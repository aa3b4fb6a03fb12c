"""The yardstick for pipelining: as little as possible, one round trip a mail, on some connections."""

from __future__ import annotations

import socket
import sys
import threading

from bench.drain import PAYLOAD

_ENVELOPE = b"MAIL FROM:<xmnotify@example.com>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n"


def main() -> None:
    port, mails, connections = (int(word) for word in sys.argv[1:])
    threads = [threading.Thread(target=_send, args=(port, mails // connections)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(port: int, mails: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _replies(peer, 1)
        peer.sendall(b"EHLO bench\r\n")
        _replies(peer, 1)
        body = b""
        for _ in range(mails):
            peer.sendall(body + _ENVELOPE)
            _replies(peer, 4 if body else 3)
            body = PAYLOAD + b"\r\n.\r\n"
        peer.sendall(body)
        _replies(peer, 1)


def _replies(peer: socket.socket, count: int) -> None:
    """Read until that many replies are there; a line with "-" behind its code is not the last of its reply."""
    seen = b""
    while count:
        seen += peer.recv(65536)
        *lines, seen = seen.split(b"\r\n")
        count -= sum(line[3:4] != b"-" for line in lines)


if __name__ == "__main__":
    main()
