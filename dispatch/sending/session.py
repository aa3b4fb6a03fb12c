"""The connection of a drain: opened when it is wanted, with what earlier ones found out of the server."""

from __future__ import annotations

import logging
from datetime import datetime

from msgspec import Struct, field

from dispatch.outbox import trouble
from dispatch.rules.clock import Clock
from servers import factory
from servers.models import Server
from servers.values import Experience
from transports.types import Channel, Connection, Deferred, Learned, LearnedKind

logger = logging.getLogger(__name__)


class Session(Struct):
    """`known` is what was known of the server when the drain began, `learned` what its connections found out."""

    server: Server
    channel: Channel
    known: Experience
    connection: Connection | None = None
    learned: set[Learned] = field(default_factory=set)

    def open(self, *, clock: Clock) -> Deferred | None:
        """None where there is a connection now, else why there is none."""
        opened = self.channel.connect()
        if isinstance(opened, Deferred):
            return opened
        self.connection = opened
        if self.server.signs_in:
            trouble.signed_in(self.server.pk, now=clock.now())
        return None

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def learn(self, *, now: datetime) -> None:
        """Keep what the connection found out of its server, for all lanes and for the next connection of this one."""
        found = self.connection.learned if self.connection else ()
        new = [each for each in found if each not in self.learned]
        if not new:
            return
        for each in new:
            trouble.learn(self.server.pk, each, now=now)
            logger.warning("server.learned server=%s kind=%s value=%d", self.server.pk, each.kind.value, each.value)
        self.learned.update(new)
        limits = [each.value for each in self.learned if each.kind is LearnedKind.SESSION_LIMIT]
        single = any(each.kind is LearnedKind.NO_PIPELINING for each in self.learned)
        heeded = Experience(min(limits, default=self.known.session_limit), single or self.known.no_pipelining)
        self.channel = factory.build_channel(self.server, experience=heeded)
