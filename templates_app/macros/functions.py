"""The functions that may stand in a macro: two literal tables, and what each argument may be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import quote

import regex
from msgspec import Struct

from templates_app.macros.budget import Budget
from templates_app.macros.dates import PatternError, date_pattern, format_date, format_number
from templates_app.macros.problems import Words
from templates_app.macros.tree import REASON, Argument, Literal, Number, Reference
from templates_app.macros.values import Getter, Values, getter, is_empty
from transports.marks import gettext_noop as _

MAX_TEXT = 100_000
MAX_NUMBER = 100_000
MAX_PADDING = 1_000
MAX_DECIMALS = 10
MAX_PATTERN = 100
MAX_NAMES = 20
REASON_SPELLINGS = {"whitelist_blacklist_apps_name": "allowlist_blocklist_apps_name"}
_GRAPHEME = regex.compile(r"\X")
_PLAIN = [bytes([octet]) for octet in range(128) if quote(chr(octet), safe="") == chr(octet)]


class Scope(Struct, frozen=True):
    """Whom a text is made for, what is worth noting about its making, and what it may cost."""

    zone: str
    language: str
    empty: list[str]
    notes: list[str]
    budget: Budget


def to_lower_case(value: object, scope: Scope) -> str:
    return _for_a_copy(value, scope).lower()


def to_upper_case(value: object, scope: Scope) -> str:
    return _for_a_copy(value, scope).upper()


def capitalize(value: object, scope: Scope) -> str:
    text = _for_a_copy(value, scope)
    return text[:1].upper() + text[1:]


def trim(value: object, scope: Scope) -> str:
    return scope.budget.text(value).strip()


def substring(value: object, scope: Scope, start: int, end: int | None = None) -> str:
    return scope.budget.text(value)[start:end]


def split(value: object, scope: Scope, separator: str, index: int) -> str:
    pieces = scope.budget.text(value).split(separator, index + 1)
    return pieces[index] if index < len(pieces) else ""


def replace(value: object, scope: Scope, old: str, new: str) -> str:
    text = scope.budget.text(value)
    scope.budget.allow(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def truncate(value: object, scope: Scope, length: int) -> str:
    text = scope.budget.text(value)
    if len(text) <= length:
        return text
    ends = [match.end() for match in islice(_GRAPHEME.finditer(text), length + 1)]
    return text if len(ends) <= length else text[: ends[length - 2] if length > 1 else 0] + "…"


def pad_left(value: object, scope: Scope, length: int, character: str) -> str:
    return scope.budget.text(value).rjust(length, character)


def date(value: object, scope: Scope, pattern: str) -> str:
    return format_date(value, pattern=pattern, zone=scope.zone, language=scope.language)


def number(value: object, scope: Scope, decimals: int) -> str:
    return format_number(value, decimals=decimals, language=scope.language)


def url_encode(value: object, scope: Scope) -> str:
    text = scope.budget.text(value)
    scope.budget.allow(len(text))
    octets = text.encode()
    scope.budget.allow(3 * len(octets) - 2 * sum(map(octets.count, _PLAIN)))
    return quote(octets, safe="")


def join(value: object, scope: Scope, separator: str) -> str:
    items = value if isinstance(value, list | tuple) else (value,)
    return scope.budget.joined(items, separator=separator)


def default(value: object, scope: Scope, other: object) -> object:
    return other if is_empty(value) else value


def count(value: object, scope: Scope) -> int:
    if is_empty(value):
        return 0
    return len(value) if isinstance(value, list | tuple) else 1


def first_not_empty(references: tuple[Reference, ...]) -> Getter:
    getters = [getter(reference.parts) for reference in references]

    def get(values: Values) -> object:
        return next((value for value in (get(values) for get in getters) if not is_empty(value)), None)

    return get


def reasons(words: tuple[Reference, ...]) -> Getter:
    """A getter of the event's reasons of these kinds, in order; each kind once, whichever way it is spelt."""
    kinds = dict.fromkeys(REASON_SPELLINGS.get(word.name, word.name) for word in words)
    spellings = {kind: [kind, *(old for old, new in REASON_SPELLINGS.items() if new == kind)] for kind in kinds}
    getters = [[getter(("event", "reasons", name)) for name in names] for names in spellings.values()]

    def get(values: Values) -> list[object]:
        found = (next((value for get in kind if not is_empty(value := get(values))), ()) for kind in getters)
        return [item for value in found for item in (value if isinstance(value, list | tuple) else (value,))]

    return get


def _for_a_copy(value: object, scope: Scope) -> str:
    """A text that is then made anew whole, which some letters make longer."""
    text = scope.budget.text(value)
    scope.budget.allow(len(text))
    return text


