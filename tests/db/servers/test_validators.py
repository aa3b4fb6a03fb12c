"""What an SMTP server must be like to be stored, however it comes in."""

import pytest
from django.core.exceptions import ValidationError

from foundation.audit import Actor
from foundation.secrets import Secret
from servers.edits import create
from servers.models import SmtpServer
from servers.smtp.forms import SmtpServerForm
from servers.smtp.kind import SMTP
from servers.smtp.providers import GOOGLE, MICROSOFT_365, PROVIDERS
from servers.smtp.validators import clean_smtp, port_for, smtp_warnings
from tests.wire.certificates import Authority

pytestmark = pytest.mark.django_db
SIGNED_IN = {"authentication": True, "username": "anna", "password": Secret.of("pass word")}


def server(**fields):
    usual = {"name": "Mail", "host": "mail.example.com", "from_email": "it@example.com", "unencrypted_accepted": True}
    return SmtpServer(**{**usual, **fields})


def problems(**fields):
    with pytest.raises(ValidationError) as refused:
        clean_smtp(server(**fields))
    return {name: [problem.code for problem in found] for name, found in refused.value.error_dict.items()}


def test_the_defaults_are_the_manuals():
    made = server()
    clean_smtp(made)
    assert (made.security, made.port, made.authentication, made.spa) == ("none", 25, False, False)
    assert (made.retries, made.timeout, made.max_recipients) == (5, 30, 100)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" Mail.Example.COM. ", "mail.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("mail.bücher.example", "mail.xn--bcher-kva.example"),
        ("relay", "relay"),
    ],
)
def test_a_host_is_a_name_or_an_address(given, stored):
    made = server(host=given)
    clean_smtp(made)
    assert made.host == stored


@pytest.mark.parametrize(
    "host",
    [
        "smtp://mail.example.com",
        "mail.example.com:25",
        "mail example",
        "-a.example",
        "a..b",
        "999.1.2.3",
        "ma/il",
        "ü" * 300,
    ],
)
def test_what_is_no_host_is_refused(host):
    assert problems(host=host)["host"]


@pytest.mark.parametrize("name", ["name", "host", "from_email"])
def test_a_required_field_may_not_be_empty(name):
    assert problems(**{name: "  "}) == {name: ["blank"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "smtp"),
        ("retries", 101),
        ("timeout", 0),
        ("timeout", 601),
        ("max_recipients", 0),
        ("max_recipients", 10_001),
        ("security", "starttls"),
        ("tls_minimum", "1.0"),
        ("mechanism", "NTLM"),
        ("from_email", "it at example.com"),
        ("from_email", "it@example.com, x@example.com"),
        ("envelope_sender", "bounces@"),
    ],
)
def test_a_value_outside_its_range_is_refused(name, value):
    assert list(problems(**{name: value})) == [name]


@pytest.mark.parametrize(
    "name", ["name", "host", "username", "from_name", "from_email", "envelope_sender", "oauth_scope"]
)
@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x85", "\u2028", "\ud800"])
def test_no_single_line_takes_a_control_character(name, character):
    assert problems(**{name: f"a{character}b"})[name] == ["control_character"]


def test_lines_are_allowed_where_there_are_lines():
    clean_smtp(server(description="one\r\ntwo"))
    assert problems(description="one\0two") == {"description": ["control_character"]}
    assert problems(description="x" * 10_000) == {"description": ["max_length"]}


def test_what_is_no_text_is_refused():
    assert problems(host=None, name=7) == {"name": ["no_text"], "host": ["no_text"]}


def test_the_name_is_unique_and_a_change_may_keep_it():
    first = server()
    clean_smtp(first)
    create(first, kind=SMTP, actor=Actor("somebody"))
    assert problems() == {"name": ["unique"]}
    clean_smtp(SmtpServer.objects.get())


