"""From a stored server to the channel that speaks to it."""

from __future__ import annotations

from functools import lru_cache

from servers import kinds
from servers.models import Server
from servers.queries import find
from servers.values import UNKNOWN, Experience
from transports.types import Channel


def build_channel(server: Server, *, experience: Experience = UNKNOWN) -> Channel:
    """The channel of this revision of the server that heeds what it was seen to do.

    Made once a process, for its TLS context is expensive.
    """
    return _built(server.pk, server.revision, experience)


@lru_cache(maxsize=64)
def _built(server_id: int, revision: int, experience: Experience) -> Channel:
    server = find(server_id)
    assert server is not None
    return kinds.of(server).channel(server, experience)


def forget() -> None:
    """Drop the channels made so far, as when the settings or keys they were made with have changed."""
    _built.cache_clear()
