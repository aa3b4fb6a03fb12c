"""The frozen tree that a parsed template is, and its way back to source text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import Struct


class Position(Struct, frozen=True, order=True):
    """Where a token begins in the source; line and column count from 1, only LF begins a line."""

    line: int
    column: int


START = Position(line=1, column=1)


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, with `$${` already read as `${`."""

    value: str
    at: Position = field(default=START, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """Text in single quotes."""

    value: str
    at: Position = field(default=START, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    at: Position = field(default=START, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name with its path: `("user", "mail")`; one part alone is a custom property."""

    parts: tuple[str, ...]
    at: Position = field(default=START, compare=False, repr=False)

    @property
    def name(self) -> str:
        return ".".join(self.parts)


Argument = Reference | Literal | Number


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments, as an operand or after a pipe."""

    name: str
    arguments: tuple[Argument, ...] = ()
    at: Position = field(default=START, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Macro:
    """One `${...}`. `default` is the text in quotes behind a reference, None where there is none."""

    operand: Reference | Literal | Call
    default: str | None = None
    pipes: tuple[Call, ...] = ()
    at: Position = field(default=START, compare=False, repr=False)


class Template(Struct, frozen=True):
    """A whole field of a template. No two texts stand side by side and none is empty."""

    parts: tuple[Text | Macro, ...] = ()

    def macros(self) -> Iterator[Macro]:
        return (part for part in self.parts if isinstance(part, Macro))

    def references(self) -> Iterator[Reference]:
        """Every name whose value the template uses, in order; the words of `outofcompliance.reason` are none."""
        for macro in self.macros():
            yield from references(macro)

    def reasons(self) -> frozenset[str]:
        """The words that stand in `outofcompliance.reason(...)`, as they are written."""
        return frozenset(
            argument.name
            for macro in self.macros()
            if isinstance(macro.operand, Call) and macro.operand.name == REASON
            for argument in macro.operand.arguments
            if isinstance(argument, Reference)
        )


REASON = "outofcompliance.reason"


def references(macro: Macro) -> Iterator[Reference]:
    """Every name whose value this macro uses, in order."""
    operand = macro.operand
    if isinstance(operand, Reference):
        yield operand
    calls = macro.pipes if not isinstance(operand, Call) or operand.name == REASON else (operand, *macro.pipes)
    for call in calls:
        yield from (argument for argument in call.arguments if isinstance(argument, Reference))


def to_source(template: Template) -> str:
    """The text that parses to this tree again, in one canonical spelling."""
    return "".join(text_source(part.value) if isinstance(part, Text) else macro_source(part) for part in template.parts)


def text_source(text: str) -> str:
    """Plain text as it stands in a template; the same length and lines but for `$${`."""
    return text.replace("${", "$${")


def macro_source(macro: Macro) -> str:
    default = "" if macro.default is None else f" {_quoted(macro.default)}"
    pipes = "".join(f" | {_call_source(call, bare=not call.arguments)}" for call in macro.pipes)
    return f"${{{operand_source(macro.operand)}{default}{pipes}}}"


def operand_source(operand: Reference | Literal | Call) -> str:
    if isinstance(operand, Call):
        return _call_source(operand, bare=False)
    return _argument_source(operand)


def _call_source(call: Call, *, bare: bool) -> str:
    if bare:
        return call.name
    return f"{call.name}({', '.join(_argument_source(argument) for argument in call.arguments)})"


def _argument_source(argument: Argument) -> str:
    if isinstance(argument, Reference):
        return argument.name
    return _quoted(argument.value) if isinstance(argument, Literal) else str(argument.value)


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
