"""What can be wrong with a template's text, where, and what its author may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from templates_app.macros.tree import Position

MAX_SHOWN = 60


class Severity(StrEnum):
    """An error refuses the template when it is saved, a warning is only shown."""

    ERROR = "error"
    WARNING = "warning"


class Problem(Struct, frozen=True):
    """One finding; line and column count from 1; `suggestions` are the nearest known names, best first."""

    message: str
    line: int
    column: int
    suggestions: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        hint = f" Did you mean {' or '.join(self.suggestions)}?" if self.suggestions else ""
        return f"Line {self.line}, column {self.column}: {self.message}{hint}"


class MacroError(ValueError):
    """The text is no template."""

    def __init__(self, message: str, *, at: Position, suggestions: tuple[str, ...] = ()) -> None:
        self.problem = Problem(message=message, line=at.line, column=at.column, suggestions=suggestions)
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
