"""A simulated Nexmo on loopback: SMS API, balance and numbers of the account, receipts, and faults to order."""

from __future__ import annotations

import argparse
import signal
import ssl
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.faults import FaultBook
from simulators.mailbox import Ledger
from simulators.nexmo_account import Account
from simulators.nexmo_receipts import Receipts
from simulators.nexmo_session import Handler, Shared
from simulators.phone import Phone


class NexmoSimulator:
    """Answers on 127.0.0.1 from `start()` to `stop()`; port 0 takes a free one, `port` then tells which.

    Making one raises OSError when the port is taken. `account` may be replaced at any time.
    Receipts go to addresses on loopback and to `receipts_to`, another address of this machine, and nowhere else.
    It looks every `look` seconds whether it is to stop.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        account: Account | None = None,
        phone: Phone | None = None,
        ledger: Path | None = None,
        tls: ssl.SSLContext | None = None,
        receipts_to: str = "127.0.0.1",
        look: float = 0.05,
    ) -> None:
        self.phone = phone or Phone()
        self.faults = FaultBook()
        self.receipts = Receipts(own=receipts_to)
        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.tls = tls
        self._ledger = Ledger(ledger) if ledger else None
        self._server.shared = Shared(account or Account(), self.phone, self.faults, self.receipts, self._ledger)
        self.port = self._server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(look,), name="nexmo", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def account(self) -> Account:
        return self._server.shared.account

    @account.setter
    def account(self, account: Account) -> None:
        self._server.shared.account = account

    @property
    def connections(self) -> int:
        """How many were ever made."""
        return self._server.connections

    @property
    def requests(self) -> list[str]:
        """The path of every request that was read, oldest first."""
        return self._server.shared.requests

    def disconnect(self) -> None:
        """Cut every open connection; returns when their threads have let go of them."""
        self._server.cut()

    def start(self) -> None:
        self._thread.start()
        self.receipts.start()

    def stop(self) -> None:
        """Close the port, cut every connection and forget receipts that are still to go out."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut()
        self._server.server_close()
        self.receipts.stop()
        if self._ledger:
            self._ledger.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    shared: Shared
    tls: ssl.SSLContext | None = None
    connections = 0

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self._open: set[object] = set()

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def finish_request(self, request: object, client_address: object) -> None:
        """In the connection's own thread: the handshake must not hold up others."""
        if self.tls is None:
            super().finish_request(request, client_address)  # type: ignore[arg-type]
            return
        try:
            with self.tls.wrap_socket(request, server_side=True) as secured:  # type: ignore[arg-type]
                super().finish_request(secured, client_address)
        except OSError:
            return  # the client did not like the certificate

    def shutdown_request(self, request: object) -> None:
        self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is nothing to print."""

    def cut(self) -> None:
        for connection in list(self._open):
            super().shutdown_request(connection)  # type: ignore[arg-type]


def main() -> None:
    """Run until SIGTERM or SIGINT; the first line of output is `listening on PORT`."""
    parser = argparse.ArgumentParser(description="A simulated Nexmo on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=2526, help="0 takes a free one")
    parser.add_argument("--ledger", type=Path, help="file that gets a line per text that was taken")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--rate", type=int, default=0, help="requests a second beyond which it throttles; 0: any")
    options = parser.parse_args()
    account = Account(latency=options.latency, rate=options.rate)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with NexmoSimulator(port=options.port, ledger=options.ledger, account=account) as simulator:
        print(f"listening on {simulator.port}", flush=True)  # noqa: T201 - the caller waits for this line
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
