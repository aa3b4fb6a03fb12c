"""What APNs and FCM are configured with, read from the files that Apple and Google give out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from transports.marks import gettext_noop as _
from transports.net.guard import Policy
from transports.net.http2 import Http2Line

LIFETIME = timedelta(days=3)
"""How long the services keep a push for a phone that is off; as long as a delivery waits by default."""
MOST_OCTETS = 4096
"""What both services take as payload."""
FCM_HOST = "fcm.googleapis.com"
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_LEGACY_KEY = re.compile(r"AAAA[\w-]{7}:[\w-]{100,}|AIza[\w-]{35}")


class Environment(StrEnum):
    """APNs has two worlds; a device's token is good in one of them."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


_APNS_HOSTS = {Environment.PRODUCTION: "api.push.apple.com", Environment.SANDBOX: "api.sandbox.push.apple.com"}


class FileError(ValueError):
    """A file that was given is not what is needed. `cause` and `hint` say so in plain words."""

    def __init__(self, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.cause, self.hint = cause, hint


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An APNs authentication key: `pem` is the text of the .p8 file."""

    key_id: str
    team_id: str
    pem: str = field(repr=False)

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """Raises FileError."""
        hint = _("Choose the AuthKey_….p8 file that Apple gave out for this key ID.")
        try:
            found = load_pem_private_key(self.pem.strip().encode(), None)
        except (ValueError, TypeError) as error:
            raise FileError(_("This is not the key file."), hint) from error
        if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != "secp256r1":
            raise FileError(_("This key is of another kind: APNs signs with ES256 (P-256)."), hint)
        return found


@dataclass(frozen=True, slots=True)
class ApnsConfig:
    """APNs for one app. Signs in by `key`, else by `certificate` (PEM text with its key).

    `topic` is the app's bundle ID. `base_url` (https) is for a stand-in, "" for Apple's host of the `environment`.
    `timeout` holds for each request with its answer. `ca_bundle` is PEM text and replaces the system's authorities.
    """

    topic: str
    key: SigningKey | None = None
    certificate: str = field(default="", repr=False)
    environment: Environment = Environment.PRODUCTION
    base_url: str = ""
    timeout: timedelta = timedelta(seconds=30)
    ca_bundle: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return self.base_url.rstrip("/") or f"https://{_APNS_HOSTS[self.environment]}"

    def line(self, *, policy: Policy) -> Http2Line:
        certificate = "" if self.key else self.certificate
        return _line(self.url, self.timeout, self.ca_bundle, policy, certificate=certificate)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Google's key file, which says for which project it is."""

    project: str
    client_email: str
    token_uri: str
    info: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FcmConfig:
    """FCM of the project of `key_file`, a service account's JSON file.

    `base_url` (https) is for a stand-in, "" for Google's own; else as `ApnsConfig`.
    """

    key_file: str = field(repr=False)
    base_url: str = ""
    timeout: timedelta = timedelta(seconds=30)
    ca_bundle: str = field(default="", repr=False)

    @property
    def account(self) -> ServiceAccount:
        """Raises FileError."""
        return read_account(self.key_file)

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return self.base_url.rstrip("/") or f"https://{FCM_HOST}"

    def line(self, *, policy: Policy) -> Http2Line:
        return _line(self.url, self.timeout, self.ca_bundle, policy)


def read_account(text: str) -> ServiceAccount:
    """The service account in a JSON key file; raises FileError."""
    hint = _("In the Firebase console: Project settings > Service accounts > Generate new private key.")
    if _LEGACY_KEY.search(text):
        raise FileError(_("This is a server key or API key, which FCM no longer takes."), hint)
    try:
        info = json.loads(text)
    except ValueError as error:
        raise FileError(_("This is not a service account file: it is no JSON."), hint) from error
    if not isinstance(info, dict) or info.get("type") != "service_account":
        cause = _("This JSON file is of another kind: a service account file has the type service_account.")
        raise FileError(cause, hint)
    return _account(info, hint=hint)


def _account(info: dict[str, Any], *, hint: str) -> ServiceAccount:
    given = {name: info.get(name) for name in ("project_id", "client_email", "private_key")}
    if not all(isinstance(value, str) and value for value in given.values()):
        raise FileError(_("The service account file is not whole: project, address or key is missing."), hint)
    token_uri = info.get("token_uri") or _TOKEN_URI
    if not isinstance(token_uri, str) or urlsplit(token_uri).scheme != "https":
        raise FileError(_("The service account file names a token address without https."), hint)
    try:
        key = load_pem_private_key(str(given["private_key"]).encode(), None)
    except (ValueError, TypeError) as error:
        raise FileError(_("The private key in the service account file can't be read."), hint) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise FileError(_("The private key in the service account file can't be read."), hint)
    return ServiceAccount(str(given["project_id"]), str(given["client_email"]), token_uri, json.dumps(info))


def _line(url: str, timeout: timedelta, ca_bundle: str, policy: Policy, *, certificate: str = "") -> Http2Line:
    parts = urlsplit(url)
    return Http2Line(
        parts.hostname or "",
        port=parts.port or 443,
        timeout=timeout,
        policy=policy,
        ca_bundle=ca_bundle,
        certificate=certificate,
    )
