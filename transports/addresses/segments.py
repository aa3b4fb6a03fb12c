"""How many SMS a text takes: GSM 7-bit or UCS-2, and where it is cut; pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

# 3GPP TS 23.038, section 6.2.1: the default alphabet, and the characters that need an escape and so two septets.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")


class Encoding(StrEnum):
    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


# Units that fit into a message alone, and into each of several (the rest is the header that joins them).
_ROOM = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}


class Segments(Struct, frozen=True):
    """A text as it is cut: `units` are septets or 16-bit units, `left` how many still fit into the last part."""

    encoding: Encoding
    units: int
    parts: tuple[str, ...]
    left: int

    @property
    def count(self) -> int:
        return len(self.parts)


def cut(text: str) -> Segments:
    """Cut a text into SMS; no escaped character and no surrogate pair is torn apart. An empty text has no part."""
    encoding = Encoding.GSM_7 if set(text) <= _BASIC | _EXTENDED else Encoding.UCS_2
    wide = (
        _EXTENDED if encoding is Encoding.GSM_7 else frozenset(character for character in text if character > "\uffff")
    )
    units = len(text) + sum(character in wide for character in text)
    alone, joined = _ROOM[encoding]
    if units <= alone:
        return Segments(encoding, units, (text,) if text else (), left=alone - units)
    parts, used = _cut(text, wide=wide, room=joined)
    return Segments(encoding, units, parts, left=joined - used)


def _cut(text: str, *, wide: frozenset[str], room: int) -> tuple[tuple[str, ...], int]:
    """The parts, and the units that the last one uses."""
    parts, begin, used = [], 0, 0
    for position, character in enumerate(text):
        width = 2 if character in wide else 1
        if used + width > room:
            parts.append(text[begin:position])
            begin, used = position, 0
        used += width
    return (*parts, text[begin:]), used
