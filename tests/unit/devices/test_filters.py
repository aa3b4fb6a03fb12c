"""What is a filter, and what is said of what is none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.filters import Condition, Filter, FilterError, Op, parse, version


def one(**condition):
    return {"all": [condition]}


def test_a_filter_is_read():
    read = parse({"any": [{"field": "platform", "op": "is", "value": "iOS"}, {"field": "app", "op": "is_set"}]})
    assert read == Filter(False, (Condition("platform", Op.IS, "iOS"), Condition("app", Op.IS_SET, True)))


def test_values_of_properties_are_compared_as_texts():
    read = parse(one(field="device.ROOM", op="in", value=[4, True, "x", 2.5]))
    assert read.conditions[0].value == ("4", "true", "x", "2.5")


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        (None, ""),
        ([], ""),
        ({}, ""),
        ({"all": [], "any": []}, ""),
        ({"every": []}, ""),
        ({"all": []}, "all"),
        ({"all": {}}, "all"),
        ({"all": [{"field": "app", "op": "is_set"}] * 51}, "all"),
        ({"all": ["x"]}, "all.0"),
        (one(field="platform", op="is", value="iOS", valu=1), "all.0.valu"),
        (one(op="is", value="iOS"), "all.0.field"),
        (one(field="colour", op="is", value="iOS"), "all.0.field"),
        (one(field="device.a b", op="is", value="iOS"), "all.0.field"),
        (one(field="user.", op="is", value="iOS"), "all.0.field"),
        (one(field="platform", op="greater", value="iOS"), "all.0.op"),
        (one(field="platform", op=["is"], value="iOS"), "all.0.op"),
        (one(field="platform", value="iOS"), "all.0.op"),
        (one(field="platform", op="is", value="Symbian"), "all.0.value"),
        (one(field="platform", op="is"), "all.0.value"),
        (one(field="platform", op="in", value="iOS"), "all.0.value"),
        (one(field="platform", op="in", value=[]), "all.0.value"),
        (one(field="carrier", op="in", value=["EE"] * 1001), "all.0.value"),
        (one(field="platform", op="in", value=["iOS", "x"]), "all.0.value.1"),
        (one(field="jailbroken", op="is", value="true"), "all.0.value"),
        (one(field="inactive_days", op="greater", value=True), "all.0.value"),
        (one(field="inactive_days", op="greater", value=-1), "all.0.value"),
        (one(field="inactive_days", op="greater", value=10**12), "all.0.value"),
        (one(field="device.ROOM", op="greater", value="4"), "all.0.value"),
        (one(field="search", op="contains", value=""), "all.0.value"),
        (one(field="search", op="contains", value="\0"), "all.0.value"),
        (one(field="carrier", op="is", value="x" * 1001), "all.0.value"),
        (one(field="app", op="is_set", value="x"), "all.0.value"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(tree, field):
    with pytest.raises(FilterError) as refused:
        parse(tree)
    assert refused.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(["platform", "os_version", "inactive_days", "group", "device.A", "user.b"]) | JSON
CONDITION = st.fixed_dictionaries(
    {"field": FIELD, "op": st.sampled_from([op.value for op in Op]) | JSON, "value": JSON}
)


@given(JSON | st.dictionaries(st.sampled_from(["all", "any"]), st.lists(CONDITION, max_size=3), max_size=1))
def test_nothing_that_json_can_say_breaks_it(tree):
    with contextlib.suppress(FilterError):
        assert parse(tree).conditions


def test_versions_are_compared_number_by_number():
    ordered = ["", "9", "17.1", "17.1.2", "17.10", "26"]
    assert [version(text) for text in ordered] == sorted(version(text) for text in reversed(ordered))
    assert version("17.0") == version("17")
