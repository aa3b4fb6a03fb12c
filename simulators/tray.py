"""The trays of the phones that simulated push services reach: every push that was taken, as its phone has it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from simulators.mailbox import Kept


class Push(Struct, frozen=True):
    """A push that arrived. `service` is "apns" or "fcm", `key` what makes a later push replace it; the time is UTC."""

    number: int
    service: str
    token: str
    title: str
    body: str
    sound: str
    key: str
    received_at: datetime


class Tray(Kept[Push]):
    """The trays of all phones in one."""

    def pushes(self) -> list[Push]:
        """The kept ones, oldest first."""
        return self.all()

    def shown(self, token: str) -> list[Push]:
        """What one phone shows: of pushes with the same key the newest."""
        own = {push.key or str(push.number): push for push in self.all() if push.token == token}
        return sorted(own.values(), key=lambda push: push.number)

    def add(self, *, service: str, token: str, title: str, body: str, sound: str, key: str) -> Push:
        now = datetime.now(UTC)
        return self.keep(
            lambda number: Push(number, service, token, title, body, sound, key, now), size=len(body) * 4 + 4096
        )