@pytest.mark.parametrize("mechanism", ["AUTO", "PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_password_goes_unencrypted_only_where_that_is_meant(mechanism):
    fields = {**SIGNED_IN, "mechanism": mechanism, "unencrypted_accepted": False}
    if mechanism == "CRAM-MD5":
        clean_smtp(server(**fields))
    else:
        assert problems(**fields) == {"unencrypted_accepted": ["unencrypted"]}
    clean_smtp(server(**fields, security="tls", port=587))
    clean_smtp(server(**SIGNED_IN, spa=True, unencrypted_accepted=False))


def test_choosing_tls_takes_the_leave_to_go_without_it_back():
    made = server(**SIGNED_IN, security="tls", port=587)
    clean_smtp(made)
    assert not made.unencrypted_accepted


def test_authentication_needs_user_name_and_password():
    assert problems(authentication=True) == {"username": ["required"], "password": ["required"]}
    clean_smtp(server(**SIGNED_IN))
    clean_smtp(server(authentication=False, username="", password=""))


@pytest.mark.parametrize("word", ["a\0b", "a\nb", "x" * 5000])
def test_a_password_that_no_server_could_be_told_is_refused(word):
    assert problems(**SIGNED_IN | {"password": word}) == {"password": ["secret"]}


def test_a_server_stored_by_another_meanwhile_gets_no_password_that_was_loaded_before():
    made = server(**SIGNED_IN)
    clean_smtp(made)
    create(made, kind=SMTP, actor=Actor("somebody"))
    loaded = SmtpServer.objects.get()
    loaded.refresh_from_db()
    SmtpServer.objects.update(host="evil.example", password=Secret.of("theirs"))
    loaded.host = "evil.example"
    with pytest.raises(ValidationError) as refused:
        clean_smtp(loaded)
    assert list(refused.value.error_dict) == ["password"]


def test_a_password_keeps_its_spaces_and_letters():
    made = server(**SIGNED_IN | {"password": Secret.of("  pässwörd ")})
    clean_smtp(made)
    assert made.password.reveal() == "  pässwörd "


def test_spa_needs_authentication_and_no_other_mechanism():
    assert problems(spa=True) == {"spa": ["authentication_off"]}
    assert problems(**SIGNED_IN, spa=True, mechanism="LOGIN") == {"mechanism": ["spa"]}
    clean_smtp(server(**SIGNED_IN, spa=True))


def test_ntlm_version_1_counts_only_with_spa():
    made = server(**SIGNED_IN, ntlm_v1=True)
    clean_smtp(made)
    assert made.ntlm_v1 is False


def test_xoauth2_needs_what_a_token_is_fetched_with_and_no_password():
    fields = {"authentication": True, "username": "it@example.com", "mechanism": "XOAUTH2"}
    assert set(problems(**fields)) == {"oauth_token_url", "oauth_client_id", "oauth_client_secret"}
    fields |= {"oauth_client_id": "id", "oauth_client_secret": Secret.of("s")}
    for address in ("http://login.example.com/token", "ftp://x.example", "https://a:b@x.example/"):
        assert list(problems(**fields, oauth_token_url=address)) == ["oauth_token_url"]
    clean_smtp(server(**fields, oauth_token_url="https://login.example.com/token"))


def test_the_ca_bundle_holds_certificates_and_no_private_key(tmp_path):
    pem = Authority(tmp_path).pem
    clean_smtp(server(ca_bundle=pem))
    assert problems(ca_bundle="hello") == {"ca_bundle": ["pem"]}
    assert problems(ca_bundle=pem + "-----BEGIN PRIVATE KEY-----") == {"ca_bundle": ["private_key"]}


def test_only_ports_that_the_operator_allows(settings):
    settings.XMNOTIFY_SMTP_PORTS = frozenset({25, 465})
    clean_smtp(server(port=465))
    assert problems(port=22) == {"port": ["port_not_allowed"]}


def test_several_problems_are_told_at_once():
    assert set(problems(name="", host="a b", from_email="x", timeout=0)) == {"name", "host", "from_email", "timeout"}


@pytest.mark.parametrize(
    ("change", "port"),
    [
        ({"security": "ssl", "port": 25, "before": "none", "port_before": 25}, 465),
        ({"security": "ssl", "port": 587, "before": "tls", "port_before": 587}, 465),
        ({"security": "ssl", "port": 2525, "before": "none", "port_before": 2525}, 2525),
        ({"security": "ssl", "port": 25, "before": "none", "port_before": 2525}, 25),
        ({"security": "ssl", "port": 25, "before": "ssl", "port_before": 25}, 25),
        ({"security": "tls", "port": 25, "before": "none", "port_before": 25}, 25),
    ],
)
def test_choosing_ssl_sets_port_465_unless_the_port_was_chosen(change, port):
    assert port_for(**change) == port


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({}, set()),
        ({"timeout": 29}, {"timeout"}),
        ({"security": "tls", "verify_certificate": False}, {"verify_certificate"}),
        ({"authentication": True}, {"security"}),
        ({"authentication": True, "mechanism": "CRAM-MD5"}, set()),
        ({"security": "ssl"}, {"port"}),
        ({"spa": True, "ntlm_v1": True}, {"ntlm_v1"}),
    ],
)
def test_what_is_risky_is_warned_about(fields, warned):
    assert set(smtp_warnings(server(**fields))) == warned


@pytest.mark.parametrize("outer", ["\u200b", "\ufeff", "\u00a0", "\u3000", "\u202e", " \t"])
def test_what_stands_unseen_around_a_text_is_cut_off(outer):
    fields = {"name": "Mail", "host": "mail.example.com", "from_email": "it@example.com", "username": "anna"}
    made = server(**{**SIGNED_IN, **{name: f"{outer}{value}{outer}" for name, value in fields.items()}})
    clean_smtp(made)
    assert {name: getattr(made, name) for name in fields} == fields


@pytest.mark.parametrize("inner", ["\u200b", "\ufeff", "\u00ad", "\u00a0", "\u202e", "\u3164"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from_email", "i{}t@example.com"),
        ("from_email", "it@exam{}ple.com"),
        ("envelope_sender", "bounces{}@example.com"),
        ("host", "mail{}.example.com"),
        ("username", "an{}na"),
    ],
)
def test_nothing_unseen_stands_inside_an_address_a_host_or_a_user_name(name, value, inner):
    assert list(problems(**{**SIGNED_IN, name: value.format(inner)})) == [name]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (MICROSOFT_365.fields, {"oauth_token_url": ["placeholder"]}),
        (
            MICROSOFT_365.fields | {"oauth_token_url": "https://login.microsoftonline.com/a-tenant/oauth2/v2.0/token"},
            {},
        ),
        (GOOGLE.fields, {"oauth_client_secret": ["key_file"]}),
        (
            GOOGLE.fields | {"oauth_client_secret": Secret.of('{"private_key": "none"}')},
            {"oauth_client_secret": ["key_file"]},
        ),
    ],
)
def test_what_a_provider_fills_in_lacks_what_is_the_customers_own_alone(fields, expected):
    own = {"username": "it@example.com", "oauth_client_id": "id", "oauth_client_secret": Secret.of("secret")}
    if expected:
        assert problems(**own | fields) == expected
    else:
        clean_smtp(server(**own | fields))


def test_every_provider_fills_fields_of_the_form_and_has_four_steps_or_none():
    for provider in PROVIDERS:
        assert set(provider.fields) <= {*SmtpServerForm.main, *SmtpServerForm.advanced}
        assert len(provider.steps) in {0, 4}
