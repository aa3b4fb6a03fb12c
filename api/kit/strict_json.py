"""Reads a JSON body with nothing let through that a database, a hash or a reader would take differently."""

from __future__ import annotations

import json
import math
import re
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from api.kit.problems import ProblemError, unprocessable

DEEPEST = 20
"""Levels of objects and lists in a body; what each field may have is less and checked with the field."""
_LONGEST_WHOLE = 309  # digits; a longer whole number is too large for a float
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_NESTED = (dict, list)
_DOUBTFUL = re.compile(rb'\\u0000|(?<![0-9])[0-9]{300}|"[ \t\r\n]+:')


class Parsed(Struct, frozen=True):
    """The value of a JSON text. `clean`: it is known that `check` has nothing against it or a part of it."""

    tree: Any
    clean: bool = False

    def checked(self) -> Any:
        if not self.clean:
            check(self.tree)
        return self.tree

    def part(self, tree: Any) -> Parsed:
        return Parsed(tree, self.clean)


def parse(raw: bytes) -> Parsed:
    """The value of a JSON text in UTF-8 (RFC 8259).

    Raises ProblemError, 400, for what is no JSON, a byte order mark, invalid UTF-8, or a name given twice in an object.
    """
    try:
        tree = msgspec.json.decode(raw)
        clean = not _DOUBTFUL.search(raw) and _most_names(raw) == _names(tree, levels=DEEPEST)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        clean = False
    return Parsed(tree, clean=True) if clean else Parsed(_read_exactly(raw))


def _most_names(raw: bytes) -> int:
    """How often a quotation mark that is no character of a text stands before a colon.

    Each name is followed by one if there is no white space between, so that the names of the value are fewer only where
    one was given twice in an object, or where a text begins with a colon.
    """
    bare = raw.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in raw else raw
    return bare.count(b'":')


def _names(value: Any, *, levels: int) -> int:
    """How many names the objects in it have; raises RecursionError for more levels than that."""
    found = 0
    if type(value) is dict:
        found, value = len(value), value.values()
    elif type(value) is not list:
        return 0
    if not levels:
        raise RecursionError
    for member in value:
        if type(member) in _NESTED:
            found += _names(member, levels=levels - 1)
    return found


def _read_exactly(raw: bytes) -> Any:
    """The value, its numbers and texts as they stand; knows best what is wrong with a text that is no JSON."""
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
        _malformed(f"the name {shown(twice)!r} is given twice in one object")
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
                found.path.append(shown(name))
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


def shown(name: str | int, *, most: int = 64) -> str:
    """A name as a problem may repeat it, cut after `most` characters."""
    return str(name)[:most].encode("ascii", "backslashreplace").decode().replace("\0", "\\0")


def _malformed(why: str) -> NoReturn:
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {why}.")
