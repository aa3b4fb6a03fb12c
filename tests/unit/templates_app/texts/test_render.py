"""A channel's texts and values into a message's parts."""

import pytest

from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.render import compiled, parse_sender, render
from transports.types import AddressKind, ChannelKind, Reason, ReasonCode, Recipient

VALUES = {"user": {"displayname": "Ana <b>", "mail": "ana@example.com"}, "enrollment": {"pin": "4711"}}


def made(*wordings, kind=ChannelKind.SMTP, values=VALUES, language="", secrets=frozenset(), **fields):
    channel = compiled(Content((Channel(kind=kind, wordings=wordings, **fields),)))[kind]
    return render(channel, values, language=language, zone="", secrets=secrets)


def test_a_mail_has_all_its_parts():
    wording = Wording(subject="Hi\n${user.displayname}", message="${user.sn}", html="<p>${user.displayname}${user.sn}")
    parts = made(wording, sender="${desk 'Help desk'} <help@example.com>")
    assert (parts.sender, parts.subject) == ("Help desk <help@example.com>", "Hi Ana <b>")
    assert (parts.text, parts.html) == ("", "<p>Ana &lt;b&gt;")
    assert (parts.empty, parts.masked) == (("user.sn",), None)


@pytest.mark.parametrize(
    ("language", "chosen"),
    [("de", "de"), ("de-AT", "de"), ("pt-BR", "pt-BR"), ("pt_br", "pt-BR"), ("pt-PT", ""), ("", ""), ("fr", "")],
)
def test_a_language_falls_back_to_its_shorter_tag_and_then_to_the_default(language, chosen):
    assert made(*(Wording(tag, subject=tag) for tag in ("", "de", "pt-BR")), language=language).subject == chosen


@pytest.mark.parametrize(("subject", "message"), [("x", ""), ("", "x"), (" ", "x"), ("", "")])
def test_an_incomplete_language_is_passed_over_for_the_next_complete_one(subject, message):
    texts = (Wording("", "s", "m"), Wording("de", "S", "M"), Wording("de-AT", subject, message, html="h"))
    parts = made(*texts, language="de-AT")
    assert (parts.subject, parts.text, parts.html) == ("S", "M", "")


def test_without_a_default_text_there_is_an_empty_one():
    assert made(Wording("de", subject="x"), language="fr").subject == ""


def test_secrets_are_masked_in_every_part():
    wording = Wording(subject="s ${enrollment.pin}", message="m ${enrollment.pin}", html="h ${enrollment.pin}")
    parts = made(wording, secrets=frozenset({"enrollment.pin"}), sender="${enrollment.pin}")
    shown = parts.masked
    assert (parts.sender, parts.subject, parts.text, parts.html) == ("4711", "s 4711", "m 4711", "h 4711")
    assert (shown.sender, shown.subject, shown.text, shown.html) == ("******", "s ******", "m ******", "h ******")


def test_a_text_that_uses_no_secret_has_no_masked_one():
    assert made(Wording(subject="${user.mail}"), secrets=frozenset({"enrollment.pin"})).masked is None


def test_an_sms_has_line_feeds_and_a_push_its_sound():
    assert made(Wording(message="a\r\nb"), kind=ChannelKind.SMS).text == "a\nb"
    assert made(Wording(message="a"), kind=ChannelKind.SECURE_HUB, sound="Casino").sound == "Casino"


@pytest.mark.parametrize(
    ("kind", "character", "most"),
    [
        (ChannelKind.SMTP, "x", 100_000),
        (ChannelKind.SMS, "ж", 1_600),
        (ChannelKind.SECURE_HUB, "x", 4_096),
        (ChannelKind.SECURE_HUB, "ж", 2_048),
    ],
)
def test_a_text_over_the_limit_of_its_channel_is_refused(kind, character, most):
    wording = Wording(message="${user.sn}")
    assert len(made(wording, kind=kind, values={"user": {"sn": character * most}}).text) == most
    reason = made(wording, kind=kind, values={"user": {"sn": character * (most + 1)}})
    assert isinstance(reason, Reason)
    assert reason.code is ReasonCode.TEXT_TOO_LONG


def test_what_is_no_date_is_noted_once():
    wording = Wording(message="${user.mail | date('dd')}" * 2)
    assert made(wording).empty == ("not a date: user.mail",)


def test_dates_and_numbers_are_in_the_language_of_the_recipient():
    assert made(Wording(message="${'1234.5' | number(1)}"), language="de").text == "1.234,5"


def mail(address, name=""):
    return Recipient(AddressKind.MAIL, address, name=name)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("", None),
        ("  ", None),
        ("Help desk", mail("", "Help desk")),
        ("help@example.com", mail("help@example.com")),
        ('"Help, desk" <help@example.com>', mail("help@example.com", "Help, desk")),
        ("<help@example.com>", mail("help@example.com")),
        ("a <evil@example.org> <help@example.com>", mail("help@example.com", "a <evil@example.org>")),
        ("Help <nobody>", mail("", "Help")),
        ("not@an@address", None),
        ("me @ home", mail("", "me @ home")),
    ],
)
def test_a_sender_is_a_name_an_address_or_both(text, sender):
    assert parse_sender(text) == sender
