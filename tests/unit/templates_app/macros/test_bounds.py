"""What evaluating one text may cost: counted, whatever it was given."""

import time
import tracemalloc

import pytest

from templates_app.macros.budget import MAX_OUTPUT, MOST_CHARACTERS, MOST_STEPS, Budget, TextTooLongError
from templates_app.macros.evaluate import Mode, evaluate, program, render
from templates_app.macros.functions import PIPES
from templates_app.macros.grammar import MAX_LITERAL, MAX_MACROS, MAX_PIPES, parse
from templates_app.macros.problems import MacroError
from templates_app.macros.recipients import entries, fill

LONGEST = {
    "default": f"default('{'x' * MAX_LITERAL}')",
    "join": f"join('{'x' * MAX_LITERAL}')",
    "replace": f"replace('x', '{'y' * MAX_LITERAL}')",
    "padLeft": "padLeft(1000, '0')",
    "substring": "substring(0)",
    "split": "split('@', 0)",
    "truncate": "truncate(100000)",
    "date": "date('yyyy')",
    "number": "number(10)",
}
LARGE = {
    "text": "x" * 80_000,
    "words of other letters": "ß\u0301" * 40_000,
    "list": ["x"] * 200_000,
    "list of nothing": [""] * 200_000,
    "nested": [[["x" * 10] * 100] * 100] * 100,
    "mapping": {str(number): "x" * 100 for number in range(2_000)},
}


def rendered(text, value, **options):
    return render(text, {"event": {"data": {"x": value}}}, **options)


@pytest.mark.parametrize("kind", sorted(LARGE))
@pytest.mark.parametrize("pipe", sorted(PIPES))
def test_no_functions_output_is_larger_than_its_bound_nor_is_more_built(pipe, kind):
    call = LONGEST.get(pipe, pipe)
    text = program(f"${{event.data.x | {call} | {call}}}", mode=Mode.TEXT)
    values = {"event": {"data": {"x": LARGE[kind]}}}
    evaluated(text, values)
    tracemalloc.start()
    try:
        found = evaluated(text, values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) <= MAX_OUTPUT
    assert peak < 40 * MAX_OUTPUT  # a text of four bytes a character, some of them at a time


def evaluated(text, values):
    try:
        return evaluate(text, values).text
    except TextTooLongError:
        return ""


@pytest.mark.parametrize("kind", sorted(LARGE))
def test_a_value_that_stands_alone_is_bounded_too(kind):
    if kind == "text":
        assert rendered("${event.data.x}", LARGE[kind]).text == LARGE[kind]
        return
    with pytest.raises(TextTooLongError):
        rendered("${event.data.x}", LARGE[kind], limit=1_600)


@pytest.mark.parametrize(
    "text",
    [
        "${event.data.x" + " | urlEncode" * 20 + "}",
        "${event.data.x" + " | replace('x', 'xx')" * 20 + "}",
        "${event.data.x | join('" + "y" * MAX_LITERAL + "')}",
    ],
)
def test_what_grows_too_large_is_refused_with_its_place(text):
    with pytest.raises(TextTooLongError, match=r"in line 2, column 5"):
        rendered("x\n    " + text, ["ü"] * 2_000 if "join" in text else "ü" * 8_000 + "x" * 8_000)


def test_all_macros_of_a_text_share_its_characters():
    value = "x" * 10_000
    budget = Budget()
    each = "${event.data.x | toUpperCase | substring(0, 1)}"
    evaluate(program(each, mode=Mode.TEXT), {"event": {"data": {"x": value}}}, budget=budget)
    assert budget.characters == 10_000 + 10_000 + 10_000 + 1
    fit = MOST_CHARACTERS // budget.characters
    assert rendered(each * fit, value).text == "X" * fit
    with pytest.raises(TextTooLongError, match=f"column {fit * len(each) + 1}"):
        rendered(each * (fit + 1), value)


def test_all_macros_of_a_text_share_its_steps():
    names = ["x"] * 5_000
    budget = Budget()
    each = "${event.data.x | join('') | substring(0, 1)}"
    evaluate(program(each, mode=Mode.TEXT), {"event": {"data": {"x": names}}}, budget=budget)
    assert budget.steps == 5_000 + 2
    fit = MOST_STEPS // budget.steps
    assert rendered(each * fit, names).text == "x" * fit
    with pytest.raises(TextTooLongError, match="steps"):
        rendered(each * (fit + 1), names)


def test_lists_that_are_put_together_count_before_they_are_printed():
    values = {"event": {"reasons": {"smg_block": [""] * 50_000}}}
    with pytest.raises(TextTooLongError, match="steps"):
        render("${outofcompliance.reason(smg_block) | count}" * 10, values)


def test_the_largest_text_of_small_values_is_within_its_budget():
    pipes = " | toUpperCase" * MAX_PIPES
    text = ("${event.data.x" + pipes + "}") * (100_000 // (len(pipes) + 15))
    assert set(rendered(text, "x").text) == {"X"}
    assert len(rendered("${event.data.x}" * MAX_MACROS, "x" * 100).text) == 100_000


@pytest.mark.parametrize("text", ["${x '%s'}", "${'%s'}", "${x | default('%s')}", "${x | join('%s')}"])
def test_a_text_in_quotes_is_bounded(text):
    parse(text % ("y" * MAX_LITERAL))
    with pytest.raises(MacroError, match="1,000 characters"):
        parse(text % ("y" * (MAX_LITERAL + 1)))


def test_a_recipient_gets_a_small_share():
    (entry,) = entries("${event.data.x | trim | substring(0, 9)}")
    assert fill(entry, {"event": {"data": {"x": "a@b.c"}}}).address == "a@b.c"
    assert not fill(entry, {"event": {"data": {"x": "x" * 30_000}}}).address


@pytest.mark.parametrize("pipe", sorted(PIPES))
def test_twice_the_text_takes_no_more_than_twice_the_time(pipe):
    call = LONGEST.get(pipe, pipe)
    value = "é1 " * 200
    half, whole = (program(f"${{event.data.x | {call}}} " * count, mode=Mode.TEXT) for count in (40, 80))
    values = {"event": {"data": {"x": value}}}
    assert least_time(whole, values) <= 2.5 * least_time(half, values) + 0.002


def least_time(text, values):
    taken = []
    for _ in range(15):
        before = time.process_time()
        evaluated(text, values)
        taken.append(time.process_time() - before)
    return min(taken)
