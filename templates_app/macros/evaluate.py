"""From text and values to what is sent: compiled once, then evaluated for each recipient."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from templates_app.macros.budget import Budget, TextTooLongError
from templates_app.macros.dates import UnfitError
from templates_app.macros.functions import FILLS_EMPTY, MAX_TEXT, OPERANDS, PIPES, Scope
from templates_app.macros.grammar import parse
from templates_app.macros.tree import (
    Argument,
    Call,
    Literal,
    Macro,
    Reference,
    Template,
    Text,
    operand_source,
    references,
)
from templates_app.macros.values import Getter, Values, as_text, getter, is_empty

MASK = "******"
BREAKS = re.compile("[\r\n\x00\v\f\x85\u2028\u2029]")
_RUN_OF_BREAKS = re.compile("[\r\n\v\f\x85\u2028\u2029][\r\n\x00\v\f\x85\u2028\u2029]*")


class Mode(StrEnum):
    """Where a text goes, and so what its values may carry.

    SUBJECT, SENDER and RECIPIENT carry no CR, LF, VT, FF, NEL, LS or PS: a run of them is one space, in RECIPIENT it is
    removed. HTML escapes whatever a macro yields; SMS has LF for CR and CRLF. NUL, which neither mail nor database
    take, is removed everywhere.
    """

    SUBJECT = "subject"
    SENDER = "sender"
    RECIPIENT = "recipient"
    HTML = "html"
    SMS = "sms"
    TEXT = "text"


HEADERS = frozenset({Mode.SUBJECT, Mode.SENDER, Mode.RECIPIENT})

Clean = Callable[[str], str]
Step = Callable[[Values, Scope], str]
_Pipe = Callable[[object, Values, Scope], object]


class Program(Struct, frozen=True):
    """A template ready to be evaluated in one mode.

    `texts` has its plain texts in order, with "" where a macro stands; `steps` has each macro with its place in them,
    and `names` its place and the paths of the values that it uses. `fixed` is how long the plain texts are together.
    """

    template: Template
    texts: tuple[str, ...]
    fixed: int
    steps: tuple[tuple[int, Step], ...]
    names: tuple[tuple[int, frozenset[str]], ...]


class Rendered(Struct, frozen=True):
    """A text made for one recipient.

    `masked` is the same text with ****** for every macro that used a secret: what may be stored and shown. It is the
    very object of `text` where nothing is masked.
    `empty` names what had no value and no default; `notes` says what else went wrong, as "not a date: event.data.due".
    """

    text: str
    masked: str
    empty: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def render(
    text: str,
    values: Values,
    *,
    mode: Mode = Mode.TEXT,
    zone: str = "UTC",
    language: str = "en",
    secrets: frozenset[str] = frozenset(),
    limit: int = MAX_TEXT,
) -> Rendered:
    """A template's text, filled in; compiled the first time only. Raises MacroError, and else as `evaluate` does."""
    return evaluate(program(text, mode=mode), values, zone=zone, language=language, secrets=secrets, limit=limit)


def evaluate(
    program: Program,
    values: Values,
    *,
    zone: str = "UTC",
    language: str = "en",
    secrets: frozenset[str] = frozenset(),
    limit: int = MAX_TEXT,
    budget: Budget | None = None,
) -> Rendered:
    """Fill in the macros; pure. Raises TextTooLongError when the text gets more than `limit` characters.

    It also does, with the place of the macro, when more is needed on the way than `budget` allows (see there).

    `values` are plain JSON values by prefix: {"user": {...}, "device": {...}, "event": {..., "data", "reasons"}, ...}.
    `zone` (IANA) and `language` (BCP 47) are the recipient's. `secrets` are paths such as "enrollment.pin".
    """
    scope = Scope(zone, language, [], [], budget or Budget())
    pieces = list(program.texts)
    room = limit - program.fixed
    for place, step in program.steps:
        try:
            pieces[place] = piece = step(values, scope)
        except TextTooLongError as error:
            raise _placed(error, program.template.parts[place]) from None
        room -= len(piece)
        if room < 0:
            break  # what is left may be as long again
    if room < 0:
        raise TextTooLongError(f"the text has more than {limit:,} characters")
    text = "".join(pieces)
    masked = _masked(text, pieces=pieces, names=program.names, secrets=secrets) if secrets else text
    return Rendered(text, masked, tuple(scope.empty), tuple(scope.notes))


def _placed(error: TextTooLongError, part: Text | Macro) -> TextTooLongError:
    return TextTooLongError(f"{error}, in line {part.at.line}, column {part.at.column}")


def _masked(
    text: str, *, pieces: list[str], names: tuple[tuple[int, frozenset[str]], ...], secrets: frozenset[str]
) -> str:
    """The text itself where it holds no secret."""
    hidden = [
        place
        for place, used in names
        if pieces[place] and any(_reveals(name, secret=secret) for name in used for secret in secrets)
    ]
    for place in hidden:
        pieces[place] = MASK
    return "".join(pieces) if hidden else text


