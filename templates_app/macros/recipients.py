"""A Recipient field: split at ";" before its macros are filled, so that no value can add a recipient."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from templates_app.macros.budget import Budget, TextTooLongError
from templates_app.macros.evaluate import Mode, Program, compiled, evaluate
from templates_app.macros.grammar import parse
from templates_app.macros.tree import Macro, Template, Text, to_source
from templates_app.macros.values import Values
from transports.addresses import invisible

MAX_ADDRESS = 320
_SHARE = 20_000
"""Characters on the way to one address, of which a field may have hundreds."""
_SEVERAL = re.compile(r"[;,]")
_SEVERAL_OR_SPACED = re.compile(r"[;,\s]")


class Entry(Struct, frozen=True):
    """One recipient of the field, as it was written, ready to be filled.

    `names` are the values that it uses, `spaces` the beginnings of their names, such as "user".
    """

    source: str
    program: Program
    names: frozenset[str]
    spaces: frozenset[str]


class Filled(Struct, frozen=True):
    """What became of an entry: an address still to be validated, or "" and why there is none."""

    source: str
    address: str
    reason: str = ""


@lru_cache(maxsize=4096)
def entries(text: str) -> tuple[Entry, ...]:
    """The recipients of a field, white space around them and empty ones dropped. Raises MacroError."""
    templates = (_trimmed(parts) for parts in _split(parse(text)))
    return tuple(_entry(template) for template in templates if template.parts)


def _entry(template: Template) -> Entry:
    program = compiled(template, mode=Mode.RECIPIENT)
    names = frozenset[str]().union(*(used for _, used in program.names))
    return Entry(to_source(template), program, names, frozenset(name.partition(".")[0] for name in names))


def fill(entry: Entry, values: Values, *, spaced: bool = False) -> Filled:
    """The address of an entry, without what can't be seen around it.

    None when a macro is empty or a value brings in ";" or ",", or white space unless such addresses may be `spaced`.
    """
    try:
        rendered = evaluate(entry.program, values, limit=MAX_ADDRESS, budget=Budget(most_characters=_SHARE))
    except TextTooLongError:
        return Filled(entry.source, "", reason=f"longer than {MAX_ADDRESS} characters")
    if rendered.empty:
        return Filled(entry.source, "", reason=f"empty: {', '.join(rendered.empty)}")
    address = invisible.trimmed(rendered.text)
    if not address:
        return Filled(entry.source, "", reason="empty")
    if entry.program.names and (_SEVERAL if spaced else _SEVERAL_OR_SPACED).search(address):
        return Filled(entry.source, "", reason="holds “;” or “,”" if spaced else "holds “;”, “,” or white space")
    return Filled(entry.source, address)


def _split(template: Template) -> list[list[Text | Macro]]:
    found: list[list[Text | Macro]] = [[]]
    for part in template.parts:
        if isinstance(part, Macro):
            found[-1].append(part)
            continue
        first, *others = part.value.split(";")
        found[-1].append(Text(first, at=part.at))
        found.extend([Text(other, at=part.at)] for other in others)
    return found


def _trimmed(parts: list[Text | Macro]) -> Template:
    trimmed = list(parts)
    if trimmed and isinstance(first := trimmed[0], Text):
        trimmed[0] = Text(invisible.without_leading(first.value), at=first.at)
    if trimmed and isinstance(last := trimmed[-1], Text):
        trimmed[-1] = Text(invisible.without_trailing(last.value), at=last.at)
    return Template(parts=tuple(part for part in trimmed if isinstance(part, Macro) or part.value))
