"""What each function makes of a value."""

from datetime import UTC, date, datetime

import pytest

from templates_app.macros.budget import TextTooLongError
from templates_app.macros.dates import locale_of, time_zone
from templates_app.macros.evaluate import render
from templates_app.macros.functions import OPERANDS, PIPES


def made(pipe, value, **options):
    return render(f"${{custom.x | {pipe}}}", {"device": {"x": value}}, **options)


@pytest.mark.parametrize(
    ("value", "pipe", "text"),
    [
        ("ÀB", "toLowerCase", "àb"),
        ("straße", "toUpperCase", "STRASSE"),
        ("ana SILVA", "capitalize", "Ana SILVA"),
        (" \tx\n", "trim", "x"),
        ("abcdef", "substring(2)", "cdef"),
        ("abcdef", "substring(0, 4)", "abcd"),
        ("abc", "substring(1, 99)", "bc"),
        ("abc", "substring(5)", ""),
        ("abc", "substring(2, 1)", ""),
        ("a@b.c", "split('@', 1)", "b.c"),
        ("a@b.c", "split('@', 2)", ""),
        ("a-b-c", "replace('-', '+')", "a+b+c"),
        ("abc", "truncate(3)", "abc"),
        ("abcd", "truncate(3)", "ab…"),
        ("abcd", "truncate(1)", "…"),
        ("👩‍👩‍👧x", "truncate(2)", "👩‍👩‍👧x"),
        ("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", "truncate(2)", "👩‍👩‍👧…"),
        ("e\u0301e\u0301e\u0301", "truncate(2)", "e\u0301…"),
        (7, "padLeft(3, '0')", "007"),
        ("abcd", "padLeft(3, '0')", "abcd"),
        ("a b/ü~-._", "urlEncode", "a%20b%2F%C3%BC~-._"),
        (["a", 1, True], "join(' / ')", "a / 1 / true"),
        ("a", "join(' / ')", "a"),
        (["a", "b"], "count", "2"),
        ([], "count", "0"),
        (None, "count", "0"),
        ("", "count", "0"),
        (0, "count", "1"),
        (None, "default('x')", "x"),
        (None, "default(5)", "5"),
        (None, "default(device.x)", ""),
        ("a", "default('x')", "a"),
        (False, "default('x')", "false"),
        ("x", "substring(1) | default('y')", "y"),
        (1234567.5, "number(2)", "1,234,567.50"),
        ("2.5", "number(0)", "3"),
        ("-0.125", "number(2)", "-0.13"),
        (3, "number(0)", "3"),
        ("2026-11-22T14:00:00+01:00", "date('yyyy-MM-dd HH:mm')", "2026-11-22 13:00"),
        ("2026-11-22T14:00:00", "date('HH:mm:ss XXX')", "14:00:00 Z"),
        ("2026-11-22", "date('yy M d dd ''on'' EEEE, MMMM ''''')", "26 11 22 22 on Sunday, November '"),
        (" 2026-03-02T00:05:09Z ", "date('h:mm:ss a hh H HH EEE MMM MM')", "12:05:09 AM 12 0 00 Mon Mar 03"),
        ("2026-03-02T15:05:09Z", "date('h a')", "3 PM"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "date('dd HH')", "02 03"),
        (date(2026, 1, 2), "date('yyyy MMM')", "2026 Jan"),
    ],
)
def test_a_function_gives(value, pipe, text):
    assert made(pipe, value).text == text


@pytest.mark.parametrize(
    "pipe", ["toUpperCase", "padLeft(5, '0')", "truncate(3)", "join('x')", "date('dd')", "number(2)"]
)
def test_an_empty_value_passes_by_every_function(pipe):
    rendered = made(pipe, "")
    assert (rendered.text, rendered.empty, rendered.notes) == ("", ("custom.x",), ())


@pytest.mark.parametrize(
    "value", ["soon", True, ["2026-11-22"], 5, "2026-13-01", "0001-01-01T00:00:00+14:00", "9" * 99]
)
def test_a_value_that_is_no_date_is_empty_and_noted(value):
    rendered = made("date('yyyy')", value, zone="America/New_York")
    assert (rendered.text, rendered.notes, rendered.empty) == ("", ("not a date: custom.x",), ())


@pytest.mark.parametrize("value", ["x", True, "1_0", "٣", "nan", float("inf"), float("nan"), 1e300, "1" * 40])
def test_a_value_that_is_no_number_is_empty_and_noted(value):
    rendered = made("number(2)", value)
    assert (rendered.text, rendered.notes) == ("", ("not a number: custom.x",))


def test_a_default_stands_in_for_what_is_no_date():
    assert made("date('yyyy') | default('no date')", "soon").text == "no date"


def test_dates_are_in_the_recipients_zone_and_language():
    moment = "2026-07-01T22:30:00Z"
    made_of = made("date('EEEE, d. MMMM yyyy HH:mm XXX')", moment, zone="Europe/Berlin", language="de-DE")
    assert made_of.text == "Donnerstag, 2. Juli 2026 00:30 +02:00"
    assert made("date('HH:mm XXX')", moment, zone="America/St_Johns").text == "20:00 -02:30"


def test_numbers_have_the_separators_of_the_language():
    assert made("number(2)", 1234567.891, language="de").text == "1.234.567,89"
    assert made("number(2)", 1234567.891, language="en-IN").text == "1,234,567.89"


@pytest.mark.parametrize("language", ["xx", "", "../../etc", "e", "en-XX-YY", "zz_ZZ"])
def test_an_unknown_language_is_english(language):
    assert locale_of(language).language == "en"


def test_a_language_of_an_unknown_land_is_the_language():
    assert str(locale_of("pt-BR")) == "pt_BR"
    assert str(locale_of("de-XX")) == "de"


@pytest.mark.parametrize("zone", ["", "Nowhere/Atall", "../../etc/passwd", "Europe", "a\0b"])
def test_an_unknown_zone_is_utc(zone):
    assert time_zone(zone) is UTC


def test_replace_cannot_blow_up():
    with pytest.raises(TextTooLongError, match="65,536 characters"):
        render("${'" + "a" * 1000 + "' | replace('a', '" + "a" * 200 + "')}", {})


@pytest.mark.parametrize("function", [*PIPES.values(), *OPERANDS.values()])
def test_every_function_says_what_it_does(function):
    assert function.meaning
    assert function.usage
    assert 0 <= function.least <= function.most == len(function.checks)
