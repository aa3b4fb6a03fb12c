"""What an SMTP server is configured with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from transports.net.oauth import TokenSource


class Security(StrEnum):
    """How the connection is secured: not, TLS from the first byte, or STARTTLS, which is then required."""

    NONE = "none"
    SSL = "ssl"
    TLS = "tls"


class Mechanism(StrEnum):
    """SASL mechanisms; AUTO picks the best one that the server offers, and only that one is tried."""

    AUTO = "AUTO"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    CRAM_MD5 = "CRAM-MD5"
    NTLM = "NTLM"
    XOAUTH2 = "XOAUTH2"


class MinimumTls(StrEnum):
    """The oldest TLS version that is accepted; older ones are forbidden by RFC 8996."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class Pipelining(StrEnum):
    """Whether commands go out in groups (RFC 2920): where the server offers it, or never."""

    AUTOMATIC = "auto"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Credentials:
    r"""Who signs in. `username` may be `user`, `user@domain` or, for NTLM, `DOMAIN\user`.

    `token` is an OAuth access token for XOAUTH2, `tokens` where to get one at each sign-in. NTLM is version 2 unless
    `ntlm_v1` is set, which some old servers need and which protects nothing.
    """

    username: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tokens: TokenSource | None = None
    mechanism: Mechanism = Mechanism.AUTO
    ntlm_v1: bool = False


class SmtpConfig(Struct, frozen=True):
    """One SMTP server. `timeout` holds for each command with its reply as a whole.

    `ca_bundle` is PEM text and then replaces the system's authorities. `envelope_sender` and `message_id_domain`
    default to `from_email` and its domain, `ehlo_name` to this machine's full name or address literal.
    `messages_per_connection` 0 means no limit.
    """

    host: str
    from_email: str
    from_name: str = ""
    port: int = 25
    security: Security = Security.NONE
    timeout: timedelta = timedelta(seconds=30)
    credentials: Credentials | None = None
    ca_bundle: str = ""
    minimum_tls: MinimumTls = MinimumTls.TLS_1_2
    verify_certificate: bool = True
    envelope_sender: str = ""
    message_id_domain: str = ""
    ehlo_name: str = ""
    messages_per_connection: int = 0
    pipelining: Pipelining = Pipelining.AUTOMATIC
