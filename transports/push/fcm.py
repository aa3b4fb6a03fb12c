"""Google's push service (FCM, HTTP v1) as a `Channel`: prepares notifications, posts them over a connection a lane."""

from __future__ import annotations

import json
import re
from functools import partial

from transports.net.guard import HTTP_POLICY, Policy
from transports.net.http2 import Answer, Request
from transports.net.oauth import TokenSource
from transports.push import fcm_replies
from transports.push.config import LIFETIME, MOST_OCTETS, FcmConfig
from transports.push.connection import PushConnection, connect
from transports.push.doubts import Doubts
from transports.push.text import sound_file, spoiled
from transports.push.tokens import KeptToken, access_token
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

ADDRESS = re.compile(r"[\w:.-]{16,4096}", re.ASCII)
_INSTALLATION = re.compile(r"[cdef][\w-]{21}", re.ASCII)
"""A Firebase installation ID: 17 octets in base64url that begin with the bits 0111. Registration tokens are longer."""


class FcmService:
    """See `connection.Service`."""

    def __init__(self, config: FcmConfig, *, project: str, tokens: TokenSource) -> None:
        self.tokens: TokenSource = tokens
        self.doubts = Doubts()
        self._path = f"/v1/projects/{project}/messages:send"
        self.place = f"{config.url}{self._path}"

    def request(self, wire: Wire, *, token: str) -> Request:
        headers = (("authorization", f"Bearer {token}"), ("content-type", "application/json; charset=utf-8"))
        return Request(self._path, headers, wire.payload)

    def judge(self, answer: Answer, *, token: str) -> Outcome:
        return fcm_replies.judge(answer)

    def is_stale(self, answer: Answer) -> bool:
        return fcm_replies.is_stale(answer)

    def trouble(self, said: str) -> Reason | None:
        return None


class FcmChannel:
    """A `Channel`. `tokens` are access tokens, fetched for this process where nobody keeps them for all.

    Raises FileError for a key file of no use.
    """

    def __init__(self, config: FcmConfig, *, policy: Policy = HTTP_POLICY, tokens: TokenSource | None = None) -> None:
        self._config, self._policy = config, policy
        account = config.account
        tokens = tokens or KeptToken(partial(access_token, account, config, policy=policy))
        self.service = FcmService(config, project=account.project, tokens=tokens)

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """See `Channel`. The payload is the JSON that is posted."""
        if len(to) != 1 or to[0].kind is not AddressKind.FCM or not ADDRESS.fullmatch(to[0].address):
            return Rejected(Reason(ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT, "not one registration of FCM"))
        content = _content(message)
        octets = len(_encoded(content))
        if refused := spoiled(message, octets=octets, most=MOST_OCTETS):
            return refused
        address = to[0].address
        named = {"fid" if _INSTALLATION.fullmatch(address) else "token": address}
        return Wire(message.key, to, _encoded({"message": named | content}))

    def connect(self) -> PushConnection | Deferred:
        """See `Channel`. Whether the account may send shows with the first push only."""
        return connect(self.service, self._config.line(policy=self._policy))


def dry(wire: Wire) -> Wire:
    """The same, to be checked by FCM and not sent."""
    payload = _encoded({"validate_only": True} | json.loads(wire.payload))
    return Wire(wire.key, wire.to, payload)


def _content(message: Message) -> dict[str, object]:
    """Without whom it is for. The tag makes a push that comes twice replace itself on the phone.

    There is no collapse key: of those FCM keeps four for a phone that is off, and drops other pushes.
    """
    notification = {"title": message.subject, "body": message.text} if message.subject else {"body": message.text}
    shown = {"tag": str(message.key)} | ({"sound": sound_file(message.sound)} if message.sound else {})
    android = {"priority": "HIGH", "ttl": f"{int(LIFETIME.total_seconds())}s", "notification": shown}
    return {"notification": notification, "android": android}


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
