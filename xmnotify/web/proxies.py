"""Whose word on address, scheme and host of a client counts: that of trusted proxies. From others it is dropped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from console.kit.registry import Finding, Level

FOR, PROTO, HOST = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"
_SAID = (FOR, PROTO, HOST, "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP", "HTTP_FORWARDED")
_SHOWN_FOR = 3600.0
Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
logger = logging.getLogger(__name__)


def settle(environ: MutableMapping[str, Any], *, trusted: Networks) -> bool:
    """Make REMOTE_ADDR the rightmost address that is no trusted proxy, and keep what the nearest proxy says of scheme
    and host. Returns False where a peer that is not trusted said something of the kind, which is dropped.
    """
    said = [name for name in _SAID if name in environ]
    peer = _address(str(environ.get("REMOTE_ADDR", "")))
    if peer is None or not _is_in(peer, trusted):
        for name in said:
            del environ[name]
        return not said
    environ["REMOTE_ADDR"] = str(_client(peer, str(environ.get(FOR, "")), trusted=trusted))
    for name in (PROTO, HOST):
        if name in environ:
            environ[name] = str(environ[name]).rpartition(",")[2].strip()
    return True


class ProxyMiddleware:
    """To be the first of all: whoever comes later sees the client as it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settle(request.META, trusted=settings.XMNOTIFY_TRUSTED_PROXIES):
            _doubted.note(str(request.META.get("REMOTE_ADDR", "")))
        return self._get_response(request)


class _Doubted:
    """The last peer of this process whose headers were dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.peer, self.at = "", 0.0

    def note(self, peer: str) -> None:
        with self._lock:
            is_news = not self.is_recent()
            self.peer, self.at = peer, time.monotonic()
        if is_news:
            logger.warning("proxy.not_trusted peer=%s, whose X-Forwarded headers do not count", peer[:45])

    def is_recent(self) -> bool:
        return bool(self.peer) and time.monotonic() - self.at < _SHOWN_FOR

    def forget(self) -> None:
        self.peer = ""


_doubted = _Doubted()


def health() -> list[Finding]:
    if not _doubted.is_recent():
        return []
    words = _(
        "%s sends X-Forwarded headers, which do not count, since XMNOTIFY_TRUSTED_PROXIES does not have it. "
        "If it is your proxy, add its network there: until then all its clients seem to have its address."
    )
    return [Finding(_("Proxy"), words % _doubted.peer, Level.WARNING)]


def _client(peer: Address, said: str, *, trusted: Networks) -> Address:
    found = peer
    for word in reversed([part.strip() for part in said.split(",") if part.strip()]):
        address = _address(word)
        if address is None:
            break
        found = address
        if not _is_in(address, trusted):
            break
    return found


def _address(word: str) -> Address | None:
    """With or without a port, as some proxies write it; IPv4 in IPv6 is IPv4."""
    bare = word[1:].partition("]")[0] if word.startswith("[") else word
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _is_in(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
