"""What is wrong with a template's text, before anybody gets it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from templates_app.macros.evaluate import BREAKS, HEADERS, Mode
from templates_app.macros.grammar import parse
from templates_app.macros.names import OPEN_PREFIXES, PATHS, PREFIXES
from templates_app.macros.problems import MacroError, Problem, Severity, nearest, shown
from templates_app.macros.tree import Reference, Template, Text, text_source


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
    found = [*_unknown_names(template, known=known), *(_line_breaks(template) if mode in HEADERS else ())]
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
        message, suggestions = f"there is no name {shown(reference.name)}.", nearest(".".join(rest), known=siblings)
    else:
        message = f"there are no names that begin with {shown(prefix)}."
        suggestions = tuple(".".join((near, *rest)) for near in nearest(prefix, known=PREFIXES))
    return Problem(message, line=reference.at.line, column=reference.at.column, suggestions=suggestions)


def _unknown_property(reference: Reference, *, known: frozenset[str]) -> Iterator[Problem]:
    prefix, name = reference.parts[:2] if len(reference.parts) > 1 else ("custom", reference.parts[0])
    prefixes = ("device", "user") if prefix == "custom" else (prefix,)
    if any(f"{each}.{name}" in known for each in prefixes):
        return
    siblings = [path for path in known if path.partition(".")[0] in prefixes]
    suggestions = nearest(name, known=siblings)
    whose = " or ".join(prefixes)
    message = f"no stored {whose} has the property {shown(name)}; it may stay empty."
    yield Problem(message, reference.at.line, reference.at.column, suggestions, severity=Severity.WARNING)


def _line_breaks(template: Template) -> Iterator[Problem]:
    for part in template.parts:
        if isinstance(part, Text) and (found := BREAKS.search(source := text_source(part.value))):
            before = source[: found.start()]
            line = part.at.line + before.count("\n")
            column = found.start() - before.rfind("\n") if "\n" in before else part.at.column + found.start()
            yield Problem("a line break can't stand in this field.", line=line, column=column)
