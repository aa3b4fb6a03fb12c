"""Cuts a stream of HTTP/2 into frames and takes GOAWAY out of it (RFC 9113 4.1, 6.8).

h2's state machine takes GOAWAY for the end of everything and refuses the frames behind it, among them the answers to
the requests that the peer says it has processed.
"""

from __future__ import annotations

from msgspec import Struct

_HEADER = 9
_GOAWAY = 0x7
_LONGEST = 16_384
"""What we allow a peer's frame to have (SETTINGS_MAX_FRAME_SIZE is left at its default)."""


class GoAway(Struct, frozen=True):
    """The peer ends the connection: requests on streams above `last` were certainly not processed."""

    last: int
    code: int
    said: str


class GoAwayTap:
    """What is fed comes out in whole frames, without those of type GOAWAY."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, octets: bytes) -> tuple[bytes, list[GoAway]]:
        """The frames that are whole by now, and the GOAWAYs that were among them."""
        held = self._held
        held += octets
        at = start = 0
        kept: list[bytes] = []
        found: list[GoAway] = []
        while len(held) - at >= _HEADER:
            length = held[at] << 16 | held[at + 1] << 8 | held[at + 2]
            if length > _LONGEST:
                at = len(held)  # h2 refuses it
                break
            end = at + _HEADER + length
            if end > len(held):
                break
            if held[at + 3] == _GOAWAY and length >= 8:
                kept.append(bytes(held[start:at]))
                found.append(_read(bytes(held[at + _HEADER : end])))
                start = end
            at = end
        kept.append(bytes(held[start:at]))
        del held[:at]
        return b"".join(kept), found


def _read(payload: bytes) -> GoAway:
    last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
    return GoAway(last, int.from_bytes(payload[4:8], "big"), payload[8:].decode("utf-8", "replace"))
