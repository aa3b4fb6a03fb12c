"""Pushes a second over one HTTP/2 connection, against a bare h2 loop with as many streams in flight."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged, StreamEnded

from bench import surroundings
from tests.wire import push
from tests.wire.certificates import Authority
from transports.net.http2 import MOST_AT_A_TIME
from transports.net.tls import tls_context
from transports.push.apns import ApnsChannel
from transports.types import Deferred, Message, Sent, Wire

_TEXT = "Your iPhone was reported as jailbroken by Secure Hub. Give it to the help desk within two days."


Pace = tuple[float, float]
"""Pushes a second, and a second of this process' CPU: the service costs as much as a client does."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--pushes", type=int, default=4000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as folder:
        authority = Authority(Path(folder))
        ours, theirs = multiprocessing.Pipe()
        service = multiprocessing.get_context("fork").Process(target=_serve, args=(authority, theirs), daemon=True)
        push.apple_pem()  # made once, for both processes
        service.start()
        try:
            loops, channels = _measure(ours.recv(), authority, rounds=options.rounds, pushes=options.pushes)
        finally:
            service.terminate()
            service.join()
    for position, unit in enumerate(("pushes/s", "pushes a second of the client's CPU")):
        yardsticks, found = [each[position] for each in loops], [each[position] for each in channels]
        ratios = [one / other for one, other in zip(found, yardsticks, strict=True)]
        print(f"bare h2 loop, {MOST_AT_A_TIME} streams, {unit}: {surroundings.median_and_range(yardsticks)}")
        print(f"  one connection of ours: {surroundings.median_and_range(found)}")
        print(f"  ratio: {surroundings.median_and_range(ratios)}; to keep 0.7", flush=True)


def _measure(port: int, authority: Authority, *, rounds: int, pushes: int) -> tuple[list[Pace], list[Pace]]:
    """In turn, so that what else the machine does counts for both."""
    channel = push.apns_channel(port, authority=authority)
    loops, channels = [], []
    for _ in range(rounds):
        wires = _wires(channel, pushes)
        loops.append(_bare_loop(channel, wires, port=port, authority=authority))
        channels.append(_channel(channel, wires))
    return loops, channels


def _serve(authority: Authority, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with push.apns(authority.server()) as simulator:
        pipe.send(simulator.port)
        pipe.recv()


def _wires(channel: ApnsChannel, count: int) -> list[Wire]:
    date = datetime.now(UTC)
    made = [
        channel.prepare(Message(UUID(int=number), "", _TEXT, date), (push.iphone(number),)) for number in range(count)
    ]
    return [wire for wire in made if isinstance(wire, Wire)]


def _channel(channel: ApnsChannel, wires: list[Wire]) -> Pace:
    connection = channel.connect()
    assert not isinstance(connection, Deferred), connection
    before, cpu = time.perf_counter(), time.process_time()
    sent = sum(isinstance(result.outcomes[0], Sent) for _, result in connection.send(wires))
    pace = sent / (time.perf_counter() - before), sent / (time.process_time() - cpu)
    connection.close()
    assert sent == len(wires)
    return pace


def _bare_loop(channel: ApnsChannel, wires: list[Wire], *, port: int, authority: Authority) -> Pace:
    """The requests made beforehand, no time limits, and answers counted without a look at them."""
    assert channel.service.tokens
    token = channel.service.tokens.token()
    requests = [channel.service.request(wire, token=token) for wire in wires]
    fixed = [(":method", "POST"), (":scheme", "https"), (":authority", f"localhost:{port}")]
    ready = [([*fixed, (":path", each.path), *each.headers], each.body) for each in requests]
    context = tls_context(authority.pem, "1.2", verify=True, alpn=("h2",))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        h2 = H2Connection(H2Configuration(client_side=True, header_encoding=False))
        h2.initiate_connection()
        secured.sendall(h2.data_to_send())
        allowed = started = ended = 0
        before, cpu = time.perf_counter(), time.process_time()
        while ended < len(ready):
            while started < len(ready) and started - ended < allowed and h2.outbound_flow_control_window > 4096:
                headers, body = ready[started]
                number = h2.get_next_available_stream_id()
                h2.send_headers(number, headers)
                h2.send_data(number, body, end_stream=True)
                started += 1
            secured.sendall(h2.data_to_send())
            for event in h2.receive_data(secured.recv(65_536)):
                if isinstance(event, StreamEnded):
                    ended += 1
                elif isinstance(event, RemoteSettingsChanged):
                    allowed = min(h2.remote_settings.max_concurrent_streams, MOST_AT_A_TIME)
        return ended / (time.perf_counter() - before), ended / (time.process_time() - cpu)


if __name__ == "__main__":
    main()
