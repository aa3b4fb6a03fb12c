"""Pushes over one HTTP/2 connection, many in flight; what the service did not look at goes again over a fresh one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Protocol, assert_never

from msgspec import Struct, structs

from transports.net.guard import ConnectionFailed
from transports.net.http2 import Answer, End, Http2Line, Lost, Request, Unprocessed
from transports.net.oauth import TokenSource
from transports.push.doubts import Doubts
from transports.types import (
    Deferred,
    HandingOver,
    Learned,
    Outcome,
    Reason,
    ReasonCode,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
    unannounced,
)

_MOST_TURNS = 3
"""So often a push that the service did not look at goes again, before that is the service's trouble."""
_MAX_DIALOGUE = 2000


class Service(Protocol):
    """What APNs and FCM do differently. `place` is where pushes are posted to, for people; safe between threads."""

    @property
    def place(self) -> str: ...

    @property
    def tokens(self) -> TokenSource | None:
        """What signs in, None where the connection itself does."""
        ...

    @property
    def doubts(self) -> Doubts: ...

    def request(self, wire: Wire, *, token: str) -> Request: ...

    def judge(self, answer: Answer, *, token: str) -> Outcome: ...

    def is_stale(self, answer: Answer) -> bool:
        """Whether the token is refused because it is too old."""
        ...

    def trouble(self, said: str) -> Reason | None:
        """What the service says of itself or us where it ends a connection."""
        ...


class _Turn(Struct, eq=False):
    """One wire on its way. `announced` from the moment it may be handed over, `unprocessed` so often it came back."""

    wire: Wire
    began: float = 0.0
    announced: bool = False
    unprocessed: int = 0
    said: str = ""


