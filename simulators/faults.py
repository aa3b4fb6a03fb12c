"""What a simulated server is told to do wrong: fault orders as frozen values, and the book they stand in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct, structs


class Step(StrEnum):
    """The moment of an SMTP session at which a fault strikes.

    CONNECT is before the banner, BODY after the 354 while the text is still coming, DOT after the final dot with the
    mail not stored, ACCEPTED after the mail was stored and written to the ledger but before its 250.
    """

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    ACCEPTED = "accepted"


class SmsStep(StrEnum):
    """The moment of a request to the SMS service at which a fault strikes.

    CONNECT is before anything is read, READ before the form is, TAKE when it was read and nothing was taken, PART for
    each part of a text, ANSWER after the text was taken and written to the ledger, ACCOUNT at the account's pages.
    """

    CONNECT = "sms connect"
    READ = "sms read"
    TAKE = "sms take"
    PART = "sms part"
    ANSWER = "sms answer"
    ACCOUNT = "sms account"


class PushStep(StrEnum):
    """The moment of a push at which a fault strikes.

    CONNECT is before anything is read, TAKE when the request was read and nothing was taken, ANSWER after the push was
    taken and written to the ledger, TOKEN at the endpoint for access tokens.
    """

    CONNECT = "push connect"
    TAKE = "push take"
    ANSWER = "push answer"
    TOKEN = "push token"  # noqa: S105 - a step, not a credential


class Reply(Struct, frozen=True):
    """Answer with this instead; 421 also closes. `text` begins with the enhanced code where there is one.

    Of an SMS service: a status in the answer below 100, an HTTP status from there on. Of a push service: an HTTP
    status, and the reason or error code as text; "; retry-after=7" at its end is a header.
    """

    code: int
    text: str = "Ordered fault"


class Delay(Struct, frozen=True):
    """Go on as usual, `seconds` later."""

    seconds: float


class Trickle(Struct, frozen=True):
    """Go on as usual, but send the reply a byte at a time, `seconds` apart."""

    seconds: float


class Drop(Struct, frozen=True):
    """Close the connection: with what was said so far delivered, or, with `reset`, by a TCP reset."""

    reset: bool = False


class Hang(Struct, frozen=True):
    """Read on and never answer again."""


class Page(Struct, frozen=True):
    """Answer a request with this HTML page, as the log-in page of a network does."""

    text: str = "<html><title>Sign in</title></html>"


class Ignore(Struct, frozen=True):
    """Never answer this request, but go on with others; over HTTP/2 only."""


class Refuse(Struct, frozen=True):
    """Reset the request unprocessed (RFC 9113 8.7); over HTTP/2 only."""


class GoAway(Struct, frozen=True):
    """Collect `gather` requests over this connection, then end it as RFC 9113 6.8 has it; over HTTP/2 only.

    The first `processed` of them are taken and answered after the GOAWAY, the others are not looked at.
    """

    gather: int = 1
    processed: int = 0
    reason: str = ""


Action = Reply | Delay | Trickle | Drop | Hang | Page | Ignore | Refuse | GoAway


class Fault(Struct, frozen=True):
    """Do `action` at `step`, `times` times (None: always), after letting `skip` occasions pass.

    `matching` is a shell pattern on recipients, compared in lower case: at RCPT the one being named, from DATA on any
    of the transaction; empty means every occasion. Before RCPT nobody is named yet, so a pattern never matches there.
    """

    step: Step | SmsStep | PushStep
    action: Action
    times: int | None = 1
    skip: int = 0
    matching: str = ""


class FaultBook:
    """The standing orders, in the order given; the first that fits an occasion strikes. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: tuple[Fault, ...] = ()

    def order(self, *faults: Fault) -> None:
        with self._lock:
            self._orders += faults

    def clear(self) -> None:
        with self._lock:
            self._orders = ()

    def standing(self) -> tuple[Fault, ...]:
        """What is still to come: `times` and `skip` count down, spent orders are gone."""
        return self._orders

    def strike(self, step: Step | SmsStep | PushStep, *, recipients: Sequence[str] = ()) -> Action | None:
        """What is to be done at this occasion, which it counts."""
        if not self._orders:
            return None
        with self._lock:
            for position, fault in enumerate(self._orders):
                if fault.step is step and _fits(fault.matching, recipients):
                    if fault.skip:
                        self._put(position, structs.replace(fault, skip=fault.skip - 1))
                        continue
                    if fault.times is not None:
                        self._put(position, structs.replace(fault, times=fault.times - 1))
                    self._orders = tuple(order for order in self._orders if order.times != 0)
                    return fault.action
        return None

    def _put(self, position: int, fault: Fault) -> None:
        self._orders = (*self._orders[:position], fault, *self._orders[position + 1 :])


def _fits(pattern: str, recipients: Sequence[str]) -> bool:
    return not pattern or any(fnmatchcase(address.lower(), pattern.lower()) for address in recipients)
