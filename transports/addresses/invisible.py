"""Characters that nobody sees: cut off around a value, and never taken inside one that has to be exact."""

from __future__ import annotations

import re
import unicodedata

SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""All of Unicode's category Zs."""
_BLANK = frozenset({"Zs", "Zl", "Zp", "Cf"})
_UNSEEN = _BLANK | {"Cc", "Cs"}
# Unicode's Default_Ignorable_Code_Point outside the categories above, and the braille pattern without dots.
_FILLER = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8]")
_FILLER_PLANE = range(0xE0000, 0xE1000)


class InvisibleError(ValueError):
    """A value holds a character that can't be seen."""


def trimmed(text: str) -> str:
    """`text` without the white space and the format characters around it, such as a byte order mark."""
    return without_trailing(without_leading(text))


def without_leading(text: str) -> str:
    first = next((place for place, character in enumerate(text) if not _is_blank(character)), len(text))
    return text[first:]


def without_trailing(text: str) -> str:
    last = next((place for place in range(len(text), 0, -1) if not _is_blank(text[place - 1])), 0)
    return text[:last]


def inside(text: str, *, allowed: str = "") -> str:
    """The first character that can't be seen, in words, "" when there is none but those `allowed`.

    White space, controls, format characters (Cc, Cf, Zs, Zl, Zp), halves of surrogate pairs and fillers.
    """
    if text.isascii() and text.isprintable() and (" " in allowed or " " not in text):
        return ""
    found = (character for character in text if character not in allowed and _is_unseen(character))
    return next((_described(character) for character in found), "")


def refuse(text: str, *, allowed: str = "") -> None:
    """Raise InvisibleError, naming the character, where one that can't be seen stands inside `text`."""
    if found := inside(text, allowed=allowed):
        raise InvisibleError(f"it holds {found}")


def _described(character: str) -> str:
    if character == " ":
        return "a space"
    return f"U+{ord(character):04X}, a character that can't be seen"


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in _BLANK


def _is_unseen(character: str) -> bool:
    if unicodedata.category(character) in _UNSEEN:
        return True
    return bool(_FILLER.match(character)) or ord(character) in _FILLER_PLANE
