"""What signs in: APNs' provider tokens, made here, and FCM's access tokens, fetched by google-auth over our guard."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import jwt
from google.auth.exceptions import GoogleAuthError
from google.oauth2.service_account import Credentials

from transports.net.guard import ConnectionFailed, Policy
from transports.net.http_line import HttpLine
from transports.net.oauth import Token
from transports.net.skew import ahead
from transports.push.config import FcmConfig, FileError, ServiceAccount, SigningKey
from transports.types import Reason, ReasonCode, Scope

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
PROVIDER_LIFETIME = timedelta(minutes=50)
"""APNs refuses a token after 60 minutes, and who makes one more often than every 20."""
MARGIN = timedelta(minutes=5)
LEAST_AGE = timedelta(minutes=20)
_MAX_DETAIL = 300
_WHERE = "token endpoint"
_UNREADABLE = "the answer can't be read"
_USUAL_LIFETIME = timedelta(hours=1)


class KeptToken:
    """A `TokenSource` that keeps the token of `make` in this process, until 5 minutes before its end."""

    def __init__(self, make: Callable[[], Token]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._kept: tuple[str, float] | None = None

    def token(self) -> str:
        """See `TokenSource`."""
        with self._lock:
            if self._kept is None or self._kept[1] <= time.monotonic():
                made = self._make()
                self._kept = (made.value, time.monotonic() + (made.lifetime - MARGIN).total_seconds())
            return self._kept[0]

    def forget(self) -> None:
        """See `TokenSource`."""
        with self._lock:
            self._kept = None


def provider_token(key: SigningKey) -> Token:
    """A JWT as APNs wants it (Apple, "Establishing a token-based connection to APNs"). Raises ConnectionFailed."""
    try:
        private = key.private_key()
    except FileError as error:
        raise ConnectionFailed(Reason(ReasonCode.CONFIGURATION, Scope.SERVER, error.cause)) from error
    claims = {"iss": key.team_id, "iat": int(time.time())}
    return Token(jwt.encode(claims, private, algorithm="ES256", headers={"kid": key.key_id}), PROVIDER_LIFETIME)


def until_next(token: str) -> timedelta:
    """How long until APNs takes a newer provider token than this one, at least a minute."""
    try:
        made_at = int(jwt.decode(token, options={"verify_signature": False})["iat"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        return LEAST_AGE
    return max(timedelta(seconds=made_at - time.time()) + LEAST_AGE, timedelta(minutes=1))


def access_token(account: ServiceAccount, config: FcmConfig, *, policy: Policy) -> Token:
    """An access token for FCM, asked for once and within the timeout. Raises ConnectionFailed."""
    made: Any = Credentials
    credentials = made.from_service_account_info(json.loads(account.info), scopes=[SCOPE])
    asked = _Endpoint(config, policy=policy)
    try:
        credentials.refresh(asked)
    except GoogleAuthError as error:
        raise _failed(ReasonCode.AUTH_TEMPORARY, _UNREADABLE) from error
    return Token(credentials.token, asked.lifetime)


class _Answered:
    """google.auth.transport.Response."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status, self.headers, self.data = status, headers, data


class _Endpoint:
    """google.auth.transport.Request over our own line: what is refused is raised here, so google-auth repeats nothing.

    `lifetime` is that of the token which came.
    """

    def __init__(self, config: FcmConfig, *, policy: Policy) -> None:
        self._config, self._policy = config, policy
        self.lifetime = _USUAL_LIFETIME

    def __call__(
        self, url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **_kwargs: Any
    ) -> _Answered:
        line = HttpLine(url, timeout=self._config.timeout, policy=self._policy, ca_bundle=self._config.ca_bundle)
        parts = urlsplit(url)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            answer = line.ask(method, target, body=body, headers=headers)
        except ConnectionFailed as failure:
            raise _failed(failure.reason.code, failure.reason.detail) from failure
        finally:
            line.close()
        if answer.status_code != 200:
            raise self._refusal(answer.status_code, answer.content, date=answer.headers.get("Date", ""))
        self.lifetime = _lifetime(answer.content)
        return _Answered(answer.status_code, answer.headers, answer.content)

    def _refusal(self, status: int, content: bytes, *, date: str) -> ConnectionFailed:
        """RFC 6749 5.2: what is wrong stands in `error`."""
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status == 429 or status >= 500:
            return _failed(ReasonCode.AUTH_TEMPORARY, "it does not answer requests now", reply=str(status))
        if not isinstance(answer, dict) or "error" not in answer:
            return _failed(ReasonCode.PROTOCOL_ERROR, "what answers is no token endpoint", reply=str(status))
        said = f"{answer.get('error')} {answer.get('error_description', '')}".strip()
        apart = round(abs(ahead(date)).total_seconds())
        if answer["error"] == "invalid_grant" and apart > 60:
            said = f"{said} (clocks {apart} s apart)"
        return _failed(ReasonCode.CREDENTIALS_REFUSED, said, reply=str(status))


def _lifetime(content: bytes) -> timedelta:
    """Of the token in an answer; raises ConnectionFailed where there is none, which google-auth would stumble over."""
    try:
        answer = json.loads(content)
        value, seconds = answer["access_token"], answer.get("expires_in")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _failed(ReasonCode.AUTH_TEMPORARY, _UNREADABLE) from error
    if not (isinstance(value, str) and value and value.isascii() and value.isprintable()):
        raise _failed(ReasonCode.AUTH_TEMPORARY, _UNREADABLE)
    if isinstance(seconds, int) and 0 < seconds < 10**6:
        return timedelta(seconds=seconds)
    return _USUAL_LIFETIME


def _failed(code: ReasonCode, detail: str, *, reply: str = "") -> ConnectionFailed:
    return ConnectionFailed(Reason(code, Scope.SERVER, f"{_WHERE}: {' '.join(detail.split())}"[:_MAX_DETAIL], reply))
