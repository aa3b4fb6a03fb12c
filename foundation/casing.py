"""Letters in any case, one for one, the same in Python and in every database; pure.

Databases disagree: LIKE of SQLite knows the letters of ASCII alone, UPPER of PostgreSQL those of its locale.
"""

from __future__ import annotations

import sys
from functools import cache


def folded(text: str) -> str:
    """The text as it is compared where case does not matter; as many characters as before."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def variants(letter: str) -> str:
    """Every character that is folded to the same: of "s" these are "S", "s" and the long one; of "1" only "1"."""
    return _by_capital().get(_upper(letter), letter)


def _upper(letter: str) -> str:
    capital = letter.upper()
    return capital if len(capital) == 1 else letter  # the capital of ß has two letters


@cache
def _by_capital() -> dict[str, str]:
    found: dict[str, str] = {}
    for letter in map(chr, range(sys.maxunicode + 1)):
        capital = _upper(letter)
        if capital != letter:
            found[capital] = found.get(capital, capital) + letter
    return found
