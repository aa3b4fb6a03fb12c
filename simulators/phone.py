"""The phones that a simulated SMS service reaches: every text that was taken, as its recipient sees it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from simulators.mailbox import Kept


class Text(Struct, frozen=True):
    """A text that arrived. `parts` is how it was cut, `ids` the service's id of each part; the time is UTC."""

    number: int
    to: str
    sender: str
    text: str
    encoding: str
    parts: tuple[str, ...]
    ids: tuple[str, ...]
    client_ref: str
    received_at: datetime


class Phone(Kept[Text]):
    """All phones in one."""

    def texts(self) -> list[Text]:
        """The kept ones, oldest first."""
        return self.all()

    def add(
        self, *, to: str, sender: str, encoding: str, parts: tuple[str, ...], ids: tuple[str, ...], client_ref: str
    ) -> Text:
        now = datetime.now(UTC)
        whole = "".join(parts)
        return self.keep(
            lambda number: Text(number, to, sender, whole, encoding, parts, ids, client_ref, now), size=len(whole) * 4
        )