Check = Callable[[Argument], Words | None]
"""Returns what is wrong with an argument."""


def _any_text(argument: Argument) -> Words | None:
    return None if isinstance(argument, Literal) else Words(_("must be a text in single quotes"))


def _text(argument: Argument) -> Words | None:
    fits = isinstance(argument, Literal) and argument.value
    return None if fits else Words(_("must be a text in single quotes, not empty"))


def _character(argument: Argument) -> Words | None:
    fits = isinstance(argument, Literal) and len(argument.value) == 1
    return None if fits else Words(_("must be one character in single quotes"))


def _pattern(argument: Argument) -> Words | None:
    if not isinstance(argument, Literal) or not 0 < len(argument.value) <= MAX_PATTERN:
        return Words(_("must be a date pattern such as 'yyyy-MM-dd HH:mm'"))
    try:
        date_pattern(argument.value)
    except PatternError as error:
        return Words(_("is no date pattern: %(reason)s"), {"reason": error.words})
    return None


def _value(argument: Argument) -> Words | None:
    return None


def _name(argument: Argument) -> Words | None:
    return None if isinstance(argument, Reference) else Words(_("must be a name"))


def _word(argument: Argument) -> Words | None:
    return None if isinstance(argument, Reference) and len(argument.parts) == 1 else Words(_("must be a bare word"))


def _whole(least: int, *, most: int) -> Check:
    def check(argument: Argument) -> Words | None:
        fits = isinstance(argument, Number) and least <= argument.value <= most
        words = _("must be a whole number from %(least)d to %(most)d")
        return None if fits else Words(words, {"least": least, "most": most})

    return check


class Function(Struct, frozen=True):
    """What stands behind a name: `checks` has one entry for each argument, `least` of them must be there."""

    apply: Callable[..., Any]
    least: int
    most: int
    checks: tuple[Check, ...]
    usage: str
    meaning: str


_POSITION = _whole(0, most=MAX_NUMBER)

PIPES: dict[str, Function] = {
    "toLowerCase": Function(to_lower_case, 0, 0, (), "toLowerCase", _("In small letters")),
    "toUpperCase": Function(to_upper_case, 0, 0, (), "toUpperCase", _("In capital letters")),
    "capitalize": Function(capitalize, 0, 0, (), "capitalize", _("With a capital first letter")),
    "trim": Function(trim, 0, 0, (), "trim", _("Without white space at both ends")),
    "substring": Function(
        substring,
        1,
        2,
        (_POSITION, _POSITION),
        "substring(0, 4)",
        _("From a position, counted from 0, to before another"),
    ),
    "split": Function(split, 2, 2, (_text, _POSITION), "split('@', 0)", _("One of the pieces, counted from 0")),
    "replace": Function(replace, 2, 2, (_text, _any_text), "replace('old', 'new')", _("With one text put for another")),
    "truncate": Function(
        truncate,
        1,
        1,
        (_whole(1, most=MAX_NUMBER),),
        "truncate(40)",
        _("At most so many characters, ending in “…” if cut"),
    ),
    "padLeft": Function(
        pad_left,
        2,
        2,
        (_whole(0, most=MAX_PADDING), _character),
        "padLeft(6, '0')",
        _("Filled up on the left to a length"),
    ),
    "date": Function(
        date, 1, 1, (_pattern,), "date('yyyy-MM-dd HH:mm')", _("A date, in the recipient's time zone and language")
    ),
    "number": Function(
        number,
        1,
        1,
        (_whole(0, most=MAX_DECIMALS),),
        "number(2)",
        _("A number with so many decimals, as the language has it"),
    ),
    "urlEncode": Function(url_encode, 0, 0, (), "urlEncode", _("As a part of a web address")),
    "join": Function(join, 1, 1, (_any_text,), "join(' / ')", _("A list's items with a text between them")),
    "default": Function(default, 1, 1, (_value,), "default('none')", _("Another value where this one is empty")),
    "count": Function(count, 0, 0, (), "count", _("How many items a list has")),
}
OPERANDS: dict[str, Function] = {
    "firstnotnull": Function(
        first_not_empty,
        1,
        MAX_NAMES,
        (_name,) * MAX_NAMES,
        "firstnotnull(device.TEL_NUMBER, user.mobile)",
        _("The first of them that has a value"),
    ),
    REASON: Function(
        reasons, 1, MAX_NAMES, (_word,) * MAX_NAMES, f"{REASON}(smg_block)", _("Why the device is out of compliance")
    ),
}
"""Their functions make a getter out of the references between the brackets."""

FILLS_EMPTY = frozenset({"default", "count"})
"""The pipes that see an empty value; it passes by all others."""
