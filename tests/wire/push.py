"""What the tests of both push transports share: keys, simulators with certificates, configurations, messages."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from simulators.apns import ApnsAccount, ApnsSimulator, AppleKey
from simulators.fcm import FcmAccount, FcmSimulator
from tests.wire.certificates import Authority
from transports.net.guard import Policy
from transports.push.apns import ApnsChannel
from transports.push.config import ApnsConfig, FcmConfig, SigningKey
from transports.push.fcm import FcmChannel
from transports.types import (
    AddressKind,
    Channel,
    Connection,
    Deferred,
    Message,
    Outcome,
    Recipient,
    Result,
    Wire,
)

LOOPBACK = Policy(private=True)
TOPIC = "com.example.hub"
KEY_ID, TEAM_ID = "ABC123DEFG", "TEAM123456"
PROJECT, CLIENT = "demo-project", "hub@demo-project.iam.gserviceaccount.com"


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def apple_pem() -> tuple[str, str]:
    """A key for APNs and its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _private(key), _public(key)


@cache
def google_pem() -> tuple[str, str]:
    """A service account's key and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _private(key), _public(key)


def signing_key(**fields: Any) -> SigningKey:
    return SigningKey(**{"key_id": KEY_ID, "team_id": TEAM_ID, "pem": apple_pem()[0]} | fields)


def apns_account(*, key: dict[str, Any] | None = None, **fields: Any) -> ApnsAccount:
    return ApnsAccount(keys={KEY_ID: AppleKey(TEAM_ID, apple_pem()[1], **(key or {}))}, **fields)


def fcm_account(**fields: Any) -> FcmAccount:
    return FcmAccount(**{"project": PROJECT, "client_email": CLIENT, "public": google_pem()[1]} | fields)


def key_file(token_uri: str, **fields: Any) -> str:
    info: dict[str, Any] = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": google_pem()[0],
        "client_email": CLIENT,
        "token_uri": token_uri,
    }
    return json.dumps(info | fields)


def apns(tls: ssl.SSLContext, **fields: Any) -> ApnsSimulator:
    usual: dict[str, Any] = {"account": apns_account()}
    return ApnsSimulator(tls=tls, **usual | fields)


def fcm(tls: ssl.SSLContext, **fields: Any) -> FcmSimulator:
    usual: dict[str, Any] = {"account": fcm_account()}
    return FcmSimulator(tls=tls, **usual | fields)


def apns_config(port: int, *, authority: Authority, **fields: Any) -> ApnsConfig:
    usual: dict[str, Any] = {
        "topic": TOPIC,
        "key": signing_key(),
        "base_url": f"https://localhost:{port}",
        "timeout": timedelta(seconds=30),
        "ca_bundle": authority.pem,
    }
    return ApnsConfig(**usual | fields)


def apns_channel(port: int, *, authority: Authority, **fields: Any) -> ApnsChannel:
    return ApnsChannel(apns_config(port, authority=authority, **fields), policy=LOOPBACK)


def fcm_config(simulator: FcmSimulator, *, authority: Authority, **fields: Any) -> FcmConfig:
    usual: dict[str, Any] = {
        "key_file": key_file(f"https://localhost:{simulator.token_port}/token"),
        "base_url": f"https://localhost:{simulator.port}",
        "timeout": timedelta(seconds=30),
        "ca_bundle": authority.pem,
    }
    return FcmConfig(**usual | fields)


def fcm_channel(simulator: FcmSimulator, *, authority: Authority, **fields: Any) -> FcmChannel:
    return FcmChannel(fcm_config(simulator, authority=authority, **fields), policy=LOOPBACK)


def iphone(number: int) -> Recipient:
    return Recipient(AddressKind.APNS, f"{number:064x}")


def android(number: int) -> Recipient:
    return Recipient(AddressKind.FCM, f"registration{number:06}:APA91b")


def message(text: str = "It works.", *, number: int = 1, sound: str = "") -> Message:
    return Message(UUID(int=number), "", text, datetime(2026, 11, 22, tzinfo=UTC), sound=sound)


def wires(channel: Channel, recipients: Iterable[Recipient]) -> list[Wire]:
    made = [channel.prepare(message(number=number), (to,)) for number, to in enumerate(recipients, 1)]
    found = [wire for wire in made if isinstance(wire, Wire)]
    assert len(found) == len(made), made
    return found


def connect(channel: Channel) -> Connection:
    connection = channel.connect()
    assert not isinstance(connection, Deferred), connection
    return connection


def send(connection: Connection, prepared: Sequence[Wire]) -> dict[str, Outcome]:
    """What became of each, by address."""
    return {to: outcome for to, outcome, _ in told(connection.send(prepared))}


def exchange(channel: Channel, recipients: Iterable[Recipient]) -> dict[str, Outcome]:
    """What became of one push to each, over a connection that is closed then."""
    connection = connect(channel)
    try:
        return send(connection, wires(channel, recipients))
    finally:
        connection.close()


def told(pairs: Iterable[tuple[Wire, Result]]) -> list[tuple[str, Outcome, Result]]:
    return [(wire.to[0].address, result.outcomes[0], result) for wire, result in pairs]
