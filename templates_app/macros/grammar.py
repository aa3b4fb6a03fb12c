"""From text to tree: the grammar, and errors that say where and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken

from templates_app.macros.functions import MAX_TEXT, OPERANDS, PIPES, Function
from templates_app.macros.problems import MacroError, Words, either, nearest, shown
from templates_app.macros.tree import (
    START,
    Call,
    Literal,
    Macro,
    Number,
    Position,
    Reference,
    Template,
    Text,
)
from transports.marks import gettext_noop as _

MAX_MACROS = 1_000
MAX_PIPES = 20
MAX_DIGITS = 9
MAX_LITERAL = 1_000

# TEXT stands above white space, which is skipped inside a macro only: no other place lets TEXT win there.
GRAMMAR = r"""
template: (TEXT | ESCAPE | macro)*
macro: OPEN _operand ("|" call)* "}"
_operand: reference default? | literal | function
default: STRING
literal: STRING
function: reference "(" [_arguments] ")"
call: NAME ["(" [_arguments] ")"]
_arguments: _argument ("," _argument)*
_argument: reference | literal | number
reference: NAME ("." PART)*
number: INTEGER

OPEN: "${"
ESCAPE: "$${"
TEXT.2: /(?:[^$]+|\$(?!\$?\{))+/
NAME: /[^\W\d]\w*/
PART: /\w[\w-]*/
INTEGER: /-?[0-9]+/
STRING: /'(?:[^']|'')*'/
WS: /\s+/
%ignore WS
"""


def parse(text: str) -> Template:
    """The tree of a template's text; every function in it is known and has fitting arguments.

    Raises MacroError, with line and column of the wrong token, for bad syntax, an unknown function, wrong arguments,
    more than 100,000 characters, 1,000 macros, 20 pipes in one macro, or 1,000 characters between quotes.
    """
    if len(text) > MAX_TEXT:
        raise MacroError(_("the text has more than %(most)s characters."), at=START, most=f"{MAX_TEXT:,}")
    if text.count("${") > MAX_MACROS:
        raise MacroError(_("the text has more than %(most)s macros."), at=START, most=f"{MAX_MACROS:,}")
    try:
        template = cast("Template", _PARSER.parse(text))
    except UnexpectedInput as error:
        raise _syntax_error(error) from None
    for macro in template.macros():
        _check(macro)
    return template


class _Builder(Transformer[Token, Any]):
    """Makes our tree, bottom up."""

    def template(self, parts: list[Any]) -> Template:
        return Template(parts=tuple(_joined(parts)))

    def macro(self, parts: list[Any]) -> Macro:
        opening, operand, *rest = parts
        default = rest.pop(0) if rest and isinstance(rest[0], str) else None
        return Macro(operand=operand, default=default, pipes=tuple(rest), at=_at(opening))

    def default(self, parts: list[Token]) -> str:
        return _unquoted(parts[0])

    def literal(self, parts: list[Token]) -> Literal:
        return Literal(value=_unquoted(parts[0]), at=_at(parts[0]))

    def number(self, parts: list[Token]) -> Number:
        digits, at = str(parts[0]), _at(parts[0])
        if len(digits) > MAX_DIGITS:
            raise MacroError(_("the number is too large."), at=at)
        return Number(value=int(digits), at=at)

    def reference(self, parts: list[Token]) -> Reference:
        return Reference(parts=tuple(str(part) for part in parts), at=_at(parts[0]))

    def function(self, parts: list[Any]) -> Call:
        reference, *arguments = parts
        return Call(name=reference.name, arguments=tuple(arguments), at=reference.at)

    def call(self, parts: list[Any]) -> Call:
        name, *arguments = parts
        return Call(name=str(name), arguments=tuple(arguments), at=_at(name))


def _joined(parts: Iterable[Token | Macro]) -> list[Text | Macro]:
    joined: list[Text | Macro] = []
    for part in parts:
        if isinstance(part, Macro):
            joined.append(part)
            continue
        value = "${" if part.type == "ESCAPE" else str(part)
        if joined and isinstance(before := joined[-1], Text):
            joined[-1] = Text(value=before.value + value, at=before.at)
        else:
            joined.append(Text(value=value, at=_at(part)))
    return joined


def _unquoted(token: Token) -> str:
    text = str(token)[1:-1].replace("''", "'")
    if len(text) > MAX_LITERAL:
        raise MacroError(_("a text in quotes has at most %(most)s characters."), at=_at(token), most=f"{MAX_LITERAL:,}")
    return text


def _at(token: Token) -> Position:
    return Position(line=token.line or 1, column=token.column or 1)


_AFTER_A_PIPE = _("%(name)s goes after a pipe, as in ${name | %(usage)s}.")
_AT_THE_BEGINNING = _("%(name)s stands at the beginning of a macro, as in ${%(usage)s}.")


def _check(macro: Macro) -> None:
    if isinstance(macro.operand, Call):
        _check_call(macro.operand, known=OPERANDS, others=PIPES, misplaced=_AFTER_A_PIPE)
    if len(macro.pipes) > MAX_PIPES:
        raise MacroError(_("a macro may have %(most)d pipes at most."), at=macro.pipes[MAX_PIPES].at, most=MAX_PIPES)
    for call in macro.pipes:
        _check_call(call, known=PIPES, others=OPERANDS, misplaced=_AT_THE_BEGINNING)


def _check_call(call: Call, *, known: dict[str, Function], others: dict[str, Function], misplaced: str) -> None:
    if call.name in others:
        raise MacroError(misplaced, at=call.at, name=call.name, usage=others[call.name].usage)
    if call.name not in known:
        suggestions = nearest(call.name.rpartition(".")[2], known=(*known, *others))
        raise MacroError(
            _("there is no function %(name)s."), at=call.at, suggestions=suggestions, name=shown(call.name)
        )
    function = known[call.name]
    if not function.least <= len(call.arguments) <= function.most:
        words, amount = _("%(name)s needs %(amount)s, as in %(usage)s."), _amount(function)
        raise MacroError(words, at=_surplus(call, function), name=call.name, amount=amount, usage=function.usage)
    for position, argument in enumerate(call.arguments):
        if objection := function.checks[position](argument):
            words, place = _("argument %(place)d of %(name)s %(objection)s."), position + 1
            raise MacroError(words, at=argument.at, place=place, name=call.name, objection=objection)


def _surplus(call: Call, function: Function) -> Position:
    return call.arguments[function.most].at if len(call.arguments) > function.most else call.at


def _amount(function: Function) -> Words:
    least, most = function.least, function.most
    if most == 0:
        return Words(_("no arguments"))
    if least < most:
        return Words(_("%(least)d to %(most)d arguments"), {"least": least, "most": most})
    return Words(_("1 argument")) if least == 1 else Words(_("%(least)d arguments"), {"least": least})


_WORDS = {
    "NAME": _("a name"),
    "PART": _("a name"),
    "STRING": _("a text in single quotes"),
    "INTEGER": _("a number"),
    "DOT": "“.”",
    "COMMA": "“,”",
    "LPAR": "“(”",
    "RPAR": "“)”",
    "VBAR": "“|”",
    "RBRACE": "“}”",
}


def _syntax_error(error: UnexpectedInput) -> MacroError:
    assert isinstance(error, UnexpectedToken)
    token, parser = error.token, error.interactive_parser
    accepted = cast("Callable[[], set[str]]", parser.accepts)()
    if token.type == "$END":
        opening = next(value for value in reversed(parser.parser_state.value_stack) if _is_opening(value))
        return MacroError(_("this macro is not closed; “}” is missing."), at=_at(opening))
    if token.startswith("'"):
        if "STRING" in accepted:
            return MacroError(_("the closing quote is missing."), at=_at(token))
        return MacroError(_("a text in quotes can't stand here."), at=_at(token))
    wanted = [words for name, words in _WORDS.items() if name in accepted]
    words = _("“%(found)s” can't stand here; expected %(wanted)s.")
    return MacroError(words, at=_at(token), found=token[:1], wanted=either(wanted))


def _is_opening(value: object) -> bool:
    return isinstance(value, Token) and value.type == "OPEN"


_PARSER = Lark(GRAMMAR, parser="lalr", start="template", maybe_placeholders=False, transformer=_Builder())
