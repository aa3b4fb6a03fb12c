"""One connection of a simulated server that talks in lines, and how ordered faults strike it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from simulators.faults import Delay, Drop, FaultBook, Hang, Reply, Step, Trickle


class FaultyLine(asyncio.Protocol):
    """Collects input, holds output back until all input at hand is answered, and does what the fault book says.

    A subclass says how input is taken (`_take`) and what comes first (`_greet`). Lives in one event loop.
    """

    def __init__(self, *, faults: FaultBook, sessions: set[FaultyLine], latency: float) -> None:
        self._faults, self._sessions, self._latency = faults, sessions, latency
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._output: list[bytes] = []
        self._busy = self._deaf = False
        self._timer: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sessions.add(self)
        self._at(Step.CONNECT, go_on=lambda: self._at(Step.BANNER, go_on=self._greet))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.discard(self)
        self._transport = None
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._input += data
            self._read()

    def end(self) -> None:
        """Cut the line immediately."""
        self._deaf = True
        self._output.clear()
        if self._transport:
            self._transport.abort()

    def _greet(self) -> None:
        raise NotImplementedError

    def _take(self) -> bool:
        """Take one unit of input and answer it; False when there is not enough of it yet."""
        raise NotImplementedError

    def _read(self) -> None:
        while self._transport and not (self._busy or self._deaf) and self._take():
            pass
        self._flush()

    def _at(
        self,
        step: Step,
        *,
        go_on: Callable[[], None],
        over: Callable[[], None] | None = None,
        recipients: Sequence[str] = (),
    ) -> None:
        """Do what is ordered for this step, else go on; `over` is called where a reply stands in for going on."""
        action = self._faults.strike(step, recipients=recipients)
        match action:
            case None:
                go_on()
            case Delay(seconds=seconds):
                self._flush()
                self._later(seconds, lambda: self._resume(go_on))
            case Trickle(seconds=seconds):
                self._flush()
                go_on()
                slow, self._output = b"".join(self._output), []
                self._trickle(slow, seconds=seconds)
            case Reply(code=code, text=text):
                self._say(code, text)
                if over:
                    over()
                if code == 421:
                    self._close()
            case Drop(reset=reset):
                self.end() if reset else self._close()
            case Hang():
                self._flush()
                self._deaf = True
            case _:
                raise ValueError(f"{action} is no fault of SMTP")

    def _resume(self, go_on: Callable[[], None]) -> None:
        self._busy = False
        go_on()
        self._read()

    def _trickle(self, left: bytes, *, seconds: float) -> None:
        if left and self._transport:
            self._transport.write(left[:1])
            self._later(seconds, lambda: self._trickle(left[1:], seconds=seconds))
        else:
            self._busy = False
            self._read()

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._busy = True
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)

    def _say(self, code: int, text: str) -> None:
        self._output.append(f"{code} {text}\r\n".encode())

    def _flush(self) -> None:
        if self._output and self._transport:
            said, self._output = b"".join(self._output), []
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, said)
            else:
                self._transport.write(said)

    def _write(self, said: bytes) -> None:
        if self._transport:
            self._transport.write(said)

    def _close(self) -> None:
        self._deaf = True
        self._flush()
        if self._transport and self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.close)
        elif self._transport:
            self._transport.close()
