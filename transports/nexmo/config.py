"""What an SMS gateway of Nexmo (today Vonage) is configured with, and how requests to it and from it are signed."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

OFFICIAL_HOST = "rest.nexmo.com"


class SignatureMethod(StrEnum):
    """HMAC by the hash of this name; the service also knows MD5 and SHA-1, which are too weak."""

    SHA256 = "sha256"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs parameters as the service documents it, and checks its signatures."""

    secret: str = field(repr=False)
    method: SignatureMethod = SignatureMethod.SHA256

    def sign(self, parameters: Mapping[str, str]) -> str:
        """In hexadecimal: over `&name=value` of all but `sig`, sorted by name, `&` and `=` in values replaced by `_`.

        Source: developer.vonage.com, "Signing messages".
        """
        joined = "".join(
            f"&{name}={parameters[name].replace('&', '_').replace('=', '_')}"
            for name in sorted(parameters)
            if name != "sig"
        )
        return hmac.new(self.secret.encode(), joined.encode("utf-8", "replace"), self.method.value).hexdigest()

    def has_signed(self, parameters: Mapping[str, str]) -> bool:
        """Whether `sig` is the signature of the others, in either case of its letters; compared in constant time."""
        given = parameters.get("sig", "").lower().encode("utf-8", "replace")
        return hmac.compare_digest(given, self.sign(parameters).encode())


@dataclass(frozen=True, slots=True)
class NexmoConfig:
    """One gateway. `base_url` has no path at its end; `timeout` holds for each request with its answer as a whole.

    With a `signer` requests are signed and the secret is not sent. `callback` is where receipts are asked for, empty
    for the address that the account is set to. `ca_bundle` is PEM text and then replaces the system's authorities.
    """

    key: str
    secret: str = field(repr=False)
    base_url: str = f"https://{OFFICIAL_HOST}"
    virtual_number: str = ""
    sender_name: str = "xmnotify"
    signer: Signer | None = None
    callback: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=30)
    ca_bundle: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated to anybody."""
        return tuple(word for word in (self.secret, self.signer and self.signer.secret, self.callback) if word)
