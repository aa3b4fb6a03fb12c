"""From text to tree and back, and what an author is told about a mistake."""

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from templates_app.macros.evaluate import Mode
from templates_app.macros.functions import MAX_TEXT
from templates_app.macros.grammar import MAX_MACROS, parse
from templates_app.macros.lint import lint
from templates_app.macros.problems import MacroError, Severity
from templates_app.macros.tree import Call, Literal, Macro, Number, Position, Reference, Template, Text, to_source

INPUTS = int(os.environ.get("XMNOTIFY_MACRO_INPUTS", "300"))
ROUND = 10_000
ROUNDS = range(-(-INPUTS // ROUND))

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
paths = st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,6}", fullmatch=True), max_size=3)
references = st.builds(lambda name, path: Reference((name, *path)), names, paths)
literals = st.text(max_size=8).map(Literal)
pipes = st.one_of(
    st.sampled_from(["toLowerCase", "toUpperCase", "capitalize", "trim", "urlEncode", "count"]).map(Call),
    st.builds(lambda n: Call("substring", (Number(n),)), st.integers(0, 99)),
    st.builds(lambda n: Call("truncate", (Number(n),)), st.integers(1, 99)),
    st.builds(lambda n: Call("number", (Number(n),)), st.integers(0, 10)),
    st.builds(lambda n, c: Call("padLeft", (Number(n), Literal(c))), st.integers(0, 99), st.characters(codec="utf-8")),
    st.builds(lambda a, n: Call("split", (Literal(a), Number(n))), st.text(min_size=1, max_size=3), st.integers(0, 5)),
    st.builds(lambda a, b: Call("replace", (Literal(a), Literal(b))), st.text(min_size=1, max_size=3), st.text()),
    st.builds(lambda a: Call("join", (a,)), literals),
    st.builds(lambda a: Call("default", (a,)), st.one_of(literals, references, st.integers(0, 9).map(Number))),
    st.sampled_from(["yyyy-MM-dd", "EEEE d MMMM HH:mm:ss XXX", "'a'", "h 'o''clock' a"]).map(
        lambda pattern: Call("date", (Literal(pattern),))
    ),
)
operands = st.one_of(
    literals,
    references,
    st.builds(lambda found: Call("firstnotnull", tuple(found)), st.lists(references, min_size=1, max_size=4)),
    st.builds(lambda word: Call("outofcompliance.reason", (Reference((word,)),)), names),
)
macros = st.one_of(
    st.builds(
        lambda name, text, calls: Macro(name, text, tuple(calls)), references, st.text(), st.lists(pipes, max_size=20)
    ),
    st.builds(lambda operand, calls: Macro(operand, None, tuple(calls)), operands, st.lists(pipes, max_size=20)),
)
texts = st.text(alphabet=st.one_of(st.sampled_from("${}'|.;\r\n"), st.characters(codec="utf-8")), min_size=1).map(Text)


def as_parsed(parts):
    """The tree that a text can give: a "$" right before a macro has to be a macro of its own."""
    joined = []
    for part in parts:
        if joined and isinstance(part, Text) and isinstance(joined[-1], Text):
            joined[-1] = Text(joined[-1].value + part.value)
        elif joined and isinstance(part, Macro) and isinstance(joined[-1], Text) and joined[-1].value.endswith("$"):
            before = joined.pop().value
            plain = before.rstrip("$")
            joined += [Text(plain)] if plain else []
            joined += [Macro(Literal(before[len(plain) :])), part]
        else:
            joined.append(part)
    return Template(tuple(joined))


templates = st.lists(st.one_of(texts, macros), max_size=6).map(as_parsed)
WORDS = "${ } $${ $ ' '' | ( ) , . ; - user mail 4 -1 é x-y default substring firstnotnull date(' ${user.mail}"
pieces = st.sampled_from([*WORDS.split(), *" \n\0\u2028", "outofcompliance.reason"])
sources = st.one_of(st.text(), st.lists(st.one_of(pieces, st.characters()), max_size=40).map("".join))


@given(templates)
def test_a_printed_tree_parses_to_itself(template):
    assert parse(to_source(template)) == template


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ROUNDS)
@settings(max_examples=min(INPUTS, ROUND))
@given(sources)
@example("$$${x}")
@example("${a | default(007)}")
def test_no_text_crashes_the_parser_and_what_parses_can_be_printed(part, source):
    problems = [problem for problem in lint(source, mode=Mode.TEXT) if problem.severity is Severity.ERROR]
    lines = source.split("\n")
    for problem in problems:
        assert problem.message
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1])
    if not problems:
        assert parse(to_source(parse(source))) == parse(source)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("", ()),
        ("$5 {a} $", (Text("$5 {a} $"),)),
        ("$${x}", (Text("${x}"),)),
        ("$$${x}", (Text("$${x}"),)),
        ("$$$${x}", (Text("$$${x}"),)),
        ("$${${a}", (Text("${"), Macro(Reference(("a",))))),
        ("${ user . mail }", (Macro(Reference(("user", "mail"))),)),
        ("${\n a\t'b' }", (Macro(Reference(("a",)), "b"),)),
        ("${user.mobile 'not known'}", (Macro(Reference(("user", "mobile")), "not known"),)),
        ("${a 'it''s'}", (Macro(Reference(("a",)), "it's"),)),
        ("${a '}'}", (Macro(Reference(("a",)), "}"),)),
        ("${'x'}", (Macro(Literal("x")),)),
        ("${event.data.apps.0.x-y}", (Macro(Reference(("event", "data", "apps", "0", "x-y"))),)),
        ("${user.mail | toLowerCase}", (Macro(Reference(("user", "mail")), None, (Call("toLowerCase"),)),)),
        ("${a|trim()}", (Macro(Reference(("a",)), None, (Call("trim"),)),)),
        (
            "${outofcompliance.reason(smg_block)}",
            (Macro(Call("outofcompliance.reason", (Reference(("smg_block",)),))),),
        ),
        (
            "${firstnotnull(device.TEL_NUMBER,device.serialNumber)}",
            (
                Macro(
                    Call("firstnotnull", (Reference(("device", "TEL_NUMBER")), Reference(("device", "serialNumber"))))
                ),
            ),
        ),
    ],
)
def test_a_template_is_read_as_the_manual_shows(source, parts):
    assert parse(source).parts == parts


