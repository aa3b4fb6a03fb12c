"""What is a phone number, and what only looks like one."""

import pytest

from transports import phone_number


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("07700 900123", "GB", "+447700900123"),
        ("+44 (0)7700 900123", "", "+447700900123"),
        (" 0171-2345678 ", "DE", "+491712345678"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("51234", "FK", "+50051234"),
        ("+39 06 1234567", "", "+39061234567"),
    ],
)
def test_a_number_is_read_as_of_its_country(written, country, number):
    assert phone_number.normalise(written, country=country) == number


@pytest.mark.parametrize("country", ["", "AF", "DE", "GB", "US"])
@pytest.mark.parametrize(
    "written", ["", "0", "+1", "+", "anna", "0800-FLOWERS", "1" * 30, "12345", "110", "911", "60300", "4" * 41]
)
def test_what_no_sms_can_go_to_is_refused(written, country):
    with pytest.raises(ValueError):
        phone_number.normalise(written, country=country)


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
