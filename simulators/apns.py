"""A simulated APNs on loopback: real HTTP/2, provider tokens or certificates, a tray, a ledger, faults to order."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from msgspec import Struct, field

from simulators.faults import FaultBook
from simulators.http2 import Answered, Http2Server, Posted, Site
from simulators.mailbox import Ledger
from simulators.tray import Tray

_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){8,256}")
_MOST_OCTETS = 4096
_MOST_AGE = 3600


class AppleKey(Struct, frozen=True):
    """A key that Apple knows; `public` is PEM. An `environment` and `topics`, where given, limit it to these."""

    team_id: str
    public: str
    environment: str = ""
    topics: tuple[str, ...] = ()


class ApnsAccount(Struct, frozen=True):
    """`certificates` are common names with the topic of each. `dead` are tokens with since when, in milliseconds.

    `strangers` are tokens of the other environment, `others` those of another app.
    """

    keys: Mapping[str, AppleKey] = field(default_factory=dict)
    topics: tuple[str, ...] = ("com.example.hub",)
    environment: str = "production"
    certificates: Mapping[str, str] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


class ApnsSimulator:
    """Answers on `host`, a loopback address, from `start()` to `stop()`; port 0 takes a free one.

    Making one raises OSError when the port is taken. `account` may be replaced at any time. `provider_tokens` are all
    that ever came. One stream at a time until the first push was taken, as the service does.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        account: ApnsAccount | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        streams: int = 1000,
        clock: float = 0.0,
        latency: float = 0.0,
        tray: Tray | None = None,
        ledger: Path | None = None,
    ) -> None:
        self.account = account or ApnsAccount()
        self.tray = tray or Tray()
        self.faults = FaultBook()
        self.provider_tokens: set[str] = set()
        self._clock = clock
        self._ledger = Ledger(ledger) if ledger else None
        self._known: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        site = Site(self.faults, _device, self._take, _refuse, streams=streams, shy=True, clock=clock, latency=latency)
        self._server = Http2Server(site, tls=tls, host=host, port=port)
        self.port = self._server.port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """How many were ever made."""
        return self._server.connections

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        if self._ledger:
            self._ledger.close()

    def disconnect(self) -> None:
        """Cut every open connection."""
        self._server.disconnect()

    def go_deaf(self) -> None:
        """The open connections stay, and nothing that comes over them is read any more."""
        self._server.go_deaf()

    def _take(self, posted: Posted) -> Answered:
        refusal = self._sign_in(posted) or self._device(posted)
        if refusal:
            return _refuse(*refusal)
        try:
            aps = json.loads(posted.body)["aps"]
        except (ValueError, KeyError, TypeError):
            return _refuse(400, "PayloadEmpty")
        if len(posted.body) > _MOST_OCTETS:
            return _refuse(413, "PayloadTooLarge")
        return self._keep(posted, aps)

    def _keep(self, posted: Posted, aps: dict[str, Any]) -> Answered:
        alert = aps.get("alert", "")
        alert = alert if isinstance(alert, dict) else {"body": alert}
        key = posted.headers.get("apns-id", "") or str(uuid.uuid4())
        self.tray.add(
            service="apns",
            token=_device(posted),
            title=alert.get("title", ""),
            body=alert.get("body", ""),
            sound=aps.get("sound", ""),
            key=posted.headers.get("apns-collapse-id", ""),
        )
        if self._ledger:
            self._ledger.add(key, recipients=(_device(posted),))
        return Answered(200, headers=(("apns-id", key),))

    def _sign_in(self, posted: Posted) -> tuple[int, str] | None:
        """Why the key, the certificate or the topic is refused."""
        account = self.account
        topic = posted.headers.get("apns-topic", "")
        if posted.certificate:
            allowed = account.certificates.get(posted.certificate)
            return (403, "BadCertificate") if allowed is None else None
        bearer = posted.headers.get("authorization", "")
        if not bearer.startswith("bearer "):
            return (403, "MissingProviderToken")
        refusal = self._verified(bearer.removeprefix("bearer "))
        if refusal:
            return (403, refusal)
        key = account.keys[jwt.get_unverified_header(bearer.removeprefix("bearer "))["kid"]]
        if key.environment and key.environment != account.environment:
            return (403, "BadEnvironmentKeyInToken")
        if not topic:
            return (400, "MissingTopic")
        return None if topic in account.topics and topic in (key.topics or account.topics) else (400, "TopicDisallowed")

    def _verified(self, token: str) -> str:
        """Each token is looked at once; its age each time."""
        with self._lock:
            self.provider_tokens.add(token)
            if token not in self._known:
                self._known[token] = self._signature(token)
            refusal, made_at = self._known[token]
        if refusal:
            return refusal
        now = time.time() + self._clock
        return "" if -_MOST_AGE < now - made_at < _MOST_AGE else "ExpiredProviderToken"

    def _signature(self, token: str) -> tuple[str, int]:
        """Why it is refused, and when it was made."""
        try:
            key = self.account.keys[jwt.get_unverified_header(token)["kid"]]
            options: Any = {"verify_iat": False}
            claims = jwt.decode(token, key.public, algorithms=["ES256"], options=options)
        except (jwt.InvalidTokenError, KeyError):
            return "InvalidProviderToken", 0
        made_at = int(claims.get("iat", 0))
        return ("" if claims.get("iss") == key.team_id else "InvalidProviderToken"), made_at

    def _device(self, posted: Posted) -> tuple[int, str] | None:
        account, token = self.account, _device(posted)
        if not posted.path.startswith("/3/device/"):
            return (404, "BadPath")
        if not _TOKEN.fullmatch(token) or token in account.strangers:
            return (400, "BadDeviceToken")
        if token in account.others:
            return (400, "DeviceTokenNotForTopic")
        return (410, f"Unregistered {account.dead[token]}") if token in account.dead else None


def _device(posted: Posted) -> str:
    return posted.path.rpartition("/")[2]


def _refuse(code: int, text: str) -> Answered:
    """`text` is the reason, with 410 and a timestamp in milliseconds behind it."""
    reason, _, timestamp = text.partition(" ")
    said: dict[str, Any] = {"reason": reason} | ({"timestamp": int(timestamp)} if timestamp.isdecimal() else {})
    return Answered(code, json.dumps(said).encode(), (("content-type", "application/json"),))
