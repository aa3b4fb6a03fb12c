"""One connection to a simulated Nexmo, and how ordered faults strike it."""

from __future__ import annotations

import base64
import binascii
import json
import os
import socket
import struct
import threading
import time
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from simulators.faults import Delay, Drop, FaultBook, Hang, Page, Reply, SmsStep, Trickle
from simulators.mailbox import Ledger
from simulators.nexmo_account import Account, Pace, error_text, split
from simulators.nexmo_receipts import Receipts
from simulators.phone import Phone

_LONGEST_FORM = 65536
_LONGEST_HANG = 60.0


class Shared(Struct):
    """What all connections of one simulator know."""

    account: Account
    phone: Phone
    faults: FaultBook
    receipts: Receipts
    ledger: Ledger | None
    requests: list[str] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Gone(Exception):  # noqa: N818 - the connection is gone as ordered
    """Ends the connection."""


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open as the service does."""

    protocol_version = "HTTP/1.1"
    server_version = "nexmo"
    sys_version = ""
    timeout = 60
    disable_nagle_algorithm = True

    @property
    def shared(self) -> Shared:
        return self.server.shared  # type: ignore[attr-defined, no-any-return]

    def handle(self) -> None:
        try:
            self._strike(SmsStep.CONNECT)
            super().handle()
        except (_Gone, OSError):
            self.close_connection = True

    def do_GET(self) -> None:
        self.shared.requests.append(urlsplit(self.path).path)
        account = self.shared.account
        if self._strike(SmsStep.ACCOUNT):
            return
        if not account.may_look(**self._signed_in()):
            self._answer(HTTPStatus.UNAUTHORIZED, {"error-code": "401", "error-code-label": "authentication failed"})
        elif urlsplit(self.path).path == "/account/get-balance":
            self._answer(HTTPStatus.OK, {"value": account.balance, "autoReload": False})
        elif urlsplit(self.path).path == "/account/numbers":
            self._answer(HTTPStatus.OK, self._numbers())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {})

    def do_POST(self) -> None:
        self._strike(SmsStep.READ)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST_FORM:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {})
            raise _Gone
        form = dict(parse_qsl(self.rfile.read(int(length)).decode("utf-8", "replace"), keep_blank_values=True))
        self.shared.requests.append(urlsplit(self.path).path)
        if urlsplit(self.path).path != "/sms/json":
            self._answer(HTTPStatus.NOT_FOUND, {})
        elif not self._strike(SmsStep.TAKE, recipient=form.get("to", "")):
            self._submit(form)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet: a path or form here may hold a secret."""

    def _submit(self, form: dict[str, str]) -> None:
        account = self.shared.account
        if account.latency:
            time.sleep(account.latency)
        with self.shared.lock:
            too_fast = self.shared.pace.is_too_fast(account.rate)
        refusal = ("1", error_text("1")) if too_fast else account.refusal(form)
        if refusal:
            self._answer(HTTPStatus.OK, _refused(*refusal))
            return
        text = split(form["text"], kind=form.get("type", "text"))
        answers = [self._part(form, position=position) for position in range(len(text.parts))]
        taken = [answer for answer in answers if answer["status"] == "0"]
        if len(taken) == len(answers):
            self._deliver(form, ids=tuple(answer["message-id"] for answer in taken), encoding=text.encoding)
        self._receipts(form, taken)
        if not self._strike(SmsStep.ANSWER, recipient=form["to"]):
            self._answer(HTTPStatus.OK, {"message-count": str(len(answers)), "messages": answers})

    def _part(self, form: dict[str, str], *, position: int) -> dict[str, str]:
        action = self.shared.faults.strike(SmsStep.PART, recipients=[form["to"]])
        if isinstance(action, Reply):
            return {"to": form["to"], "status": str(action.code), "error-text": error_text(str(action.code))}
        account = self.shared.account
        return {
            "to": form["to"],
            "message-id": os.urandom(8).hex().upper(),
            "status": "0",
            "remaining-balance": f"{account.balance - account.price * (position + 1):.8f}",
            "message-price": f"{account.price:.8f}",
            "network": "23410",
            "client-ref": form.get("client-ref", ""),
        }

    def _deliver(self, form: dict[str, str], *, ids: tuple[str, ...], encoding: str) -> None:
        reference = form.get("client-ref", "")
        parts = split(form["text"], kind=form.get("type", "text")).parts
        self.shared.phone.add(
            to=form["to"], sender=form["from"], encoding=encoding, parts=parts, ids=ids, client_ref=reference
        )
        if self.shared.ledger:
            self.shared.ledger.add(reference, recipients=(form["to"],))

    def _receipts(self, form: dict[str, str], taken: list[dict[str, str]]) -> None:
        if not form.get("callback"):
            return
        account = self.shared.account
        parts = [
            {
                "msisdn": form["to"],
                "to": form["from"],
                "network-code": answer["network"],
                "messageId": answer["message-id"],
                "price": answer["message-price"],
                "api-key": account.key,
                "client-ref": answer["client-ref"],
            }
            for answer in taken
        ]
        self.shared.receipts.plan(form["callback"], parts, sign=account.sign if account.signature_secret else None)

    def _numbers(self) -> dict[str, Any]:
        """Those that begin with `pattern`; the service leaves both fields out where there is none."""
        account = self.shared.account
        pattern = dict(parse_qsl(urlsplit(self.path).query)).get("pattern", "")
        found = [
            {"country": "US", "msisdn": number, "type": "mobile-lvn", "features": list(account.features)}
            for number in account.numbers
            if number.startswith(pattern)
        ]
        return {"count": len(found), "numbers": found} if found else {}

    def _signed_in(self) -> dict[str, str]:
        """By the header or, as it used to be, in the address."""
        header = self.headers.get("Authorization", "")
        query = dict(parse_qsl(urlsplit(self.path).query))
        if not header.startswith("Basic "):
            return {"key": query.get("api_key", ""), "secret": query.get("api_secret", "")}
        try:
            key, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        except (binascii.Error, ValueError):
            key = secret = ""
        return {"key": key, "secret": secret}

    def _strike(self, step: SmsStep, *, recipient: str = "") -> bool:
        """Do what is ordered for this step; whether it stood in for the answer."""
        match self.shared.faults.strike(step, recipients=[recipient]):
            case None:
                return False
            case Delay(seconds=seconds):
                time.sleep(seconds)
                return False
            case Trickle(seconds=seconds):
                self._answer(HTTPStatus.OK, _refused("5", error_text("5")), pause=seconds)
                return True
            case Reply(code=code, text=text):
                self._reply(code, text)
                return True
            case Page(text=text):
                self._answer(HTTPStatus.OK, text)
                return True
            case Drop(reset=True):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Hang():
                self._be_silent()
        raise _Gone

    def _reply(self, code: int, text: str) -> None:
        if code < 100:
            self._answer(HTTPStatus.OK, _refused(str(code), error_text(str(code))))
        else:
            self._answer(HTTPStatus(code), text, headers=_headers_for(code, text))

    def _be_silent(self) -> None:
        self.connection.settimeout(_LONGEST_HANG)
        while self.connection.recv(4096):
            pass

    def _answer(
        self, status: HTTPStatus, content: Any, *, pause: float = 0.0, headers: dict[str, str] | None = None
    ) -> None:
        is_text = isinstance(content, str)
        payload = content.encode() if is_text else json.dumps(content).encode()
        date = formatdate(time.time() + self.shared.account.clock, usegmt=True)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Date: {date}"]
        lines += [f"Content-Type: {'text/html' if is_text else 'application/json'}", f"Content-Length: {len(payload)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        octets = "\r\n".join([*lines, "", ""]).encode() + payload
        if not pause:
            self.wfile.write(octets)
            return
        for position in range(len(octets)):
            self.wfile.write(octets[position : position + 1])
            time.sleep(pause)


def _refused(status: str, words: str) -> dict[str, Any]:
    return {"message-count": "1", "messages": [{"status": status, "error-text": words}]}


def _headers_for(code: int, text: str) -> dict[str, str]:
    """The text of a redirect is where it leads to, that of 429 and 503 after how many seconds to come back."""
    if 300 <= code < 400:
        return {"Location": text}
    return {"Retry-After": text} if text.isdecimal() else {}
