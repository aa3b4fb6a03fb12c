"""Access tokens from a token endpoint over TLS, and what is said when there is none."""

from __future__ import annotations

import json
import socket
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.wire.certificates import Authority
from tests.wire.token_endpoint import Endpoint, token_endpoint
from transports.net.guard import HTTP_POLICY, ConnectionFailed, Policy
from transports.net.oauth import TokenRequest, fetch
from transports.net.tls import tls_context
from transports.types import Reason, ReasonCode, Scope

SECRET = "s3cret-of-the-client"
LOOPBACK = Policy(private=True)


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    authority = Authority(tmp_path)
    bundle = tmp_path / "authorities.pem"
    bundle.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    tls_context.cache_clear()
    with token_endpoint(authority.server()) as made:
        yield made
    tls_context.cache_clear()


def request(endpoint: Endpoint) -> TokenRequest:
    return TokenRequest(endpoint.url, "client", SECRET, "https://outlook.office365.com/.default")


def refusal(token_request: TokenRequest, *, policy: Policy = LOOPBACK, seconds: float = 30) -> Reason:
    with pytest.raises(ConnectionFailed) as failed:
        fetch(token_request, timeout=timedelta(seconds=seconds), policy=policy)
    assert failed.value.reason.scope is Scope.SERVER
    assert failed.value.reason.detail.startswith("token endpoint: ")
    assert SECRET not in repr(failed.value.reason)
    return failed.value.reason


def test_a_token_is_asked_for_as_rfc_6749_says(endpoint: Endpoint) -> None:
    token = fetch(request(endpoint), timeout=timedelta(seconds=30), policy=LOOPBACK)
    assert (token.value, token.lifetime) == ("ya29.token", timedelta(hours=1))
    assert endpoint.requests == [
        {
            "grant_type": "client_credentials",
            "client_id": "client",
            "client_secret": SECRET,
            "scope": "https://outlook.office365.com/.default",
        }
    ]


def test_without_a_lifetime_a_token_is_used_for_minutes_only(endpoint: Endpoint) -> None:
    endpoint.answer = {"access_token": "t"}
    assert fetch(request(endpoint), timeout=timedelta(seconds=30), policy=LOOPBACK).lifetime == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (401, {"error": "invalid_client", "error_description": f"AADSTS7000215 {SECRET}"}, "credentials_refused"),
        (400, {"error": "unauthorized_client"}, "credentials_refused"),
        (400, {"error": "invalid_scope"}, "configuration"),
        (503, {"error": "temporarily_unavailable"}, "auth_temporary"),
        (429, {}, "auth_temporary"),
        (200, {"access_token": "a\r\nRSET"}, "configuration"),
        (200, {"access_token": 7}, "configuration"),
        (200, b"<html>", "auth_temporary"),
        (200, b"[]", "auth_temporary"),
        (302, b"", "auth_temporary"),
    ],
)
def test_without_a_token_it_says_why(endpoint: Endpoint, status: int, answer: Any, code: str) -> None:
    endpoint.status, endpoint.answer = status, answer
    assert refusal(request(endpoint)).code == code
    assert len(endpoint.requests) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_secret(endpoint: Endpoint, monkeypatch: Any) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls_context.cache_clear()
    assert refusal(request(endpoint)).code is ReasonCode.AUTH_TEMPORARY
    assert endpoint.requests == []


def test_an_address_inside_is_not_asked_unless_allowed(endpoint: Endpoint) -> None:
    assert "not" in refusal(request(endpoint), policy=HTTP_POLICY).detail
    assert endpoint.requests == []


def test_nothing_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(TokenRequest(f"https://127.0.0.1:{port}/", "c", SECRET)).code is ReasonCode.AUTH_TEMPORARY


def test_a_silent_endpoint_costs_the_time_limit_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        token_request = TokenRequest(f"https://127.0.0.1:{server.getsockname()[1]}/", "c", SECRET)
        assert refusal(token_request, seconds=0.3).code is ReasonCode.AUTH_TEMPORARY


def key_file(key: RSAPrivateKey) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"type": "service_account", "private_key": pem})


def read(part: str) -> Any:
    return json.loads(urlsafe_b64decode(part + "=="))


def test_a_service_account_signs_for_the_mailbox_and_its_key_stays_here(endpoint: Endpoint) -> None:
    key = generate_private_key(65537, 2048)
    asked = TokenRequest(
        endpoint.url, "x@y.iam.gserviceaccount.com", key_file(key), "https://mail.google.com/", "it@example.com"
    )
    assert fetch(asked, timeout=timedelta(seconds=30), policy=LOOPBACK).value == "ya29.token"
    (said,) = endpoint.requests
    assert said.keys() == {"grant_type", "assertion"}
    assert said["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = said["assertion"].split(".")
    assert read(head) == {"alg": "RS256", "typ": "JWT"}
    told = read(claims)
    assert told["exp"] - told["iat"] == 3600
    assert {name: told[name] for name in ("iss", "sub", "scope", "aud")} == {
        "iss": "x@y.iam.gserviceaccount.com",
        "sub": "it@example.com",
        "scope": "https://mail.google.com/",
        "aud": endpoint.url,
    }
    signed = f"{head}.{claims}".encode()
    key.public_key().verify(urlsafe_b64decode(signature + "=="), signed, PKCS1v15(), SHA256())


@pytest.mark.parametrize("secret", ["{", "{}", '{"private_key": "no key"}', '{"private_key": 7}'])
def test_a_key_file_that_can_not_be_read_is_said_and_not_sent(endpoint: Endpoint, secret: str) -> None:
    asked = TokenRequest(endpoint.url, "x@y.iam.gserviceaccount.com", secret)
    with pytest.raises(ConnectionFailed, match="key file can't be read"):
        fetch(asked, timeout=timedelta(seconds=30), policy=LOOPBACK)
    assert endpoint.requests == []
