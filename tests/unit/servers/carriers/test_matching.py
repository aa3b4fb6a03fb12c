"""Names of carriers, and the address that a mail becomes an SMS at."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.carriers import matching
from servers.values import CarrierRoute, NumberFormat
from transports.addresses import mail_address

NUMBER = "+14155552671"


@pytest.mark.parametrize(
    "names",
    [
        ("AT&T", "at&t", "AT&T Wireless", "AT & T", "AT&T Mobility", "Cingular", "\uff21\uff34\uff06\uff34"),
        ("T-Mobile", "T-Mobile US", "T Mobile USA", "T\u2011Mobile", "T-Mobile, Inc."),
        ("Verizon", "Verizon Wireless", "VERIZON"),
        ("Vodafone", "vodafone UK", "Vodafone.de", "Vodafone®"),
        ("O2", "o2-de", "O2 (UK)"),
        ("3", "Three", "3 UK"),
        ("Boost", "Boost Mobile"),
        ("U.S. Cellular", "US Cellular"),
        ("Télécom", "Te\u0301le\u0301com"),
    ],
)
def test_these_names_mean_one_carrier(names):
    assert len({matching.key(name) for name in names}) == 1


def test_these_names_mean_different_carriers():
    names = ("AT&T", "T-Mobile", "Telekom", "Verizon", "Vodafone", "O2", "3", "China Mobile", "China Telecom", "E-Plus")
    assert len({matching.key(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["", "  ", "--", "Carrier", "carrier", "N/A", "Unknown", "none", "No SIM", "📵"])
def test_what_names_no_carrier_has_no_key(name):
    assert matching.key(name) == ""


@given(st.text())
def test_a_key_is_its_own_key_and_has_letters_and_digits_only(name):
    found = matching.key(name)
    assert matching.key(found) == found
    assert all(unicodedata.category(sign)[0] in "LMN" for sign in found)


@given(st.text(), st.sampled_from(["Wireless", "MOBILE", "cellular"]))
def test_case_white_space_and_a_common_word_do_not_count(name, word):
    found = matching.key(name)
    assert matching.key(f"  {name} ") == found
    assert matching.key(f"{name} {word}") in {found, matching.key(word), matching.key(f"{name}{word}")}


@pytest.mark.parametrize(
    ("number_format", "prefix", "address"),
    [
        (NumberFormat.NATIONAL, "", "4155552671@sms.example"),
        (NumberFormat.NATIONAL, "TwoWay.", "TwoWay.4155552671@sms.example"),
        (NumberFormat.COUNTRY_CODE, "", "14155552671@sms.example"),
        (NumberFormat.PLUS, "", "+14155552671@sms.example"),
    ],
)
def test_the_address_is_the_prefix_the_number_and_the_domain(number_format, prefix, address):
    route = CarrierRoute(1, "sms.example", prefix, number_format)
    assert matching.address(route, number=NUMBER) == address
    assert mail_address.normalise(address) == address


def test_italy_keeps_its_leading_zero():
    assert matching.address(CarrierRoute(1, "sms.example"), number="+390612345678") == "0612345678@sms.example"


def test_a_gateway_fits_its_carrier_in_its_country_alone():
    route = CarrierRoute(1, "sms.example")
    routes = {("att", "US"): route}
    assert matching.find(routes, carrier="AT&T Wireless", number=NUMBER) is route
    assert matching.find(routes, carrier="AT&T", number="+14165552671") is None
    assert matching.find(routes, carrier="Verizon", number=NUMBER) is None
    assert matching.find({("", "US"): route}, carrier="--", number=NUMBER) is None
