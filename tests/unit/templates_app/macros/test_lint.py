"""What a template's author is warned of."""

import pytest

from templates_app.macros.evaluate import Mode, render
from templates_app.macros.lint import lint
from templates_app.macros.names import NAMES
from templates_app.macros.problems import Severity


def only(source, **options):
    (problem,) = lint(source, mode=options.pop("mode", Mode.TEXT), **options)
    return problem


@pytest.mark.parametrize(
    ("source", "column", "suggestions"),
    [
        ("${usr.mail}", 3, ("user.mail",)),
        ("Hi ${evnt.data.x}", 6, ("event.data.x",)),
        ("${zzzzzzz.mail}", 3, ()),
        ("${enrollment.pn}", 3, ("enrollment.pin",)),
        ("${event.tipe}", 3, ("event.type",)),
        ("${enrollment.pin.x}", 3, ("enrollment.pin",)),
        ("${admin.Mail}", 3, ("admin.mail",)),
        ("${x | default(console.nam)}", 15, ("console.name",)),
        ("${firstnotnull(user.mail, certificate.nam)}", 27, ("certificate.name",)),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_suggested(source, column, suggestions):
    problem = only(source)
    assert problem.severity is Severity.ERROR
    assert (problem.line, problem.column) == (1, column)
    assert problem.suggestions[:1] == suggestions


@pytest.mark.parametrize("name", [name.path for name in NAMES] + ["event.data.a.0", "department", "custom.x", "user.y"])
def test_a_name_that_may_be_used_is_no_problem(name):
    assert lint(f"${{{name}}}", mode=Mode.TEXT) == ()


def test_bad_syntax_is_the_only_problem_then():
    assert only("${usr.mail} ${").column == 13


STORED = frozenset({"device.ROOM", "user.costcentre"})


@pytest.mark.parametrize(
    ("source", "suggestions"),
    [
        ("${device.ROM}", ("device.ROOM",)),
        ("${user.ROOM}", ()),
        ("${user.costcenter}", ("user.costcentre",)),
        ("${room}", ("device.ROOM",)),
        ("${custom.qqqqqq}", ()),
    ],
)
def test_a_property_that_nobody_has_is_a_warning(source, suggestions):
    problem = only(source, properties=STORED)
    assert problem.severity is Severity.WARNING
    assert problem.suggestions[:1] == suggestions


def test_stored_properties_and_known_ones_are_no_problem():
    source = "${device.ROOM} ${ROOM} ${costcentre} ${custom.ROOM} ${user.mail} ${mail} ${event.data.x}"
    assert lint(source, mode=Mode.TEXT, properties=STORED) == ()


@pytest.mark.parametrize("mode", [Mode.SUBJECT, Mode.SENDER, Mode.RECIPIENT])
@pytest.mark.parametrize("character", "\r\n\0\v\f\x85\u2028\u2029")
def test_a_line_break_in_a_header_is_refused(mode, character):
    problem = only(f"ab${{x}}c{character}d", mode=mode)
    assert (problem.severity, problem.line, problem.column) == (Severity.ERROR, 1, 8)


def test_a_second_break_is_found_where_it_stands():
    problems = lint("$${a${x}b${'\n'}c\rd", mode=Mode.SUBJECT)
    assert [(problem.line, problem.column) for problem in problems] == [(2, 4)]
    assert (only("$${a\vb", mode=Mode.SUBJECT).line, only("$${a\vb", mode=Mode.SUBJECT).column) == (1, 5)


@pytest.mark.parametrize(
    ("source", "line", "column", "macro"),
    [
        ("US$${event.data.price}", 1, 3, "${event.data.price}"),
        ("Costs: $${event.data.price | number(2)} today", 1, 8, "${event.data.price | number(2)}"),
        ("${x}\nab $${firstnotnull(user.mail, user.mobile)}", 2, 4, "${firstnotnull(user.mail, user.mobile)}"),
        ("$$${price 'x'}", 1, 2, "${price 'x'}"),
        ("$${b c}", 0, 0, ""),
        ("write $${ and more", 0, 0, ""),
        ("$${", 0, 0, ""),
        ("$${'$'}", 1, 1, "${'$'}"),
    ],
)
def test_what_looks_like_a_macro_and_is_none_is_a_warning_that_tells_the_remedy(source, line, column, macro):
    found = lint(source, mode=Mode.TEXT)
    if not macro:
        assert found == ()
        return
    (problem,) = found
    assert (problem.severity, problem.line, problem.column) == (Severity.WARNING, line, column)
    assert f"“{macro}” is sent as it stands" in problem.message
    assert f"${{'$'}}{macro}" in problem.message


def test_the_remedy_of_the_lint_writes_a_dollar_before_the_value():
    made = render("US${'$'}${event.data.price}", {"event": {"data": {"price": 5}}})
    assert (made.text, lint("US${'$'}${event.data.price}", mode=Mode.TEXT)) == ("US$5", ())


def test_a_line_break_in_a_body_is_fine():
    assert lint("a\r\nb", mode=Mode.TEXT) == ()


def test_problems_stand_in_the_order_of_the_text():
    problems = lint("${usr.a}\n${evnt.b}", mode=Mode.SUBJECT)
    assert [(problem.line, problem.column) for problem in problems] == [(1, 3), (1, 9), (2, 3)]
    assert str(problems[0]).startswith("Line 1, column 3: there are no names that begin with usr. Did you mean user.a")


@pytest.mark.parametrize("source", ["${%s(a)}", "${%s}", "${%s.b}", "${event.%s}", "${a | %s}"])
def test_an_endless_name_is_not_repeated_in_full(source):
    problem = only(source % ("x" * 9_000), properties=STORED | {"device.a"})
    assert "x…" in problem.message
    assert len(str(problem)) < 200


GERMAN = {
    "Line %(line)d, column %(column)d: %(message)s": "Zeile %(line)d, Spalte %(column)d: %(message)s",
    "argument %(place)d of %(name)s %(objection)s.": "Argument %(place)d von %(name)s %(objection)s.",
    "is no date pattern: %(reason)s": "ist kein Datumsmuster: %(reason)s",
    "a quote in the date pattern is not closed": "ein Zitat ist offen",
    "%(problem)s Did you mean %(names)s?": "%(problem)s Meinten Sie %(names)s?",
    "%(before)s or %(last)s": "%(before)s oder %(last)s",
    "there is no function %(name)s.": "es gibt keine Funktion %(name)s.",
}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "${a | date('''')}",
            "Zeile 1, Spalte 12: Argument 1 von date ist kein Datumsmuster: ein Zitat ist offen.",
        ),
        (
            "${a | toerCase}",
            "Zeile 1, Spalte 7: es gibt keine Funktion toerCase. Meinten Sie toUpperCase, toLowerCase oder truncate?",
        ),
    ],
)
def test_a_problem_is_said_in_another_language_with_all_its_parts(source, words):
    assert only(source).said(lambda text: GERMAN.get(text, text)) == words