def _reveals(name: str, *, secret: str) -> bool:
    return f"{name}.".startswith(f"{secret}.") or secret.startswith(f"{name}.")


@lru_cache(maxsize=4096)
def program(text: str, *, mode: Mode) -> Program:
    """The program of a template's text, remembered for as long as it is in use. Raises MacroError."""
    return compiled(parse(text), mode=mode)


def compiled(template: Template, *, mode: Mode) -> Program:
    clean = _CLEAN[mode]
    own = _without_nul if mode is Mode.HTML else clean
    texts = tuple(own(part.value) if isinstance(part, Text) else "" for part in template.parts)
    macros = [(place, part) for place, part in enumerate(template.parts) if isinstance(part, Macro)]
    return Program(
        template=template,
        texts=texts,
        fixed=sum(map(len, texts)),
        steps=tuple((place, _step(part, clean=clean)) for place, part in macros),
        names=tuple((place, frozenset(reference.name for reference in references(part))) for place, part in macros),
    )


def _step(macro: Macro, *, clean: Clean) -> Step:
    if macro.pipes:
        return _piped(macro, clean=clean)
    get, label, silent = _getter(macro.operand), operand_source(macro.operand), _is_silent(macro)
    fallback = clean(macro.default or "")

    def step(values: Values, scope: Scope) -> str:
        value = get(values)
        text = value if value.__class__ is str and value.isascii() else _whole(value, scope)
        if text:
            return clean(text)
        if not silent:
            scope.empty.append(label)
        return fallback

    return step


def _piped(macro: Macro, *, clean: Clean) -> Step:
    get, label, silent = _getter(macro.operand), operand_source(macro.operand), _is_silent(macro)
    pipes = [(_pipe(call), call.name in FILLS_EMPTY) for call in macro.pipes]
    default, made_anew = macro.default, isinstance(macro.operand, Call)

    def step(values: Values, scope: Scope) -> str:
        value = get(values)
        missing = is_empty(value)
        if missing:
            value = default
        budget = scope.budget
        if made_anew and isinstance(value, list):
            budget.step(len(value))
        for pipe, fills_empty in pipes:
            if fills_empty or not is_empty(value):
                budget.step()
                try:
                    value = pipe(value, values, scope)
                except UnfitError as error:
                    scope.notes.append(f"{error}: {label}")
                    value = ""
                if isinstance(value, str):
                    budget.allow(len(value))
                    budget.spend(len(value))
        if missing and not silent and is_empty(value):
            scope.empty.append(label)
        return clean(_whole(value, scope))

    return step


def _whole(value: object, scope: Scope) -> str:
    """What stands in the text; a plain text there is held by the text's own limit."""
    return as_text(value) if isinstance(value, str) else scope.budget.text(value)


def _is_silent(macro: Macro) -> bool:
    """Whether nothing is noted when the value is empty: its author has said what then stands there."""
    return (
        macro.default is not None
        or isinstance(macro.operand, Literal)
        or any(call.name == "default" and not isinstance(call.arguments[0], Reference) for call in macro.pipes)
    )


def _getter(operand: Reference | Literal | Call) -> Getter:
    if isinstance(operand, Call):
        get: Getter = OPERANDS[operand.name].apply(operand.arguments)
        return get
    return _argument(operand)


def _pipe(call: Call) -> _Pipe:
    apply = PIPES[call.name].apply
    if any(isinstance(argument, Reference) for argument in call.arguments):
        getters = [_argument(argument) for argument in call.arguments]
        return lambda value, values, scope: apply(value, scope, *(get(values) for get in getters))
    arguments = tuple(argument.value for argument in call.arguments if not isinstance(argument, Reference))
    return lambda value, _, scope: apply(value, scope, *arguments)


def _argument(argument: Argument) -> Getter:
    if isinstance(argument, Reference):
        return getter(argument.parts)
    value = argument.value
    return lambda _: value


def _without_breaks(text: str) -> str:
    return text if text.isprintable() else BREAKS.sub("", text)


def _on_one_line(text: str) -> str:
    return text if text.isprintable() else _RUN_OF_BREAKS.sub(" ", text).replace("\0", "")


def _without_nul(text: str) -> str:
    return text.replace("\0", "")


def _with_line_feeds(text: str) -> str:
    return text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


def _escaped(text: str) -> str:
    return html.escape(text.replace("\0", ""))


_CLEAN: dict[Mode, Clean] = {
    Mode.SUBJECT: _on_one_line,
    Mode.SENDER: _on_one_line,
    Mode.RECIPIENT: _without_breaks,
    Mode.HTML: _escaped,
    Mode.SMS: _with_line_feeds,
    Mode.TEXT: _without_nul,
}
