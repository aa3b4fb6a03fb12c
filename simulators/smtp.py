"""A simulated SMTP server on loopback: in a thread of its own, or a process by `python -m simulators.smtp`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from simulators.faults import FaultBook, Step
from simulators.mailbox import Inbox, Ledger
from simulators.smtp_session import Profile, Session, Shared

T = TypeVar("T")


class SmtpSimulator:
    """Takes mail on 127.0.0.1 from `start()` to `stop()`; port 0 takes a free one, `port` then tells which.

    `start()` raises OSError when the port is taken. All methods may be called from any thread.
    """

    def __init__(
        self, *, port: int = 0, profile: Profile | None = None, inbox: Inbox | None = None, ledger: Path | None = None
    ) -> None:
        self.port = port
        self.inbox = inbox or Inbox()
        self.faults = FaultBook()
        self._profile = profile or Profile()
        self._ledger_path = ledger
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp-simulator", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        ledger = Ledger(self._ledger_path) if self._ledger_path else None
        self._shared = Shared(self._profile, self.faults, self.inbox, ledger, set())
        self._thread.start()
        try:
            self.accept()
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the port and cut every connection; returns when the thread has ended."""
        self._run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._shared.ledger:
            self._shared.ledger.close()

    def refuse(self) -> None:
        """Refuse new connections, until `accept()`; open ones go on."""
        self._run(self._close_port())

    def accept(self) -> None:
        """Take connections again on the same port."""
        self._run(self._open_port())

    @property
    def refusing(self) -> bool:
        return self._server is None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Where a fault can strike."""
        return self._profile.steps()

    def disconnect(self) -> None:
        """Cut every open connection."""
        self._run(self._cut())

    @property
    def connections(self) -> int:
        return len(self._shared.sessions)

    def _run(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(timeout=10)

    async def _open_port(self) -> None:
        if self._server is None:
            context = self._profile.tls if self._profile.implicit_tls else None
            self._server = await self._loop.create_server(
                lambda: Session(self._shared), "127.0.0.1", self.port, ssl=context, backlog=512
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close_port(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for session in list(self._shared.sessions):
            session.end()
        await asyncio.sleep(0)

    async def _shut_down(self) -> None:
        await self._close_port()
        await self._cut()
        for _ in range(100):  # a cut line ends a few turns of the loop later
            if not self._shared.sessions:
                break
            await asyncio.sleep(0)


def main() -> None:
    """Run until SIGTERM or SIGINT; the first line of output is `listening on PORT`."""
    parser = argparse.ArgumentParser(description="A simulated SMTP server on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=2525, help="0 takes a free one")
    parser.add_argument("--ledger", type=Path, help="file that gets a line per accepted recipient")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--max-recipients", type=int, default=1000)
    parser.add_argument("--no-pipelining", action="store_true")
    options = parser.parse_args()
    profile = Profile(
        max_recipients=options.max_recipients,
        pipelining=not options.no_pipelining,
        anybody=True,
        latency=options.latency,
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with SmtpSimulator(port=options.port, profile=profile, ledger=options.ledger) as simulator:
        print(f"listening on {simulator.port}", flush=True)  # noqa: T201 - the caller waits for this line
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
