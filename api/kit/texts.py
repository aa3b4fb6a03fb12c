"""The patterns that texts of a body keep, each with the message for one that does not."""

from __future__ import annotations

LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*(?![\s\S])"
"""One line without control characters; the end is written so that a last line end is none of it."""
KEY = r"^[\x20-\x7e]{1,255}(?![\s\S])"
NO_KEY = "An idempotency key has 1 to 255 printable characters."
_REFUSALS = {
    repr(LINE): ("control_character", "Line ends and other control characters are not taken here."),
    repr(KEY): ("invalid", NO_KEY),
}


def refusal(pattern: str) -> tuple[str, str]:
    """The code and message for a text that is against this pattern, which is written as `repr` does."""
    return _REFUSALS[pattern]
