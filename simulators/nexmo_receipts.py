"""Delivery receipts of a simulated Nexmo, sent back by HTTP to an address on loopback: on time, late, twice, forged."""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Sign = Callable[[Mapping[str, str]], str]


class Order(Struct, frozen=True):
    """How receipts are to be from now on. `statuses` come one after the other for each part, `times` times each.

    `forged` is "none" (no signature), "wrong", "old" or empty; `style` is "get", "form" or "json". With
    `before_answer` they are sent while the submission still waits for its answer.
    """

    statuses: tuple[str, ...] = ("delivered",)
    err_code: str = "0"
    times: int = 1
    delay: float = 0.0
    reverse: bool = False
    before_answer: bool = False
    forged: str = ""
    style: str = "form"


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    url: str = field(compare=False)
    fields: dict[str, str] = field(compare=False)
    style: str = field(compare=False)


class Receipts:
    """Sends what is due from a thread of its own, one after the other. `answers` are the statuses it got.

    `own` is an address of this machine that they may go to besides those on loopback.
    """

    def __init__(self, *, own: str = "127.0.0.1") -> None:
        self._hosts = _LOOPBACK | {own}
        self.order = Order()
        self.answers: list[int] = []
        self._numbers = itertools.count()
        self._waiting: list[_Due] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="nexmo-receipts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def plan(self, url: str, parts: list[dict[str, str]], *, sign: Sign | None) -> None:
        """Send those of one message as ordered; an address elsewhere than on this machine is passed over."""
        order = self.order
        if urlsplit(url).hostname not in self._hosts:
            return
        forms = [
            self._fields(part, status=status, order=order, sign=sign)
            for part in parts
            for status in order.statuses
            for _ in range(order.times)
        ]
        if order.reverse:
            forms.reverse()
        if order.before_answer:
            for fields in forms:
                self._send(url, fields, style=order.style)
            return
        with self._changed:
            for fields in forms:
                heapq.heappush(
                    self._waiting,
                    _Due(time.monotonic() + order.delay, next(self._numbers), url, fields, order.style),
                )
            self._changed.notify_all()

    def wait_until_sent(self, count: int, *, timeout: float) -> None:
        """Return once `count` were ever answered; raises TimeoutError."""
        until = time.monotonic() + timeout
        with self._changed:
            while len(self.answers) < count:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    raise TimeoutError(f"{len(self.answers)} receipts were answered")

    def _fields(self, part: dict[str, str], *, status: str, order: Order, sign: Sign | None) -> dict[str, str]:
        now = time.gmtime()
        fields = part | {
            "status": status,
            "err-code": order.err_code if status != "delivered" else "0",
            "scts": time.strftime("%y%m%d%H%M", now),
            "message-timestamp": time.strftime("%Y-%m-%d %H:%M:%S", now),
        }
        if sign is None or order.forged == "none":
            return fields
        seconds = int(time.time()) - (3600 if order.forged == "old" else 0)
        fields |= {"timestamp": str(seconds), "nonce": f"nonce-{next(self._numbers)}"}
        signature = sign(fields).upper()  # as in the service's own example
        return fields | {"sig": signature[::-1] if order.forged == "wrong" else signature}

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (not self._waiting or self._waiting[0].at > time.monotonic()):
                    self._changed.wait(self._waiting[0].at - time.monotonic() if self._waiting else None)
                if self._stopped:
                    return
                due = heapq.heappop(self._waiting)
            self._send(due.url, due.fields, style=due.style)

    def _send(self, url: str, fields: dict[str, str], *, style: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            match style:
                case "get":
                    connection.request("GET", f"{parts.path}?{urlencode(fields)}")
                case "json":
                    headers = {"Content-Type": "application/json"}
                    connection.request("POST", parts.path, body=json.dumps(fields), headers=headers)
                case _:
                    headers = {"Content-Type": "application/x-www-form-urlencoded"}
                    connection.request("POST", parts.path, body=urlencode(fields), headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        with self._changed:
            self.answers.append(status)
            self._changed.notify_all()
