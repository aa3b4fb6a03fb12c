"""No regular expression takes more than its share of time, whatever it is given: each of the source is tried."""

import re
import time
from contextlib import suppress

import pytest

from dispatch.outbox import fanout
from templates_app.macros.grammar import parse
from templates_app.macros.problems import MacroError
from tests.unit import expressions
from tests.unit.expressions import Expression
from transports.nexmo import hints, replies
from transports.smtp import hints as smtp_hints
from transports.smtp import replies as smtp_replies

SIZES = (8, 16, 20, 24, 28, 40, 64, 100, 160, 256, 1_024, 4_096, 16_384)
ENOUGH = 0.02
"""Seconds; what takes less at the largest size is linear, for a quadratic one would take a hundred times as long."""


def words(*modules):
    """The patterns of tables of rows: their fields that say so."""
    found = []
    for module in modules:
        for value in vars(module).values():
            rows = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
            for row in rows:
                found += [getattr(row, name, "") for name in ("words", "codes", "enhanced")]
    assert any(found)
    return [each for each in dict.fromkeys(found) if each]


TABLES = {
    "transports.stages: row.words": lambda: words(hints, smtp_hints),
    "transports.nexmo.replies: row.words": lambda: words(replies),
    "transports.nexmo.replies: row[0]": lambda: [row[0] for row in replies._HTTP_ROWS],
    "transports.smtp.replies: self.words": lambda: words(smtp_replies),
    "transports.smtp.replies: row.words": lambda: words(smtp_replies),
    "transports.smtp.replies: self.codes": lambda: words(smtp_replies),
    "transports.smtp.replies: self.enhanced": lambda: words(smtp_replies),
}
FOUND = [*expressions.all_of_the_source(tables=TABLES)]
FOUND += expressions.of_the_models()
FOUND.append(Expression("dispatch.outbox.fanout: PLAIN", re.compile(fanout.PLAIN), frozenset({"search"})))


def use(pattern, method, text):
    if method in {"sub", "subn"}:
        getattr(pattern, method)("" if isinstance(text, str) else b"", text)
    else:
        found = getattr(pattern, method)(text)
        if method == "finditer":
            for _ in found:
                pass


def taken(action):
    before = time.process_time()
    action()
    return time.process_time() - before


def slow_at(action_of_size):
    """The size at which time grew far more than size did; None if it never does."""
    last_size = last = None
    for size in SIZES:
        now = taken(lambda size=size: action_of_size(size))
        if now > ENOUGH:
            now = min(now, *(taken(lambda size=size: action_of_size(size)) for _ in range(2)))
        if now > ENOUGH and last_size and now > 2 * (size / last_size) * max(last, ENOUGH / 20):
            return size
        last_size, last = size, now
    return None


def growth(expression):
    for make in expressions.attacks(expression):
        for method in expression.methods:
            size = slow_at(lambda size, make=make, method=method: use(expression.pattern, method, make(size)))
            if size:
                return method, size, make(20)
    return None


def test_the_source_has_expressions_of_each_kind():
    places = {found.place for found in FOUND}
    assert len(places) > 60
    assert {"templates_app.macros.grammar: STRING", "dispatch.outbox.fanout: PLAIN"} < places
    assert any("RECEIPT_PATH" in place for place in places)


@pytest.mark.parametrize("expression", FOUND, ids=lambda found: found.place[:100])
def test_an_expression_takes_time_in_step_with_its_text(expression):
    assert growth(expression) is None


@pytest.mark.parametrize(
    "text", [r"(a+)+b", r"(a|a)*b", r"\s+$", r"(?:x[0-9]*)*y", r"a.*a.*a.*a.*b", r".*x", r"ab.*(c|d)"]
)
def test_one_that_does_not_is_found(text):
    methods = frozenset({"search"})
    assert growth(Expression("here", re.compile(text), methods)) is not None


@pytest.mark.parametrize(
    "text", ["${%s}", "${%s.x}", "${event.%s}", "${x | %s}", "${x | default('%s')}", "$${%s", "${x %s"]
)
@pytest.mark.parametrize("letter", ["a", "0", " ", "'", "$", "${", ".", "-", "\n"])
def test_a_template_is_parsed_in_step_with_its_length(text, letter):
    def action(size):
        with suppress(MacroError):
            parse(text % (letter * size))

    assert slow_at(action) is None
