"""Recipient fields: no value can add or change a recipient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates_app.macros.problems import MacroError
from templates_app.macros.recipients import Filled, entries, fill


def filled(field, values=None):
    return [fill(entry, values or {}) for entry in entries(field)]


def test_a_field_is_split_at_semicolons_and_empty_ones_dropped():
    assert [entry.source for entry in entries(" ${user.mail} ; admin@example.com;; \n")] == [
        "${user.mail}",
        "admin@example.com",
    ]
    assert entries("") == ()


def test_a_semicolon_inside_a_macro_splits_nothing():
    (entry,) = entries("${user.mail | replace(';', '')}")
    assert fill(entry, {"user": {"mail": "a@b.c;"}}) == Filled(entry.source, "a@b.c")


def test_a_macro_may_be_a_part_of_an_address():
    assert filled("${user.loginname}@b.c", {"user": {"loginname": "ana"}})[0].address == "ana@b.c"


@pytest.mark.parametrize("value", ["a@b.c;d@e.f", "a@b.c,d@e.f", "a@b.c d@e.f", "a@b.c\td@e.f", "a\u00a0@b.c"])
def test_a_value_with_a_separator_is_no_address(value):
    (result,) = filled("${user.mail}", {"user": {"mail": value}})
    assert result == Filled("${user.mail}", "", reason="holds “;”, “,” or white space")


@pytest.mark.parametrize("value", [" a@b.c", "a@b.c\t", "a@b.c\u00a0", "\ufeffa@b.c", "\u200ba@b.c\u2003"])
def test_what_stands_unseen_around_an_address_is_cut_off(value):
    assert filled("${user.mail}", {"user": {"mail": value}})[0].address == "a@b.c"
    assert filled("\ufeff${user.mail}\u00a0", {"user": {"mail": value}})[0].address == "a@b.c"


def test_nothing_but_what_cannot_be_seen_is_empty():
    assert filled("${user.mail}", {"user": {"mail": "\u00a0\u200b"}})[0].reason == "empty"


def test_white_space_of_the_templates_own_stays():
    assert filled("+49 30 123456; ${user.mobile}", {"user": {"mobile": "+49 30 1"}}) == [
        Filled("+49 30 123456", "+49 30 123456"),
        Filled("${user.mobile}", "", reason="holds “;”, “,” or white space"),
    ]


def test_a_number_may_be_spaced_but_is_one():
    (entry,) = entries("${user.mobile}")
    assert fill(entry, {"user": {"mobile": "+49 30\u202f1"}}, spaced=True).address == "+49 30\u202f1"
    for several in ("+49 30 1, +49 30 2", "+49 30 1;+49 30 2"):
        found = fill(entry, {"user": {"mobile": several}}, spaced=True)
        assert (found.address, found.reason) == ("", "holds “;” or “,”")


def test_line_breaks_of_a_value_are_removed_before_it_is_judged():
    assert filled("${user.mail}", {"user": {"mail": "a@b.c\r\n"}})[0].address == "a@b.c"


def test_a_part_of_an_address_is_never_used():
    (result,) = filled("${user.loginname}@b.c")
    assert (result.address, result.reason) == ("", "empty: user.loginname")


def test_an_empty_default_is_no_recipient():
    assert filled("${user.mail ''}") == [Filled("${user.mail ''}", "", reason="empty")]


def test_an_endless_value_is_no_address():
    assert filled("${user.mail}", {"user": {"mail": "x" * 321}})[0].reason == "longer than 320 characters"


def test_a_bad_field_is_an_error():
    with pytest.raises(MacroError):
        entries("a@b.c; ${user.")


@given(st.text())
def test_no_value_makes_more_recipients_than_the_field_has(value):
    results = filled("${user.mail}; x@y.z", {"user": {"mail": value}})
    assert len(results) == 2
    assert not any(separator in results[0].address for separator in ";, \r\n\t")
