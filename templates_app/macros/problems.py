"""What can be wrong with a template's text, where, and what its author may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from templates_app.macros.tree import Position
from transports.marks import gettext_noop as _

Translate = Callable[[str], str]
MAX_SHOWN = 60


class Severity(StrEnum):
    """An error refuses the template when it is saved, a warning is only shown."""

    ERROR = "error"
    WARNING = "warning"


class Words(Struct, frozen=True):
    """A text that is marked for translation, with what stands in it: texts, numbers, and Words again."""

    text: str
    values: Mapping[str, object] = {}

    def said(self, translate: Translate) -> str:
        filled = {
            name: value.said(translate) if isinstance(value, Words) else value for name, value in self.values.items()
        }
        return translate(self.text) % filled if filled else translate(self.text)


class Problem(Struct, frozen=True):
    """One finding; line and column count from 1; `suggestions` are the nearest known names, best first."""

    words: Words
    line: int
    column: int
    suggestions: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR

    @property
    def message(self) -> str:
        return self.words.said(_)

    def __str__(self) -> str:
        return self.said(_)

    def said(self, translate: Translate) -> str:
        """All of it, in the language that `translate` translates marked texts into."""
        place = {"line": self.line, "column": self.column, "message": self.words}
        found = Words(_("Line %(line)d, column %(column)d: %(message)s"), place)
        if self.suggestions:
            found = Words(
                _("%(problem)s Did you mean %(names)s?"), {"problem": found, "names": either(self.suggestions)}
            )
        return found.said(translate)


def either(words: Sequence[str]) -> Words:
    """One of them: "a, b or c"."""
    *first, last = (Words(each) for each in words)
    if not first:
        return last
    before = first[0]
    for each in first[1:]:
        before = Words(_("%(before)s, %(next)s"), {"before": before, "next": each})
    return Words(_("%(before)s or %(last)s"), {"before": before, "last": last})


class MacroError(ValueError):
    """The text is no template. `text` is marked for translation, `values` stand in it."""

    def __init__(self, text: str, *, at: Position, suggestions: tuple[str, ...] = (), **values: object) -> None:
        self.problem = Problem(Words(text, values), line=at.line, column=at.column, suggestions=suggestions)
        super().__init__(str(self.problem))

    @property
    def message(self) -> str:
        return self.problem.message

    @property
    def line(self) -> int:
        return self.problem.line

    @property
    def column(self) -> int:
        return self.problem.column

    @property
    def suggestions(self) -> tuple[str, ...]:
        return self.problem.suggestions


def shown(name: str) -> str:
    """A name as a message repeats it: cut where nobody would read on."""
    return name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}…"


def nearest(name: str, *, known: Iterable[str]) -> tuple[str, ...]:
    """At most three known names whose last words look like this name, best first; case does not matter.

    What stands before the last "." of a known name is given back with it, but not compared.
    """
    by_folded = {candidate.rpartition(".")[2].casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold()[:100], by_folded, n=3, cutoff=0.6)
    return tuple(by_folded[folded] for folded in found)
