"""A simulated FCM on loopback: real HTTP/2, an endpoint for access tokens, a tray, a ledger, faults to order."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from msgspec import Struct

from simulators.faults import Delay, Drop, FaultBook, Page, PushStep, Reply
from simulators.http2 import Answered, Http2Server, Posted, Site
from simulators.mailbox import Ledger
from simulators.tray import Tray

_AUDIENCE = "https://oauth2.googleapis.com/token"
_LIFETIME = 3600
_MOST_FORM = 16_384
_TYPE = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_GENERAL = {
    "UNREGISTERED": "NOT_FOUND",
    "SENDER_ID_MISMATCH": "PERMISSION_DENIED",
    "QUOTA_EXCEEDED": "RESOURCE_EXHAUSTED",
    "THIRD_PARTY_AUTH_ERROR": "UNAUTHENTICATED",
}
_OWN = frozenset({*_GENERAL, "INVALID_ARGUMENT", "UNAVAILABLE", "INTERNAL"})


class FcmAccount(Struct, frozen=True):
    """The project and the service account that may send for it; `public` is the PEM of its key.

    `enabled` is whether the interface is. `dead` are registrations that are gone, `others` those of another project.
    """

    project: str = "demo-project"
    client_email: str = "hub@demo-project.iam.gserviceaccount.com"
    public: str = ""
    enabled: bool = True
    dead: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


class FcmSimulator:
    """Answers on `host`, a loopback address, from `start()` to `stop()`; ports 0 take free ones.

    Making one raises OSError when a port is taken. `account` may be replaced at any time. `token_port` is that of the
    endpoint for access tokens, `tokens` how many of them were given out, `checked` how many pushes only were.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        account: FcmAccount | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token_port: int = 0,
        streams: int = 100,
        clock: float = 0.0,
        latency: float = 0.0,
        tray: Tray | None = None,
        ledger: Path | None = None,
    ) -> None:
        self.account = account or FcmAccount()
        self.tray = tray or Tray()
        self.faults = FaultBook()
        self.checked = 0
        self.clock = clock
        self._ledger = Ledger(ledger) if ledger else None
        self._given: dict[str, float] = {}
        self._lock = threading.Lock()
        site = Site(self.faults, _device, self._take, _refuse, streams=streams, clock=clock, latency=latency)
        self._endpoint = _Endpoint((host, token_port), _TokenHandler)
        self._endpoint.fcm, self._endpoint.tls = self, tls
        self._server = Http2Server(site, tls=tls, host=host, port=port)
        self.port, self.token_port = self._server.port, self._endpoint.server_port
        self._thread = threading.Thread(target=self._endpoint.serve_forever, args=(0.05,), name="fcm", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """How many were ever made, besides those for access tokens."""
        return self._server.connections

    @property
    def tokens(self) -> int:
        return len(self._given)

    def start(self) -> None:
        self._server.start()
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        if self._thread.is_alive():
            self._endpoint.shutdown()
            self._thread.join()
        self._endpoint.server_close()
        if self._ledger:
            self._ledger.close()

    def disconnect(self) -> None:
        """Cut every open connection."""
        self._server.disconnect()

    def go_deaf(self) -> None:
        """The open connections stay, and nothing that comes over them is read any more."""
        self._server.go_deaf()

    def revoke(self) -> None:
        """No access token given out so far is good any more."""
        with self._lock:
            self._given = dict.fromkeys(self._given, 0.0)

    def give_token(self, assertion: str) -> str:
        """Raises jwt.InvalidTokenError."""
        account = self.account
        options: Any = {"verify_iat": False, "verify_exp": False}
        claims = jwt.decode(assertion, account.public, algorithms=["RS256"], audience=_AUDIENCE, options=options)
        now = time.time() + self.clock
        if claims["iss"] != account.client_email:
            raise jwt.InvalidTokenError("unknown account")
        if not claims["iat"] - 60 <= now <= claims["exp"]:
            raise jwt.ExpiredSignatureError
        token = f"ya29.{secrets.token_urlsafe(24)}"
        with self._lock:
            self._given[token] = now + _LIFETIME
        return token

    def _take(self, posted: Posted) -> Answered:
        refusal = self._sign_in(posted)
        if refusal:
            return _refuse(*refusal)
        try:
            asked = json.loads(posted.body)
            message = asked["message"]
            address = message.get("token") or message["fid"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refuse(400, "INVALID_ARGUMENT")
        if address in self.account.dead:
            return _refuse(404, "UNREGISTERED")
        if address in self.account.others:
            return _refuse(403, "SENDER_ID_MISMATCH")
        if asked.get("validate_only"):
            self.checked += 1
            return _taken(self.account.project, "fake_message_id")
        return self._keep(message, address)

    def _keep(self, message: dict[str, Any], address: str) -> Answered:
        shown = message.get("android", {}).get("notification", {})
        notification = message.get("notification", {})
        push = self.tray.add(
            service="fcm",
            token=address,
            title=notification.get("title", ""),
            body=notification.get("body", ""),
            sound=shown.get("sound", ""),
            key=shown.get("tag", ""),
        )
        if self._ledger:
            self._ledger.add(shown.get("tag", ""), recipients=(address,))
        return _taken(self.account.project, f"0:{push.number}")

    def _sign_in(self, posted: Posted) -> tuple[int, str] | None:
        bearer = posted.headers.get("authorization", "").removeprefix("Bearer ")
        if self._given.get(bearer, 0.0) <= time.time() + self.clock:
            return (401, "UNAUTHENTICATED")
        if posted.path != f"/v1/projects/{self.account.project}/messages:send":
            return (403, "PERMISSION_DENIED")
        return None if self.account.enabled else (403, "SERVICE_DISABLED")


def _taken(project: str, name: str) -> Answered:
    body = json.dumps({"name": f"projects/{project}/messages/{name}"}).encode()
    return Answered(200, body, (("content-type", "application/json; charset=UTF-8"),))


def _device(posted: Posted) -> str:
    try:
        message = json.loads(posted.body)["message"]
        return str(message.get("token") or message.get("fid"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _refuse(code: int, text: str) -> Answered:
    """`text` is FCM's own code, a general status, or SERVICE_DISABLED."""
    error: dict[str, Any] = {"code": code, "message": f"Simulated {text}", "status": _GENERAL.get(text, text)}
    if text in _OWN:
        error["details"] = [{"@type": _TYPE, "errorCode": text}]
    elif text == "SERVICE_DISABLED":
        words = "Firebase Cloud Messaging API has not been used in project demo-project before or it is disabled."
        error |= {"message": words, "status": "PERMISSION_DENIED"}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": text}]
    return Answered(code, json.dumps({"error": error}).encode(), (("content-type", "application/json"),))


class _Endpoint(ThreadingHTTPServer):
    daemon_threads = True
    fcm: FcmSimulator
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: the handshake must not hold up others."""
        try:
            with self.tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            return  # the client did not like the certificate

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is nothing to print."""


class _TokenHandler(BaseHTTPRequestHandler):
    server: _Endpoint
    server_version = "fcm"
    sys_version = ""
    timeout = 60

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_FORM:
            self._answer(400, {"error": "invalid_request"})
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        match self.server.fcm.faults.strike(PushStep.TOKEN):
            case Reply(code=code, text=text):
                self._answer(code, {"error": text})
                return
            case Page(text=text):
                self._answer(200, text)
                return
            case Drop():
                return
            case Delay(seconds=seconds):
                time.sleep(seconds)
        try:
            token = self.server.fcm.give_token(form.get("assertion", [""])[0])
        except jwt.ExpiredSignatureError:
            words = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            self._answer(400, {"error": "invalid_grant", "error_description": words})
        except (jwt.InvalidTokenError, KeyError):
            self._answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        else:
            self._answer(200, {"access_token": token, "expires_in": _LIFETIME, "token_type": "Bearer"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay quiet: a form here holds a secret."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.server.fcm.clock)

    def _answer(self, status: int, content: Any) -> None:
        is_text = isinstance(content, str)
        payload = content.encode() if is_text else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_text else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
