"""Reads a JSON body with nothing let through that a database, a hash or a reader would take differently."""

from __future__ import annotations

import json
import math
import re
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec

from api.problems import ProblemError, unprocessable

DEEPEST = 20
"""Levels of objects and lists in a body; what each field may have is less and checked with the field."""
_LONGEST_WHOLE = 309  # digits; a longer whole number is too large for a float
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


def parse(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8 (RFC 8259); what `check` refuses may still be in it.

    Raises ProblemError, 400, for what is no JSON, a byte order mark, invalid UTF-8, or a name given twice in an object.
    """
    if raw.startswith(_BOM):
        _malformed("it begins with a byte order mark")
    try:
        return json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=float, parse_int=_whole)
    except UnicodeDecodeError as error:
        _malformed(f"byte {error.start} is not valid UTF-8")
    except json.JSONDecodeError as error:
        _malformed(f"{error.msg} at character {error.pos}")
    except RecursionError:
        raise unprocessable("body", "too_deep", f"At most {DEEPEST} levels of objects and lists.") from None


def check(tree: Any) -> None:
    """Raise ProblemError, 422 with the field, for NUL, half a surrogate pair, NaN, Infinity or too many levels."""
    try:
        _check(tree, level=1)
    except _FoundError as found:
        field = ".".join(str(part) for part in reversed(found.path)) or "body"
        raise unprocessable(field, found.code, found.message) from None


def canonical(tree: Any) -> bytes:
    """One form for equal values: names sorted, no white space."""
    return msgspec.json.encode(tree, order="sorted")


class _FoundError(Exception):
    """Something is wrong; `path` grows from the inside out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message
        self.path: list[str | int] = []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _malformed(f"the name {_shown(twice)!r} is given twice in one object")
    return found


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE else math.inf


def _check(value: Any, *, level: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        if level > DEEPEST:
            raise _FoundError("too_deep", f"At most {DEEPEST} levels of objects and lists.")
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            try:
                if isinstance(name, str):
                    _check_text(name)
                _check(member, level=level + 1)
            except _FoundError as found:
                found.path.append(_shown(name))
                raise
    elif isinstance(value, (int, float)) and not _fits(value):
        raise _FoundError("not_a_number", "NaN, Infinity and numbers too large for a float are not taken.")


def _check_text(text: str) -> None:
    if "\0" in text or (not text.isascii() and _SURROGATE.search(text)):
        raise _FoundError("nul", "A text must not hold the character NUL or half a surrogate pair.")


def _fits(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _shown(name: str | int) -> str:
    """A name as a problem may repeat it."""
    return str(name)[:64].encode("ascii", "backslashreplace").decode().replace("\0", "\\0")


def _malformed(why: str) -> NoReturn:
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {why}.")
