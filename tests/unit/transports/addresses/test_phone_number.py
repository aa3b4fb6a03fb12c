"""What is a phone number, and what only looks like one."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.addresses import phone_number

MOBILE = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("07700 900123", "GB", "+447700900123"),
        ("+44 (0)7700 900123", "", "+447700900123"),
        (" 0171-2345678 ", "DE", "+491712345678"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("51234", "FK", "+50051234"),
        ("+39 06 1234567", "", "+39061234567"),
        ("+39 (0)6 1234567", "", "+39061234567"),
        ("+49 (0)151 12345678", "", "+4915112345678"),
        ("+49\u202f151\u202f12345678", "", "+4915112345678"),
        ("+49\u2009151\u00a012345678", "", "+4915112345678"),
        ("+49\u2011151\u201312345678", "", "+4915112345678"),
        ("\ufeff\u202a+49 151 12345678\u202c\r\n", "", "+4915112345678"),
        (
            "\uff0b\uff14\uff19 \uff11\uff15\uff11 \uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
            "",
            "+4915112345678",
        ),
        ("\u0660\u0661\u0665\u0661 12345678", "DE", "+4915112345678"),
        ("tel:+49-151-12345678", "", "+4915112345678"),
        ("TEL:+49-151-12345678;isub=1;x-note=home", "", "+4915112345678"),
        ("tel:151-12345678;phone-context=+49", "", "+4915112345678"),
        ("tel:0151-12345678;phone-context=example.com", "DE", "+4915112345678"),
        ("tel:0151-12345678", "DE", "+4915112345678"),
    ],
)
def test_a_number_is_read_as_of_its_country(written, country, number):
    assert phone_number.normalise(written, country=country) == number


@pytest.mark.parametrize("country", ["", "AF", "DE", "GB", "US"])
@pytest.mark.parametrize(
    "written",
    [
        "",
        "0",
        "+1",
        "+",
        "anna",
        "0800-FLOWERS",
        "1" * 30,
        "12345",
        "110",
        "911",
        "60300",
        "4" * 41,
        "tel:",
        "tel:anna",
    ],
)
def test_what_no_sms_can_go_to_is_refused(written, country):
    with pytest.raises(ValueError):
        phone_number.normalise(written, country=country)


@pytest.mark.parametrize(
    "inner", ["\u200b", "\u00ad", "\u200e", "\u2060", "\t", "\r\n", "\0", "\u2028", "\ufeff", "\ud800"]
)
def test_what_stands_unseen_inside_a_number_makes_it_none(inner):
    with pytest.raises(ValueError, match=r"U\+"):
        phone_number.normalise(f"+49151{inner}12345678", country="DE")


@pytest.mark.parametrize(
    "written", ["+49 30 12345678 #5", "tel:+49-30-12345678;ext=5", "+4930123456;ext=5", "+49 30 123456~12"]
)
def test_a_number_with_an_extension_is_refused(written):
    with pytest.raises(ValueError):
        phone_number.normalise(written, country="DE")


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("491755762074", "DE", "+491755762074"),  # as a national number it is valid too: a line in Leer
        ("49 175 5762074", "DE", "+491755762074"),
        ("447911123456", "US", "+447911123456"),
        ("447911123456", "GB", "+447911123456"),
        ("393312345678", "IT", "+393312345678"),
        ("3312345678", "IT", "+393312345678"),
        ("0491755762074", "DE", "+49491755762074"),
        ("1755762074", "DE", "+491755762074"),
        ("14155552671", "US", "+14155552671"),
        ("959123456", "ES", "+34959123456"),
        ("tel:491755762074", "DE", "+491755762074"),
    ],
)
def test_a_mobile_whose_plus_is_missing_goes_to_no_strangers_line(written, country, number):
    assert phone_number.normalise(written, country=country) == number


@pytest.mark.parametrize(("written", "country"), [("447911123456", "DE"), ("33612345678", "DE"), ("491755762074", "")])
def test_a_number_that_may_be_of_two_countries_is_refused(written, country):
    with pytest.raises(ValueError):
        phone_number.normalise(written, country=country)


@pytest.fixture(scope="module")
def mobiles():
    """One of each country, in E.164."""
    kind = phonenumbers.PhoneNumberType.MOBILE
    found = [phonenumbers.example_number_for_type(region, kind) for region in phonenumbers.SUPPORTED_REGIONS]
    return [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in found if number]


@pytest.mark.parametrize("country", ["AT", "BR", "CN", "DE", "ES", "FI", "GB", "IT", "US"])
def test_no_mobile_without_its_plus_becomes_a_line_of_the_gateways_country(country, mobiles):
    for number in mobiles:
        try:
            found = phone_number.normalise(number[1:], country=country)
        except ValueError:
            continue
        assert found == number or phonenumbers.number_type(phonenumbers.parse(found)) in MOBILE, (number, found)


@given(
    st.text(max_size=30) | st.from_regex(r"\+?[0-9 \u202f\u2011()/.-]{5,20}", fullmatch=True),
    st.sampled_from(["", "DE", "US", "IT"]),
)
def test_a_normal_form_is_its_own_and_has_digits_alone(text, country):
    try:
        found = phone_number.normalise(text, country=country)
    except ValueError:
        return
    assert found[0] == "+"
    assert found[1:].isascii()
    assert found[1:].isdigit()
    assert phone_number.normalise(found, country=country) == found


def test_a_number_without_its_area_code_is_refused():
    with pytest.raises(ValueError):
        phone_number.normalise("5552671", country="US")


def test_a_possible_number_may_not_be_valid():
    assert phone_number.normalise("07700900123", country="GB")
    assert not phone_number.is_valid("+447700900123")
    assert phone_number.is_valid("+14155552671")
    assert not phone_number.is_valid("+0")


@pytest.mark.parametrize(
    ("number", "country", "national"),
    [
        ("+14155552671", "US", "4155552671"),
        ("+14165552671", "CA", "4165552671"),
        ("+447700900123", "GB", "7700900123"),
        ("+390612345678", "IT", "0612345678"),
        ("+3833812345", "XK", "3812345"),
    ],
)
def test_a_number_tells_its_country_and_its_national_part(number, country, national):
    assert phone_number.country_of(number) == country
    assert phone_number.national(number) == national


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("+49 170 1234567", "491701234567"),
        ("0049-170/1234567", "491701234567"),
        ("+49 (0)170 1234567", "491701234567"),
        ("(0170) 123.45", "17012345"),
        ("tel:+1-555-010-0000", "15550100000"),
        ("\uff0b49\u2011170", "49170"),
        ("170", "170"),
        ("0017", ""),
        ("+", ""),
        ("S170", ""),
        ("a@170.example", ""),
        ("", ""),
    ],
)
def test_a_part_of_a_number_in_any_spelling_is_its_digits_and_anything_else_is_none(typed, digits):
    assert phone_number.part(typed) == digits
