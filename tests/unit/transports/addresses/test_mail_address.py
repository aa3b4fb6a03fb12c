"""What a mail address and a Sender are read as."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.addresses import mail_address

INVISIBLE = (
    "\u200b",  # zero width space
    "\u200d",  # zero width joiner
    "\ufeff",  # byte order mark
    "\u00ad",  # soft hyphen
    "\u200e",  # left-to-right mark
    "\u202e",  # right-to-left override
    "\u2066",  # left-to-right isolate
    "\u2060",  # word joiner
    "\U000e0041",  # tag
)
BLANK = (" ", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u2029", "\u202f", "\x85")
FILLERS = ("\u3164", "\u115f", "\u034f", "\ufe0f", "\u2800", "\uffa0")
FORBIDDEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}


@pytest.mark.parametrize("outer", [*BLANK, *INVISIBLE])
def test_what_stands_unseen_around_an_address_is_cut_off(outer):
    assert mail_address.normalise(f"{outer}ada@example.org{outer}{outer}") == "ada@example.org"


@pytest.mark.parametrize("inner", [*BLANK, *INVISIBLE, *FILLERS, "\0", "\x7f", "\ud800"])
@pytest.mark.parametrize("address", ["a{}da@example.org", "ada{}@example.org", "ada@exa{}mple.org"])
def test_what_stands_unseen_inside_an_address_makes_it_none(address, inner):
    with pytest.raises(ValueError):
        mail_address.normalise(address.format(inner))


def test_a_character_that_cannot_be_seen_is_named():
    with pytest.raises(ValueError, match=r"U\+200B"):
        mail_address.normalise("a\u200bda@example.org")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Ops@Example.ORG", "Ops@example.org"),
        ("Ops@[IPv6:2001:DB8::1]", "Ops@[IPv6:2001:db8::1]"),
        ("Jörg@BÜCHER.example", "Jörg@xn--bcher-kva.example"),
        ("Ops@XN--Bcher-KVA.example", "Ops@xn--bcher-kva.example"),
        ("Ops@Bücher\u3002Example", "Ops@xn--bcher-kva.example"),
    ],
)
def test_the_case_of_a_domain_does_not_count_and_that_of_the_local_part_stays(written, sent):
    assert mail_address.normalise(written) == sent


@given(st.text(max_size=40) | st.from_regex(r"\s*[A-Za-z.\u00ad\u200b]{1,8}@[A-Za-z\u00fc.]{1,12}\s*", fullmatch=True))
def test_a_normal_form_is_its_own_and_holds_nothing_unseen(text):
    try:
        found = mail_address.normalise(text)
    except ValueError:
        return
    assert mail_address.normalise(found) == found
    assert not any(unicodedata.category(character) in FORBIDDEN for character in found)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        (r'"Ops \"Night\" Team" <ops@example.org>', 'Ops "Night" Team', "ops@example.org"),
        (r'"DOMAIN\\admin" <a@example.org>', r"DOMAIN\admin", "a@example.org"),
        ('Störungsdienst; "Nacht" <a@example.org>', 'Störungsdienst; "Nacht"', "a@example.org"),
        ('"Nacht"; Störungsdienst <a@example.org>', '"Nacht"; Störungsdienst', "a@example.org"),
        ('"Ops" and "Night" <a@example.org>', '"Ops" and "Night"', "a@example.org"),
        ('"Nacht"; "Ops" <a@example.org>', '"Nacht"; "Ops"', "a@example.org"),
        (r"DOMAIN\admin <a@example.org>", r"DOMAIN\admin", "a@example.org"),
        (r'"DOMAIN\admin" <a@example.org>', r"DOMAIN\admin", "a@example.org"),
        ('"Ada "the first" Smith" <a@example.org>', 'Ada "the first" Smith', "a@example.org"),
        ('"Smith, Ada" <a@example.org>', "Smith, Ada", "a@example.org"),
        ('"Team <night>" <a@example.org>', "Team <night>", "a@example.org"),
        (r'"Ends in \\" <a@example.org>', "Ends in \\", "a@example.org"),
        ('" Ops " <a@example.org>', "Ops", "a@example.org"),
        ('"" <a@example.org>', "", "a@example.org"),
        ('" <a@example.org>', '"', "a@example.org"),
        ("\ufeffOps\u00a0 < a@example.org >\u200b", "Ops", "a@example.org"),
        ("<a@example.org>", "", "a@example.org"),
        (" a@example.org\u00a0", "", "a@example.org"),
        (r'"Ops \"Night\" Team"', 'Ops "Night" Team', ""),
        ("Ops", "Ops", ""),
        ("", "", ""),
        ("Ops <no address>", "Ops", "no address"),
    ],
)
def test_a_sender_is_read_as_people_mean_it(text, name, address):
    assert mail_address.parse_sender(text) == (name, address)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=30))
def test_a_quoted_name_comes_back_whole(name):
    name = name.strip()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert mail_address.parse_sender(f'"{quoted}" <a@example.org>') == (name, "a@example.org")


@given(st.from_regex(r"[\x20-\x7e]{0,40}", fullmatch=True))
def test_the_name_in_a_header_is_the_name_that_was_read(text):
    name, _ = mail_address.parse_sender(f"{text} <a@example.org>")
    if name:
        header = mail_address.mailbox("a@example.org", name=name)
        if "=?" not in header:
            assert mail_address.parse_sender(header) == (name, "a@example.org")


@given(st.text(max_size=60))
def test_no_sender_is_a_crash(text):
    name, address = mail_address.parse_sender(text)
    assert name == name.strip()
    assert address == address.strip()
