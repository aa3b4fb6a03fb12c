"""Access tokens by OAuth 2.0, fetched over a guarded connection: client credentials (RFC 6749 4.4), or a signed
assertion where the secret is the key file of a service account (RFC 7523 2.1, as Google wants it).
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.guard import HTTP_POLICY, ConnectionFailed, Policy
from transports.net.tls import handshake_failure, tls_context
from transports.types import Reason, ReasonCode, Scope

_MAX_ANSWER = 65536
_MAX_DETAIL = 300
_DEFAULT_LIFETIME = timedelta(minutes=5)  # expires_in is only recommended: RFC 6749 5.1
_ASSERTED_FOR = timedelta(hours=1)  # the longest that Google takes
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_WHERE = "token endpoint"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token is asked for with. `url` is https.

    Where the secret is a key file, `client_id` is the service account's mail address and `subject` the mailbox that it
    signs in as.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    lifetime: timedelta


class TokenSource(Protocol):
    """Where a connection gets its access token from."""

    def token(self) -> str:
        """A token that is still good for a while; raises ConnectionFailed with SERVER scope."""
        ...

    def forget(self) -> None:
        """The server refused the token: the next one is a new one."""
        ...


class FreshToken(Struct, frozen=True):
    """A `TokenSource` that fetches each time and keeps nothing."""

    request: TokenRequest
    timeout: timedelta
    policy: Policy = HTTP_POLICY

    def token(self) -> str:
        return fetch(self.request, timeout=self.timeout, policy=self.policy).value

    def forget(self) -> None:
        """There is nothing to forget."""


def fetch(request: TokenRequest, *, timeout: timedelta, policy: Policy = HTTP_POLICY) -> Token:
    """A new token, asked for within `timeout` as a whole; redirects are not followed. Raises ConnectionFailed."""
    deadline, body = Deadline(timeout), _body(request)
    try:
        octets = _ask(request, body=body, deadline=deadline, policy=policy)
    except ConnectionFailed as failure:
        raise _unreachable(failure.reason.detail) from failure
    except OSError as error:
        raise _unreachable("no answer in time" if isinstance(error, TimeoutError) else str(error)) from error
    return _read(octets, request=request)


def _ask(request: TokenRequest, *, body: bytes, deadline: Deadline, policy: Policy) -> bytes:
    parts = urlsplit(request.url)
    host, port = parts.hostname or "", parts.port or 443
    addresses = guard.resolve(host, port=port, policy=policy, deadline=deadline)
    with guard.connect(addresses, port=port, deadline=deadline) as plain:
        plain.settimeout(deadline.remaining())
        try:
            secured = tls_context("", "1.2", verify=True).wrap_socket(plain, server_hostname=host)
        except (OSError, ValueError) as error:
            raise ConnectionFailed(handshake_failure(error)) from error
        with secured:
            secured.sendall(_head(len(body), path=parts.path or "/", query=parts.query, host=parts.netloc) + body)
            return _receive(secured, deadline)


def _body(request: TokenRequest) -> bytes:
    return urlencode(_asserted(request) if is_key_file(request.client_secret) else _credentials(request)).encode()


def _head(length: int, *, path: str, query: str, host: str) -> bytes:
    target = f"{path}?{query}" if query else path
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Accept: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii", "replace")


def _credentials(request: TokenRequest) -> dict[str, str]:
    fields = {
        "grant_type": "client_credentials",
        "client_id": request.client_id,
        "client_secret": request.client_secret,
    }
    return fields | ({"scope": request.scope} if request.scope else {})


def is_key_file(secret: str) -> bool:
    """Whether a secret is meant to be the key file of a service account."""
    return secret.lstrip().startswith("{")


def private_key(key_file: str) -> RSAPrivateKey:
    """The key in the file. Raises ValueError where there is none that signs."""
    try:
        key = load_pem_private_key(json.loads(key_file)["private_key"].encode(), password=None)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no private key") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("no RSA key")  # noqa: TRY004 - it is about what the file says
    return key


def _asserted(request: TokenRequest) -> dict[str, str]:
    """See https://developers.google.com/identity/protocols/oauth2/service-account."""
    now = int(time.time())
    claims = {
        "iss": request.client_id,
        "sub": request.subject,
        "scope": request.scope,
        "aud": request.url,
        "iat": now,
        "exp": now + int(_ASSERTED_FOR.total_seconds()),
    }
    said = b".".join(_part(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    try:
        signature = private_key(request.client_secret).sign(said, PKCS1v15(), hashes.SHA256())
    except ValueError as error:
        reason = Reason(ReasonCode.CONFIGURATION, Scope.SERVER, f"{_WHERE}: the key file can't be read")
        raise ConnectionFailed(reason) from error
    return {"grant_type": _JWT_BEARER, "assertion": b".".join((said, _part(signature))).decode()}


def _part(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


def _receive(connection: socket.socket, deadline: Deadline) -> bytes:
    octets = b""
    while len(octets) < _MAX_ANSWER:
        connection.settimeout(deadline.remaining())
        more = connection.recv(_MAX_ANSWER)
        if not more:
            break
        octets += more
    return octets


class _Received:
    """What http.client reads an answer from, once it is here."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._octets)


def _read(octets: bytes, *, request: TokenRequest) -> Token:
    response = http.client.HTTPResponse(_Received(octets))  # type: ignore[arg-type]
    try:
        response.begin()
        answer = json.loads(response.read())
    except (http.client.HTTPException, ValueError) as error:
        raise _unreachable("the answer can't be read") from error
    if not isinstance(answer, dict):
        raise _unreachable("the answer can't be read")
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    if response.status == 200 and isinstance(value, str) and value.isascii() and value.isprintable() and value:
        lifetime = timedelta(seconds=seconds) if isinstance(seconds, int) and 0 < seconds < 10**8 else _DEFAULT_LIFETIME
        return Token(value, lifetime)
    raise _refused(response.status, answer, request=request)


def _refused(status: int, answer: dict[str, Any], *, request: TokenRequest) -> ConnectionFailed:
    """RFC 6749 5.2: what is wrong stands in `error`."""
    error = str(answer.get("error", ""))
    said = f"{error} {answer.get('error_description', '')}".replace(request.client_secret, "***").split()
    detail = f"{_WHERE}: {' '.join(said)}"[:_MAX_DETAIL]
    if status == 429 or status >= 500:
        code = ReasonCode.AUTH_TEMPORARY
    elif status == 401 or error in {"invalid_client", "unauthorized_client", "access_denied"}:
        code = ReasonCode.CREDENTIALS_REFUSED
    else:
        code = ReasonCode.CONFIGURATION
    return ConnectionFailed(Reason(code, Scope.SERVER, detail, reply=str(status)))


def _unreachable(detail: str) -> ConnectionFailed:
    return ConnectionFailed(Reason(ReasonCode.AUTH_TEMPORARY, Scope.SERVER, f"{_WHERE}: {detail}"))
