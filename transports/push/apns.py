"""Apple's push service (APNs) as a `Channel`: prepares notifications and posts them over one connection a lane."""

from __future__ import annotations

import json
import re
from functools import partial

from transports.net.guard import HTTP_POLICY, Policy
from transports.net.http2 import Answer, Request
from transports.net.oauth import TokenSource
from transports.push import apns_replies
from transports.push.config import LIFETIME, MOST_OCTETS, ApnsConfig
from transports.push.connection import PushConnection, connect
from transports.push.doubts import Doubts
from transports.push.text import sound_file, spoiled
from transports.push.tokens import KeptToken, provider_token
from transports.types import (
    AddressKind,
    Deferred,
    Message,
    Outcome,
    Reason,
    ReasonCode,
    Recipient,
    Rejected,
    Scope,
    Wire,
)

TOKEN = re.compile(r"(?:[0-9A-Fa-f]{2}){8,256}")
_END_OF_HEAD = b"\r\n\r\n"


class ApnsService:
    """See `connection.Service`."""

    def __init__(self, config: ApnsConfig, *, tokens: TokenSource | None) -> None:
        self._config = config
        self.tokens = tokens
        self.doubts = Doubts()
        self.place = f"{config.url}/3/device/***"
        topic = (("apns-topic", config.topic),) if config.topic else ()
        self._fixed = (("apns-push-type", "alert"), ("apns-priority", "10"), *topic)

    def request(self, wire: Wire, *, token: str) -> Request:
        """Source: Apple, "Sending notification requests to APNs"."""
        head, _, body = wire.payload.partition(_END_OF_HEAD)
        key = str(wire.key)
        name, _, value = head.decode().partition(": ")
        signed = (("authorization", f"bearer {token}"),) if token else ()
        own = (("apns-id", key), ("apns-collapse-id", key), (name, value))
        return Request(f"/3/device/{wire.to[0].address}", (*signed, *self._fixed, *own), body)

    def judge(self, answer: Answer, *, token: str) -> Outcome:
        return apns_replies.judge(answer, token=token)

    def is_stale(self, answer: Answer) -> bool:
        return apns_replies.reason_of(answer) == apns_replies.STALE

    def trouble(self, said: str) -> Reason | None:
        return apns_replies.goodbye(said)


class ApnsChannel:
    """A `Channel`. `tokens` are provider tokens, made in this process where nobody keeps them for all."""

    def __init__(self, config: ApnsConfig, *, policy: Policy = HTTP_POLICY, tokens: TokenSource | None = None) -> None:
        self._config, self._policy = config, policy
        if config.key and tokens is None:
            tokens = KeptToken(partial(provider_token, config.key))
        self.service = ApnsService(config, tokens=tokens)

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """See `Channel`. The payload is how long Apple keeps it, as a header, an empty line and the JSON."""
        if len(to) != 1 or to[0].kind is not AddressKind.APNS or not TOKEN.fullmatch(to[0].address):
            return Rejected(Reason(ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT, "not one device token of APNs"))
        alert = {"title": message.subject, "body": message.text} if message.subject else {"body": message.text}
        aps = {"alert": alert} | ({"sound": sound_file(message.sound)} if message.sound else {})
        body = json.dumps({"aps": aps}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if refused := spoiled(message, octets=len(body), most=MOST_OCTETS):
            return refused
        expiration = int((message.date + LIFETIME).timestamp())
        return Wire(message.key, to, f"apns-expiration: {expiration}".encode() + _END_OF_HEAD + body)

    def connect(self) -> PushConnection | Deferred:
        """See `Channel`. Whether the key is right shows with the first push only."""
        return connect(self.service, self._config.line(policy=self._policy))
