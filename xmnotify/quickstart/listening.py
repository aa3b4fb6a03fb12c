"""Where the web of the quick start listens, and the address under which a browser on this machine opens it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from django.core.exceptions import ImproperlyConfigured
from msgspec import Struct


class Listening(Struct, frozen=True):
    """`address` is an IP address, perhaps the one that stands for all of this machine."""

    address: str
    port: int

    @property
    def host(self) -> str:
        """An address that can be connected to."""
        address = ip_address(self.address)
        if not address.is_unspecified:
            return self.address
        return "127.0.0.1" if address.version == 4 else "::1"

    @property
    def name(self) -> str:
        """The host as it stands in a URL and in a request."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.port}/"


def listening(host: str, *, port: int) -> Listening:
    """Of XMNOTIFY_HOST: an address, or a name that is looked up now, as the web server takes addresses alone.

    Raises ImproperlyConfigured where it is neither.
    """
    try:
        return Listening(str(ip_address(host.strip().removeprefix("[").removesuffix("]"))), port)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ImproperlyConfigured(
            f"XMNOTIFY_HOST is {host!r}, which names no address; write an address of this machine, such as 127.0.0.1."
        ) from None
    known = sorted(found, key=lambda each: each[0] != socket.AF_INET)
    return Listening(str(known[0][4][0]), port)
