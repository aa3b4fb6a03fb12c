"""What is wrong with a value is said in plain words, whatever it is and wherever."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import pytest
from msgspec import Meta, inspect

from api.kit import expected, operation
from api.kit.problems import ProblemError
from api.v1.table import OPERATIONS

VALUES = (None, True, 7, 10**30, -1, 1.5, "x", "", "x" * 5_000, [], [7], ["x"] * 600, {}, {"a": 7}, {"a": {}})
JARGON = ("`", "Expected", "Invalid", "enum", "array", "str ", "datetime", "RFC", "regex", "length")


def message(value, into):
    with pytest.raises(ProblemError) as caught:
        operation.read(value, into=into)
    return caught.value.detail


@pytest.mark.parametrize(
    ("value", "into", "words"),
    [
        ("x", dict | None, "Give an object or null, not a text."),
        (1, str, "Give a text, not a whole number."),
        (None, str, "Give a text, not null."),
        ([1], str | int | dict | None, "Give a whole number, a text, an object or null, not a list."),
        (1.5, int, "Give a whole number, not a decimal number."),
        (True, int, "Give a whole number, not true or false."),
        (1, datetime, f"Give {expected.TIME}, not a whole number."),
        ("x", datetime, f"Give {expected.TIME}."),
        (
            "2026-11-22T14:00:00",
            Annotated[datetime, Meta(tz=True)],
            f"Give {expected.TIME}.",
        ),
        ("x", UUID, "Give an id such as 01a20457-3f09-746b-90d3-dba1359cf3e3."),
        ("xxx", Annotated[str, Meta(max_length=2)], "Give a text of at most 2 characters."),
        ("", Annotated[str, Meta(min_length=1)], "Give a text of at least 1 character."),
        ([], Annotated[list, Meta(min_length=1)], "Give a list of at least 1 member."),
        ([1, 2], Annotated[list, Meta(max_length=1)], "Give a list of at most 1 member."),
        ({"a": 1, "b": 2}, Annotated[dict, Meta(max_length=1)], "Give an object of at most 1 member."),
        (0, Annotated[int, Meta(ge=1)], "Give a whole number, at least 1."),
        (11, Annotated[int, Meta(le=10)], "Give a whole number, at most 10."),
    ],
)
def test_each_kind_of_value_has_its_words(value, into, words):
    assert message(value, into) == words


def places(info, *, value):
    """Values of the type's shape, each with `value` in one place."""
    yield value
    if isinstance(info, inspect.StructType):
        for field in info.fields:
            yield from ({field.encode_name: inner} for inner in places(field.type, value=value))
    elif isinstance(info, inspect.UnionType):
        for one in info.types:
            yield from places(one, value=value)
    elif isinstance(info, inspect.Metadata):
        yield from places(info.type, value=value)
    elif isinstance(info, inspect.ListType):
        yield from ([inner] for inner in places(info.item_type, value=value))
    elif isinstance(info, inspect.DictType):
        yield from ({"a": inner} for inner in places(info.value_type, value=value))


BODIES = {one.body for one in OPERATIONS if one.body is not None}


@pytest.mark.parametrize("body", sorted(BODIES, key=str), ids=str)
def test_no_refusal_of_a_body_speaks_of_types_of_the_program(body):
    refusals = set()
    for value in VALUES:
        for given in places(inspect.type_info(body), value=value):
            try:
                operation.read(given, into=body)
            except ProblemError as problem:
                refusals.add(problem.detail)
    plain = {words for words in refusals if not words.startswith("Object ")}
    assert plain
    assert [words for words in plain if any(word in words for word in JARGON)] == []
