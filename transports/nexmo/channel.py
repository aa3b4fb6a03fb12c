"""Nexmo's (today Vonage's) SMS API as a `Channel`: prepares messages and submits them over one connection a lane."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

import requests

from transports.addresses.segments import Encoding, cut
from transports.net.guard import HTTP_POLICY, ConnectionFailed, Policy
from transports.net.http_line import HttpLine, NoAnswer, session
from transports.nexmo.config import NexmoConfig
from transports.nexmo.replies import cleaned, judge
from transports.types import (
    AddressKind,
    Deferred,
    HandingOver,
    Learned,
    Message,
    Outcome,
    Reason,
    ReasonCode,
    Recipient,
    Rejected,
    Result,
    Scope,
    Sent,
    Unknown,
    Wire,
    unannounced,
)

MOST_CHARACTERS = 3200
"""What the service takes in one request, split into parts."""
_NORTH_AMERICA = "+1"
_NUMBER = re.compile(r"\+[0-9]{7,15}")  # E.164
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_MAX_DIALOGUE = 2000
_SHORTEST_PRIVATE = 4


class NexmoChannel:
    """A `Channel`. Raises ValueError when the base URL is no http or https address."""

    def __init__(self, config: NexmoConfig, *, policy: Policy = HTTP_POLICY) -> None:
        self._config = config
        self._policy = policy

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """See `Channel`. The payload is the form without what signs in, so it may be kept and shown."""
        if len(to) != 1 or to[0].kind is not AddressKind.PHONE or not _NUMBER.fullmatch(to[0].address):
            return Rejected(Reason(ReasonCode.NUMBER_INVALID, Scope.RECIPIENT, "not one phone number"))
        sender = self._sender(to[0].address)
        if isinstance(sender, Reason):
            return Rejected(sender)
        if not message.text.strip():
            return Rejected(Reason(ReasonCode.TEMPLATE_ERROR, Scope.MESSAGE, "the text is empty"))
        if len(message.text) > MOST_CHARACTERS:
            detail = f"the service takes {MOST_CHARACTERS:,} characters"
            return Rejected(Reason(ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE, detail))
        fields = {
            "to": to[0].address.removeprefix("+"),
            "from": sender,
            "text": message.text,
            "type": "unicode" if cut(message.text).encoding is Encoding.UCS_2 else "text",
            "client-ref": str(message.key),
        }
        if self._config.callback:
            fields["callback"] = self._config.callback
        return Wire(message.key, to, urlencode(fields, errors="replace").encode())

    def connect(self) -> NexmoConnection | Deferred:
        """See `Channel`. Whether key and secret are right shows with the first message only."""
        line = http_line(self._config, policy=self._policy)
        try:
            line.open()
        except ConnectionFailed as failure:
            return Deferred(failure.reason)
        return NexmoConnection(self._config, line)

    def _sender(self, number: str) -> str | Reason:
        if not self._config.virtual_number and number.startswith(_NORTH_AMERICA):
            detail = "numbers with the prefix +1 need a virtual phone number as the sender"
            return Reason(ReasonCode.VIRTUAL_NUMBER_MISSING, Scope.RECIPIENT, detail)
        return self._config.virtual_number or self._config.sender_name


class NexmoConnection:
    """A `Connection`: one request a message, none of them ever sent twice."""

    def __init__(self, config: NexmoConfig, line: HttpLine) -> None:
        self._config = config
        self._line = line
        self._session = session(line)
        self._url = f"{config.base_url}/sms/json"
        self._finished = False

    @property
    def learned(self) -> tuple[Learned, ...]:
        """See `Connection`: there is nothing to find out."""
        return ()

    def send(self, wires: Iterable[Wire], *, handing_over: HandingOver = unannounced) -> Iterator[tuple[Wire, Result]]:
        """See `Connection`."""
        for wire in wires:
            if self._finished:
                return
            self._finished = True  # unless all goes well
            began = time.monotonic()
            outcome, dialogue = self._announced(wire, handing_over=handing_over)
            self._finished = isinstance(outcome, Unknown) or (
                not isinstance(outcome, Sent) and outcome.reason.scope is Scope.SERVER
            )
            yield wire, Result((outcome,), timedelta(seconds=time.monotonic() - began), dialogue)

    def _announced(self, wire: Wire, *, handing_over: HandingOver) -> tuple[Outcome, str]:
        try:
            self._line.ready()
        except ConnectionFailed as failure:
            return self._not_reached(failure)
        handing_over(wire, (0,))
        return self.submit(wire)

    def submit(self, wire: Wire) -> tuple[Outcome, str]:
        """One request, and what was said where it was not taken; the form is never repeated."""
        request = requests.Request("POST", self._url, data=signed_in(wire.payload, self._config), headers=_FORM)
        try:
            answer = self._session.send(self._session.prepare_request(request), allow_redirects=False)
        except NoAnswer as failure:
            return Unknown(failure.reason), f"POST {self._url}\n{failure.reason.detail}"
        except ConnectionFailed as failure:
            return self._not_reached(failure)
        hidden = (*self._config.secrets, *_private(wire))
        outcome = judge(answer, secrets=hidden)
        return outcome, "" if isinstance(outcome, Sent) else self._dialogue(answer, hidden=hidden)

    def close(self) -> None:
        """See `Connection`."""
        self._finished = True
        self._session.close()

    def _not_reached(self, failure: ConnectionFailed) -> tuple[Outcome, str]:
        return Deferred(failure.reason), f"POST {self._url}\n{failure.reason.detail}"

    def _dialogue(self, answer: requests.Response, *, hidden: Sequence[str]) -> str:
        said = cleaned(answer.text, secrets=hidden)
        return f"POST {self._url}\n{answer.status_code} {answer.reason}\n{said}"[:_MAX_DIALOGUE]


def _private(wire: Wire) -> list[str]:
    """The text, which may hold a secret and which some services repeat; what is too short would be cut out of words."""
    text = dict(parse_qsl(wire.payload.decode(), keep_blank_values=True)).get("text", "")
    return [text] if len(text) >= _SHORTEST_PRIVATE else []


def http_line(config: NexmoConfig, *, policy: Policy) -> HttpLine:
    return HttpLine(config.base_url, timeout=config.timeout, policy=policy, ca_bundle=config.ca_bundle)


def signed_in(payload: bytes, config: NexmoConfig) -> bytes:
    """The form with what signs in: the secret, or a signature of all fields and the time (then never the secret)."""
    if config.signer is None:
        return payload + b"&" + urlencode({"api_key": config.key, "api_secret": config.secret}).encode()
    fields = dict(parse_qsl(payload.decode(), keep_blank_values=True))
    fields |= {"api_key": config.key, "timestamp": str(int(time.time()))}
    return urlencode(fields | {"sig": config.signer.sign(fields)}).encode()
