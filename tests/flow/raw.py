"""HTTP by hand: what no well-behaved client does."""

import resource
import select
import socket
from contextlib import contextmanager


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def connect(port, *, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))


def exchange(port, raw, *, source="127.0.0.1"):
    """The answer to these bytes: status, headers, body; the connection is closed then."""
    with connect(port, source=source) as client:
        client.sendall(raw)
        return answer(client)


def answer(client):
    """The next answer on the connection; status 0 if there is none."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = client.recv(65_536)
        if not more:
            return 0, {}, text
        text += more
    top, _, body = text.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += client.recv(65_536)
    status = int(first.split()[1])
    return answer(client) if status == 100 else (status, headers, body)


def is_healthy(port):
    return exchange(port, head("GET", "/healthz"))[0] == 200


def is_unanswered(client):
    """Whether it still waits: nothing has come over its connection, nor the connection's end."""
    poll = select.poll()  # select itself can't look at so many
    poll.register(client, select.POLLIN)
    return not poll.poll(0)


@contextmanager
def many(port, count, first, *, each_address=50):
    """So many connections that send this and no more, from as many addresses as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    clients = []
    try:
        for number in range(count):
            clients.append(connect(port, source=f"127.0.1.{1 + number // each_address}"))
            clients[-1].sendall(first)
        yield clients
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
