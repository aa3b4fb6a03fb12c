"""The quick way to read JSON takes nothing that the exact one would take differently."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.kit import strict_json
from api.kit.problems import ProblemError

TEXTS = st.text(st.sampled_from('ab":\\ \n\t\0é😀\ud800{}[],'), max_size=6) | st.text(max_size=4)
NUMBERS = st.integers() | st.floats() | st.integers(0, 400).map(lambda digits: 10**digits)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def json_texts(draw):
    """JSON, or nearly: with and without white space and escapes, with a name twice, cut, or with a byte changed."""
    spaces = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]))
    text = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), separators=spaces)
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(['"a"', '"\\u0061"', '":"', '"b\\\\"', '"c\\""']), max_size=4))
        text = "{" + ",".join(f"{name}{spaces[1]}{text}" for name in names) + "}"
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if raw and draw(st.integers(0, 4)) == 0:
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.sampled_from(b'"\\:,{}[]0\xff \x00'))
    return bytes(raw)


def outcome(read):
    try:
        return repr(read())
    except ProblemError as problem:
        return problem.status, problem.detail, problem.errors


@given(json_texts())
@example(b'{"a":1,"a":2}')
@example(b'{"a" :1,"a":":"}')
@example(b'{"a\\\\":1,"a\\\\":2}')
@example(b'{"\\"":1,"\\"":2}')
@example(b'["\\ud800"]')
@example(b'["\\udc00"]')
@example(b'["\\\\u0000"]')
@example(b"1" * 400)
@example(b"[-0, 1e999, 1E400]")
def test_both_ways_read_the_same_or_refuse_for_the_same_reason(raw):
    def exactly():
        tree = strict_json._read_exactly(raw)
        strict_json.check(tree)
        return tree

    assert outcome(lambda: strict_json.parse(raw).checked()) == outcome(exactly)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"a","data":{"text":"Gr\\u00fc\\u00dfe \\"x\\": \\\\","n":[1,2.5,{"b":null}]}}',
        '{"type": "ü", "data": {"path": "C:\\\\x"}}'.encode(),
    ],
)
def test_an_ordinary_body_is_read_the_quick_way(raw):
    assert strict_json.parse(raw).clean


@pytest.mark.parametrize("levels", [20, 21])
def test_more_levels_than_are_taken_are_left_to_the_check(levels):
    assert strict_json.parse(b"[" * levels + b"]" * levels).clean == (levels == 20)


@pytest.mark.parametrize("run", [b"9" * 299 + b"-", b"9" * 9 + b".", b'" ', b"\\u000"])
def test_no_body_takes_many_times_as_long_as_another_of_its_size(run):
    def least_time(body):
        taken = []
        for _ in range(5):
            before = time.process_time()
            assert strict_json._DOUBTFUL.search(body) is None
            taken.append(time.process_time() - before)
        return min(taken)

    assert least_time(run * (2_000_000 // len(run))) < 10 * least_time(b"x" * 2_000_000)
