"""What an SMS gateway must be like to be stored, however it comes in."""

import pytest
from django.core.exceptions import ValidationError

from foundation.audit import Actor
from foundation.secrets import Secret
from servers import countries
from servers.edits import change, create
from servers.models import SmsGateway
from servers.sms.kind import SMS
from servers.sms.validators import clean_sms, sms_warnings
from tests.db.world import NOW, smtp_server

pytestmark = pytest.mark.django_db
NUMBER = "12025550123"


def gateway(**fields):
    given = {"name": "SMS", "key": "a1b2c3d4", "secret": Secret.of("s3cret"), "unencrypted_accepted": True, **fields}
    return SmsGateway(**given)


def problems(**fields):
    with pytest.raises(ValidationError) as refused:
        clean_sms(gateway(**fields))
    return {name: [problem.code for problem in found] for name, found in refused.value.error_dict.items()}


def test_the_defaults_are_the_manuals():
    made = gateway()
    clean_sms(made)
    assert (made.kind, made.https, made.country, made.virtual_number) == ("sms", False, "AF", "")
    assert (made.retries, made.timeout, made.rate_limit, made.sender_name) == (5, 30, 30, "xmnotify")
    assert not made.use_carrier_gateways


def test_https_off_needs_to_be_meant():
    assert problems(unencrypted_accepted=False) == {"unencrypted_accepted": ["unencrypted"]}
    clean_sms(gateway(https=True, unencrypted_accepted=False))


def test_switching_https_on_takes_the_leave_to_do_without_back():
    made = gateway(https=True)
    clean_sms(made)
    made.https = False
    with pytest.raises(ValidationError):
        clean_sms(made)


@pytest.mark.parametrize(
    "number",
    ["0", "+1", "number", "1" * 30, "24273", "1 202", "1+202", "1202555012x", "١٢٠٢٥٥٥٠١٢٣", "1" * 10_000],
)
def test_a_virtual_number_has_digits_only_and_is_a_whole_number(number):
    assert problems(virtual_number=number) == {"virtual_number": ["number"]}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (f" {NUMBER} ", NUMBER),
        ("+1 (555) 010-0000", "15550100000"),
        ("+1\N{NO-BREAK SPACE}555\N{NON-BREAKING HYPHEN}010.0000", "15550100000"),
        ("0049 171/123456", "49171123456"),
    ],
)
def test_a_virtual_number_is_stored_as_its_digits(given, stored):
    made = gateway(virtual_number=given)
    clean_sms(made)
    assert made.virtual_number == stored


@pytest.mark.parametrize("name", ["📣", "two words", "more than 11!", "elevenplus12", "über", "a\nb", "x" * 10_000])
def test_a_sender_name_has_eleven_letters_and_digits_at_most(name):
    assert list(problems(sender_name=name)) == ["sender_name"]


def test_something_must_stand_as_the_sender():
    assert problems(sender_name="") == {"sender_name": ["required"]}
    clean_sms(gateway(sender_name="", virtual_number=NUMBER))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"description": "x" * 10_000}, "description"),
        ({"key": ""}, "key"),
        ({"key": "a b"}, "key"),
        ({"key": "x" * 10_000}, "key"),
        ({"secret": Secret()}, "secret"),
        ({"secret": Secret.of("a\nb")}, "secret"),
        ({"secret": Secret.of("x" * 10_000)}, "secret"),
        ({"country": "XX"}, "country"),
        ({"country": ""}, "country"),
        ({"country": "+93"}, "country"),
        ({"retries": 101}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 601}, "timeout"),
        ({"connections": 0}, "connections"),
        ({"rate_limit": -1}, "rate_limit"),
        ({"signature_method": "md5"}, "signature_method"),
        ({"signature_method": "sha256"}, "signature_secret"),
        ({"base_url": "rest.example.com"}, "base_url"),
        ({"base_url": "https://rest.example.com"}, "base_url"),
        ({"base_url": "http://user@rest.example.com"}, "base_url"),
        ({"base_url": "http://rest.example.com/?a=b"}, "base_url"),
        ({"base_url": "http://rest.example.com:99999"}, "base_url"),
        ({"base_url": "ftp://rest.example.com", "https": True}, "base_url"),
        ({"name": 5}, "name"),
    ],
)
def test_a_wrong_field_is_named_once(fields, expected):
    assert list(problems(**fields)) == [expected]


@pytest.mark.parametrize(("before", "after"), [("", "http://evil.example"), ("http://127.0.0.1:18600", "")])
def test_a_stored_secret_is_kept_for_its_base_url_only(before, after):
    made = gateway(base_url=before)
    clean_sms(made)
    create(made, kind=SMS, actor=Actor("somebody"))
    changed = SmsGateway.objects.get()
    changed.base_url = after
    with pytest.raises(ValidationError) as refused:
        clean_sms(changed)
    assert {name: found[0].code for name, found in refused.value.error_dict.items()} == {"secret": "moved"}
    changed.secret = Secret.of("typed again")
    clean_sms(changed)


@pytest.mark.parametrize("change", [{"base_url": "https://rest.example.com/other"}, {"https": False, "base_url": ""}])
def test_a_stored_secret_is_kept_for_its_path_and_https_only(change):
    made = gateway(base_url="https://rest.example.com/nexmo", https=True)
    clean_sms(made)
    create(made, kind=SMS, actor=Actor("somebody"))
    changed = SmsGateway.objects.get()
    for name, value in {"unencrypted_accepted": True, **change}.items():
        setattr(changed, name, value)
    with pytest.raises(ValidationError) as refused:
        clean_sms(changed)
    assert {name: found[0].code for name, found in refused.value.error_dict.items()} == {"secret": "moved"}


def test_the_base_url_fits_the_https_switch():
    clean_sms(gateway(base_url="http://127.0.0.1:18600"))
    clean_sms(gateway(base_url="https://rest.example.com/nexmo", https=True))


def test_names_are_unique_over_both_kinds():
    smtp_server(name="SMS")
    assert list(problems()) == ["name"]


def test_the_first_one_is_active_and_each_has_a_receipt_address_of_its_own():
    first, second = gateway(), gateway(name="Second")
    for made in (first, second):
        clean_sms(made)
        create(made, kind=SMS, actor=Actor("somebody"))
    assert (first.active, second.active) == (True, False)
    tokens = [SmsGateway.objects.get(pk=made.pk).receipt_token.reveal() for made in (first, second)]
    assert len(set(tokens)) == 2
    assert all(len(token) >= 20 for token in tokens)
    change(second, kind=SMS, actor=Actor("somebody"), now=NOW)
    assert SmsGateway.objects.get(pk=second.pk).receipt_token.reveal() == tokens[1]


def test_what_is_risky_is_told_at_its_field():
    assert set(sms_warnings(gateway())) == {"https", "virtual_number"}
    assert sms_warnings(gateway(https=True, virtual_number="12025550123")) == {}
    assert set(sms_warnings(gateway(https=True, virtual_number="447700900123"))) == {"virtual_number"}


def test_the_countries_stand_in_order_with_accents_folded():
    shown = [label for _code, label in countries.choices()]
    assert shown[:4] == ["Afghanistan +93", "Åland Islands +358", "Albania +355", "Algeria +213"]
    assert len(shown) == 245
    assert countries.named("XK") == "Kosovo +383"