def test_parts_know_where_they_began():
    text, macro = parse("one\ntwo ${ user.mail | trim }").parts
    assert (text.at, macro.at) == (Position(1, 1), Position(2, 5))
    assert (macro.operand.at, macro.pipes[0].at) == (Position(2, 8), Position(2, 20))


@pytest.mark.parametrize(
    ("source", "line", "column", "said"),
    [
        ("${", 1, 1, "not closed"),
        ("a\nb ${user.mail | trim", 2, 3, "not closed"),
        ("${user.mail 'x}", 1, 13, "closing quote"),
        ("${'a' 'b'}", 1, 7, "text in quotes can't stand here"),
        ("${}", 1, 3, "“}” can't stand here; expected a name or a text in single quotes"),
        ("${a b}", 1, 5, "“b” can't stand here"),
        ("${a | }", 1, 7, "expected a name."),
        ("${a.}", 1, 5, "expected a name."),
        ("${a $${", 1, 5, "“$” can't stand here"),
        ("${a | trim(}", 1, 12, "expected a name, a text in single quotes, a number or “)”"),
        ("${nothing(a)}", 1, 3, "no function nothing"),
        ("${a.b.c(x)}", 1, 3, "no function a.b.c"),
        ("${a | nothing}", 1, 7, "no function nothing"),
        ("${a | substring}", 1, 7, "needs 1 to 2 arguments, as in substring(0, 4)"),
        ("${a | substring(1, 2, 3)}", 1, 23, "needs 1 to 2 arguments"),
        ("${a | trim(1)}", 1, 12, "needs no arguments"),
        ("${a | truncate}", 1, 7, "needs 1 argument,"),
        ("${a | split('-')}", 1, 7, "needs 2 arguments"),
        ("${a | substring(-1)}", 1, 17, "argument 1 of substring must be a whole number from 0"),
        ("${a | substring('1')}", 1, 17, "must be a whole number"),
        ("${a | substring(0, 100001)}", 1, 20, "to 100000"),
        ("${a | truncate(0)}", 1, 16, "from 1 to"),
        ("${a | padLeft(1001, 'x')}", 1, 15, "from 0 to 1000"),
        ("${a | padLeft(3, 'xy')}", 1, 18, "one character"),
        ("${a | number(11)}", 1, 14, "from 0 to 10"),
        ("${a | replace('', 'x')}", 1, 15, "not empty"),
        ("${a | replace(b, 'x')}", 1, 15, "text in single quotes"),
        ("${a | replace('x', b)}", 1, 20, "text in single quotes"),
        ("${a | date('')}", 1, 12, "must be a date pattern"),
        ("${a | date('yyyyy')}", 1, 12, "“yyyyy” is no part of a date"),
        ("${a | date('''')}", 1, 12, "quote in the date pattern is not closed"),
        ("${firstnotnull('a')}", 1, 16, "must be a name"),
        ("${outofcompliance.reason(a.b)}", 1, 26, "must be a bare word"),
        ("${a | default(1234567890)}", 1, 15, "number is too large"),
        ("${a | firstnotnull(b)}", 1, 7, "stands at the beginning of a macro"),
        ("${trim(a)}", 1, 3, "goes after a pipe, as in ${name | trim}"),
        ("${a" + " | trim" * 21 + "}", 1, 147, "20 pipes at most"),
        ("${firstnotnull(" + ",".join("a" * 21) + ")}", 1, 56, "needs 1 to 20 arguments"),
        ("x" * (MAX_TEXT + 1), 1, 1, "100,000 characters"),
        ("${a}" * (MAX_MACROS + 1), 1, 1, "1,000 macros"),
    ],
)
def test_a_mistake_is_told_with_its_place(source, line, column, said):
    with pytest.raises(MacroError) as raised:
        parse(source)
    assert said in raised.value.message
    assert (raised.value.line, raised.value.column) == (line, column)


def test_a_misspelt_function_suggests_the_nearest():
    with pytest.raises(MacroError, match=r"Line 1, column 7: .* Did you mean toUpperCase") as raised:
        parse("${a | toUppercase}")
    assert raised.value.suggestions[0] == "toUpperCase"


def test_a_template_knows_which_values_and_reasons_it_uses():
    template = parse(
        "a ${user.mail | default(device.x)} ${firstnotnull(b, c.d)} ${'x'} ${outofcompliance.reason(smg_block, other)}"
    )
    assert [reference.name for reference in template.references()] == ["user.mail", "device.x", "b", "c.d"]
    assert template.reasons() == {"smg_block", "other"}