class PushConnection:
    """A `Connection`. The first push over a fresh connection goes alone, so that a refused key is met by one.

    A push that certainly was not acted upon goes again over a fresh connection, with the name looked up anew; so does,
    once, one that was refused because the token was too old. Refusals of tokens are held back until another token was
    accepted or all are answered: where they are the server's trouble, no delivery fails.
    """

    def __init__(self, service: Service, line: Http2Line, *, token: str) -> None:
        self._service, self._line, self._token = service, line, token
        self._checked = True
        self._proven = self._finished = self._renewing = self._renewed = False
        self._barren = 0
        self._handing_over: HandingOver = unannounced
        self._begin(iter(()))

    @property
    def learned(self) -> tuple[Learned, ...]:
        """See `Connection`: there is nothing to find out."""
        return ()

    def send(self, wires: Iterable[Wire], *, handing_over: HandingOver = unannounced) -> Iterator[tuple[Wire, Result]]:
        """See `Connection`. Closing the iterator early ends the connection."""
        if self._finished:
            return
        self._begin(iter(wires))
        self._handing_over = handing_over
        settled = False
        try:
            yield from self._exchange()
            settled = True
        finally:
            self._checked = False
            if self._trouble or not settled:
                self.close()

    def close(self) -> None:
        """See `Connection`."""
        self._finished = True
        self._line.close()

    def _begin(self, wires: Iterator[Wire]) -> None:
        self._source = wires
        self._again: deque[_Turn] = deque()
        self._flying: dict[int, _Turn] = {}
        self._doubted: list[tuple[_Turn, Rejected, Answer]] = []
        self._trouble: Reason | None = None
        self._charged = False

    def _exchange(self) -> Iterator[tuple[Wire, Result]]:
        while True:
            try:
                self._launch()
            except ConnectionFailed as failure:
                yield self._put_off(self._again.popleft(), failure.reason)
            if not self._flying:
                break
            for number, end in self._line.ends():
                yield from self._settle(self._flying.pop(number), end)
        yield from self._end()

    def _launch(self) -> None:
        """Start as many as there is room for. Raises ConnectionFailed, with nothing in flight then."""
        while self._trouble is None:
            if not self._again:
                wire = next(self._source, None)
                if wire is None:
                    return
                self._again.append(_Turn(wire))
            if not self._has_room():
                return
            self._start(self._again.popleft())

    def _has_room(self) -> bool:
        if not self._checked:
            self._check()
        if self._flying and not self._proven:
            return False
        while self._renewing or self._line.room <= 0:
            if self._flying:
                return False
            if self._renewing or self._line.is_leaving:
                self._reopen()
            else:
                self._line.wait_for_room()
        return True

    def _check(self) -> None:
        """Before the first push of a batch: the service may have ended the connection, or be gone without a word."""
        self._checked = True
        if self._service.tokens:
            self._token = self._service.tokens.token()
        try:
            if self._line.is_open:
                self._line.prove()
        except ConnectionFailed:
            self._reopen()

    def _reopen(self) -> None:
        self._barren += 1
        if self._barren > _MOST_TURNS:
            detail = "the service ends each connection before it has answered"
            raise ConnectionFailed(Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, detail))
        self._line.close()
        if self._renewing:
            self._token, self._renewing, self._renewed = self._newer_token(), False, True
        self._proven = False
        self._line.open()

    def _newer_token(self) -> str:
        """Another lane may have made one already."""
        tokens = self._service.tokens
        if tokens is None:
            return ""
        newer = tokens.token()
        if newer != self._token:
            return newer
        tokens.forget()
        return tokens.token()

    def _start(self, turn: _Turn) -> None:
        if not turn.announced:
            self._handing_over(turn.wire, (0,))
            turn.announced = True
        turn.began = time.monotonic()
        self._flying[self._line.start(self._service.request(turn.wire, token=self._token))] = turn

    def _settle(self, turn: _Turn, end: End) -> Iterator[tuple[Wire, Result]]:
        match end:
            case Answer():
                self._barren = 0
                yield from self._answered(turn, end)
            case Unprocessed(said=said):
                yield from self._unprocessed(turn, said)
            case Lost(reason=reason):
                if not self._line.is_open:
                    self._trouble = self._trouble or reason
                yield turn.wire, self._result(turn, Unknown(reason), said=reason.detail)
            case _:
                assert_never(end)

    def _answered(self, turn: _Turn, answer: Answer) -> Iterator[tuple[Wire, Result]]:
        if self._service.is_stale(answer) and not self._renewed:
            self._renewing = True
            self._again.appendleft(turn)
            return
        outcome = self._service.judge(answer, token=self._token)
        if not isinstance(outcome, Sent) and outcome.reason.scope is Scope.SERVER:
            after = outcome.retry_after if isinstance(outcome, Deferred) else None
            yield self._put_off(turn, outcome.reason, said=_words(answer), retry_after=after)
            return
        self._proven, self._renewed = True, False
        if isinstance(outcome, Rejected) and outcome.reason.code is ReasonCode.TOKEN_REFUSED:
            yield from self._doubt(turn, outcome, answer)
            return
        if isinstance(outcome, Sent):
            self._service.doubts.trust()
        yield turn.wire, self._result(turn, outcome, said=_words(answer))

    def _unprocessed(self, turn: _Turn, said: str) -> Iterator[tuple[Wire, Result]]:
        turn.unprocessed += 1
        turn.said = said
        reason = self._service.trouble(said)
        if reason is None and turn.unprocessed >= _MOST_TURNS:
            reason = Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, f"not processed: {said}")
        if reason:
            yield self._put_off(turn, reason, said=said)
        else:
            self._again.appendleft(turn)

    def _doubt(self, turn: _Turn, outcome: Rejected, answer: Answer) -> Iterator[tuple[Wire, Result]]:
        self._doubted.append((turn, outcome, answer))
        if not self._service.doubts.doubt(turn.wire.to[0].address):
            return
        detail = f"{outcome.reason.detail} for one device after the other"
        reason = structs.replace(outcome.reason, code=ReasonCode.CONFIGURATION, scope=Scope.SERVER, detail=detail)
        for doubted, _, said in self._doubted:
            yield self._put_off(doubted, reason, said=_words(said))
        self._doubted.clear()

    def _end(self) -> Iterator[tuple[Wire, Result]]:
        """All are answered: refused tokens are those devices' own, and what did not get its turn goes back."""
        for turn, outcome, answer in self._doubted:
            yield turn.wire, self._result(turn, outcome, said=_words(answer))
        if self._trouble:
            for turn in self._again:
                if turn.announced:
                    yield self._put_off(turn, self._trouble)

    def _put_off(
        self, turn: _Turn, reason: Reason, *, said: str = "", retry_after: timedelta | None = None
    ) -> tuple[Wire, Result]:
        """The service is in trouble: the first one it is met by is charged, nobody else is."""
        lost = self._trouble is not None and not self._charged and not self._line.is_open
        charged = not self._charged and not lost
        self._trouble, self._charged = self._trouble or reason, True
        outcome = Deferred(reason, retry_after, charged=charged)
        return turn.wire, self._result(turn, outcome, said=said or reason.detail)

    def _result(self, turn: _Turn, outcome: Outcome, *, said: str) -> Result:
        took = timedelta(seconds=time.monotonic() - turn.began) if turn.began else timedelta()
        if isinstance(outcome, Sent):
            if turn.said:
                parts = (outcome.detail, f"not processed at first: {turn.said}")
                outcome = structs.replace(outcome, detail="; ".join(part for part in parts if part))
            return Result((outcome,), took)
        address = turn.wire.to[0].address
        return Result((outcome,), took, f"POST {self._service.place}\n{said}".replace(address, "***")[:_MAX_DIALOGUE])


def connect(service: Service, line: Http2Line) -> PushConnection | Deferred:
    """Sign in where that is asked for beforehand, and open `line`."""
    try:
        token = service.tokens.token() if service.tokens else ""
        line.open()
    except ConnectionFailed as failure:
        return Deferred(failure.reason)
    return PushConnection(service, line, token=token)


def _words(answer: Answer) -> str:
    return f"{answer.status} {answer.body.decode('utf-8', 'replace')}".strip()
