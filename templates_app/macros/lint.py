"""What is wrong with a template's text, before anybody gets it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from templates_app.macros.evaluate import BREAKS, HEADERS, Mode
from templates_app.macros.grammar import parse
from templates_app.macros.names import OPEN_PREFIXES, PATHS, PREFIXES
from templates_app.macros.problems import MacroError, Problem, Severity, Words, nearest, shown
from templates_app.macros.tree import Position, Reference, Template, Text, text_source
from transports.marks import gettext_noop as _

_UNKNOWN = {
    "user": _("no stored user has the property %(name)s; it may stay empty."),
    "device": _("no stored device has the property %(name)s; it may stay empty."),
    "custom": _("no stored device or user has the property %(name)s; it may stay empty."),
}
_PLAIN_MACRO = re.compile(r"\$\{[^{}]*\}")


def lint(text: str, *, mode: Mode, properties: Collection[str] | None = None) -> tuple[Problem, ...]:
    """The problems of a template's text, in the order in which they stand; none with ERROR means it may be saved.

    `properties` are the stored ones as "user.costcentre" or "device.ROOT_ACCESS"; with them, any other property is
    a warning, without them none is.
    """
    try:
        template = parse(text)
    except MacroError as error:
        return (error.problem,)
    known = None if properties is None else PATHS | frozenset(properties)
    found = [*_unknown_names(template, known=known), *_plain_macros(template)]
    found += _line_breaks(template) if mode in HEADERS else ()
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))


def _unknown_names(template: Template, *, known: frozenset[str] | None) -> Iterator[Problem]:
    for reference in template.references():
        if len(reference.parts) == 1 or reference.parts[0] in OPEN_PREFIXES:
            if known is not None:
                yield from _unknown_property(reference, known=known)
        elif not _is_fixed_name(reference):
            yield _unknown_name(reference)


def _is_fixed_name(reference: Reference) -> bool:
    return reference.name in PATHS or reference.parts[:2] == ("event", "data")


def _unknown_name(reference: Reference) -> Problem:
    prefix, *rest = reference.parts
    if prefix in PREFIXES:
        siblings = [path for path in PATHS if path.startswith(f"{prefix}.")]
        words = Words(_("there is no name %(name)s."), {"name": shown(reference.name)})
        suggestions = nearest(".".join(rest), known=siblings)
    else:
        words = Words(_("there are no names that begin with %(name)s."), {"name": shown(prefix)})
        suggestions = tuple(".".join((near, *rest)) for near in nearest(prefix, known=PREFIXES))
    return Problem(words, line=reference.at.line, column=reference.at.column, suggestions=suggestions)


def _unknown_property(reference: Reference, *, known: frozenset[str]) -> Iterator[Problem]:
    prefix, name = reference.parts[:2] if len(reference.parts) > 1 else ("custom", reference.parts[0])
    prefixes = ("device", "user") if prefix == "custom" else (prefix,)
    if any(f"{each}.{name}" in known for each in prefixes):
        return
    siblings = [path for path in known if path.partition(".")[0] in prefixes]
    suggestions = nearest(name, known=siblings)
    words = Words(_UNKNOWN[prefix], {"name": shown(name)})
    yield Problem(words, reference.at.line, reference.at.column, suggestions, severity=Severity.WARNING)


def _plain_macros(template: Template) -> Iterator[Problem]:
    """Where `$${` keeps what reads like a macro from being filled: who writes US$${...} means a price."""
    for part in template.parts:
        if isinstance(part, Text):
            yield from (_plain_macro(part, found) for found in _PLAIN_MACRO.finditer(part.value) if _is_macro(found[0]))


def _plain_macro(part: Text, found: re.Match[str]) -> Problem:
    at, macro = _place(part, before=text_source(part.value[: found.start()])), shown(found[0])
    words = _(
        "“$${” writes a plain “${”, so “%(macro)s” is sent as it stands and not filled in; "
        "for a “$” before the macro's value write ${'$'}%(macro)s"
    )
    return Problem(Words(words, {"macro": macro}), at.line, at.column, severity=Severity.WARNING)


def _is_macro(text: str) -> bool:
    try:
        parse(text)
    except MacroError:
        return False
    return True


def _place(part: Text, *, before: str) -> Position:
    """Where in the source the text of `part` goes on after `before`."""
    breaks = before.count("\n")
    column = len(before) - before.rfind("\n") if breaks else part.at.column + len(before)
    return Position(part.at.line + breaks, column)


def _line_breaks(template: Template) -> Iterator[Problem]:
    for part in template.parts:
        if isinstance(part, Text) and (found := BREAKS.search(source := text_source(part.value))):
            at = _place(part, before=source[: found.start()])
            yield Problem(Words(_("a line break can't stand in this field.")), line=at.line, column=at.column)
