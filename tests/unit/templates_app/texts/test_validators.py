"""What refuses a template, and what only warns."""

import pytest
from django.core.exceptions import ValidationError

from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.validators import SOUNDS, check, check_type, missing, refuse
from templates_app.types import ADHOC, BY_CODE
from transports.types import ChannelKind

SMTP, SMS, PUSH = ChannelKind.SMTP, ChannelKind.SMS, ChannelKind.SECURE_HUB
ALL = frozenset({SMTP, SMS, PUSH})
GOOD = {
    SMTP: Channel(SMTP, active=True, recipient="${user.mail}", wordings=(Wording(subject="s", message="m"),)),
    SMS: Channel(SMS, active=True, recipient="${user.mobile}", wordings=(Wording(message="m"),)),
    PUSH: Channel(PUSH, active=True, sound="default", wordings=(Wording(message="m"),)),
}


def found(*channels, code="device.jailbroken", ready=ALL, **options):
    findings = check(Content(channels), kind=BY_CODE[code], ready=ready, **options)
    return [(finding.field, finding.code) for finding in findings]


def changed(kind, **fields):
    good = GOOD[kind]
    names = ("active", "sender", "recipient", "sound", "wordings")
    return Channel(kind, **{name: fields.get(name, getattr(good, name)) for name in names})


def test_complete_channels_are_fine():
    assert found(*GOOD.values()) == []


@pytest.mark.parametrize(("kind", "expected"), [(SMTP, ["no_server"]), (SMS, ["no_server"]), (PUSH, [])])
def test_a_channel_without_a_server_cannot_be_switched_on(kind, expected):
    assert [code for _, code in found(GOOD[kind], ready=())] == expected


def test_a_channel_that_is_on_stays_on_without_a_server():
    assert found(*GOOD.values(), ready=(), before=Content(tuple(GOOD.values()))) == []
    assert found(GOOD[SMS], ready=(), before=Content((GOOD[SMTP],))) == [("sms.active", "no_server")]


def test_a_type_has_its_channels_only():
    assert found(GOOD[SMS], code="system.license_expiring") == [("sms.active", "unsupported")]


def test_a_channel_stands_once():
    assert found(GOOD[SMS], GOOD[SMS]) == [("channels", "twice")]


@pytest.mark.parametrize(
    ("channel", "fields"),
    [
        (changed(SMTP, recipient=" ", wordings=()), ["smtp.recipient", "smtp.subject"]),
        (changed(SMTP, wordings=(Wording(subject="s"),)), []),
        (changed(SMS, recipient="", wordings=(Wording(message=" "),)), ["sms.recipient", "sms.message"]),
        (changed(PUSH, wordings=()), ["secure_hub.message"]),
        (changed(SMS, wordings=(Wording("de", message="m"),)), ["sms.message"]),
        (changed(SMS, wordings=(Wording(message="m"), Wording("de"))), ["sms.de.message"]),
        (
            changed(SMTP, wordings=(Wording(subject="s", message="m"), Wording("de", subject="s"))),
            ["smtp.de.message"],
        ),
        (changed(SMTP, wordings=(Wording(subject="s"), Wording("de", subject="s"))), []),
    ],
)
def test_an_active_channel_has_its_required_fields(channel, fields):
    assert found(channel) == [(field, "required") for field in fields]
    assert list(missing(channel)) == fields


def test_every_active_channel_has_each_language_and_is_told_which_it_lacks():
    german = changed(SMTP, wordings=(Wording(subject="s", message="m"), Wording("de", "s", "m")))
    (finding,) = check(Content((german, GOOD[SMS])), kind=BY_CODE["device.jailbroken"], ready=ALL)
    assert (finding.field, finding.message) == ("sms.de.message", "SMS has no Message in German (de).")
    assert found(german, changed(SMS, active=False)) == []
    assert found(changed(SMTP, active=False, wordings=german.wordings), GOOD[SMS]) == []


def test_an_ad_hoc_template_has_in_each_language_what_it_has_for_everybody():
    texts = (Wording(message="m"), Wording("de", subject="s"))
    assert found(changed(SMTP, recipient="", wordings=texts), code=ADHOC) == [("smtp.de.message", "required")]


def test_an_inactive_channel_may_be_incomplete_but_not_wrong():
    assert found(Channel(SMS)) == []
    assert found(Channel(SMS, wordings=(Wording(message="${usr.x}"),))) == [("sms.message", "macro")]


def test_an_ad_hoc_template_may_be_empty():
    assert found(Channel(SMTP, active=True), Channel(SMS, active=True), Channel(PUSH, active=True), code=ADHOC) == []


@pytest.mark.parametrize(
    ("channel", "field", "code"),
    [
        (changed(SMTP, sound="default"), "smtp.sound", "unsupported"),
        (changed(SMS, sender="x"), "sms.sender", "unsupported"),
        (changed(PUSH, recipient="x@y.z"), "secure_hub.recipient", "unsupported"),
        (changed(SMS, wordings=(Wording(message="m", subject="s"),)), "sms.subject", "unsupported"),
        (changed(SMS, wordings=(Wording(message="m"), Wording("de", "", "m", "h"))), "sms.html", "unsupported"),
        (changed(PUSH, sound="Horn"), "secure_hub.sound", "unknown"),
        (changed(SMTP, sender="a@b@c"), "smtp.sender", "address"),
        (changed(SMTP, sender="a\nb"), "smtp.sender", "macro"),
        (changed(SMTP, recipient="${user.mail"), "smtp.recipient", "macro"),
        (changed(SMTP, recipient="${user.mail}; nobody"), "smtp.recipient", "address"),
        (changed(SMTP, recipient="a@b.c, d@e.f"), "smtp.recipient", "address"),
        (changed(SMTP, recipient="a\u200bda@b.c"), "smtp.recipient", "address"),
        (changed(SMTP, recipient="ada@b\u00ad.c"), "smtp.recipient", "address"),
        (changed(SMTP, recipient="${x}\u200b@b.c"), "smtp.recipient", "invisible"),
        (changed(SMTP, recipient="team ${x}@b.c"), "smtp.recipient", "invisible"),
        (changed(SMS, recipient="+49 151\u200b12345678"), "sms.recipient", "number"),
        (changed(SMS, recipient="+49\u2060${x}"), "sms.recipient", "invisible"),
        (changed(SMTP, sender="Ops <ops@b\u200b.c>"), "smtp.sender", "address"),
        (changed(SMTP, sender="ops@b\u200b.c"), "smtp.sender", "address"),
        (changed(SMTP, recipient="a" * 10_001), "smtp.recipient", "too_long"),
        (changed(SMS, recipient="${user.mobile}; x"), "sms.recipient", "number"),
        (changed(SMS, recipient="030 123456"), "sms.recipient", "number"),
        (changed(SMTP, wordings=(Wording(subject="a\nb"),)), "smtp.subject", "macro"),
        (changed(SMTP, wordings=(Wording(subject="a" * 2_001),)), "smtp.subject", "too_long"),
        (changed(SMTP, wordings=(Wording(subject="s", html="${"),)), "smtp.message", "required"),
        (changed(SMTP, wordings=(Wording(subject="s", message="m", html="${"),)), "smtp.html", "macro"),
        (changed(SMS, wordings=(Wording(message="x" * 1_601),)), "sms.message", "too_long"),
        (changed(SMS, wordings=(Wording(message="m"), Wording("de", "", "${"))), "sms.de.message", "macro"),
        (changed(SMS, wordings=(Wording(message="m"), Wording("d", "", "m"))), "sms.d.language", "language"),
        (
            changed(SMS, wordings=(Wording(message="m"), Wording("de", "", "m"), Wording("DE", "", "m"))),
            "sms.language",
            "twice",
        ),
    ],
)
def test_a_field_is_refused(channel, field, code):
    assert (field, code) in found(channel)
    with pytest.raises(ValidationError) as raised:
        refuse(check(Content((channel,)), kind=BY_CODE["device.jailbroken"], ready=ALL))
    assert field in raised.value.message_dict


@pytest.mark.parametrize(
    "channel",
    [
        changed(SMTP, recipient="${user.mail}; admin@example.com ;; ümlaut@bücher.example"),
        changed(SMTP, recipient="\ufeffada@example.org\u00a0; \u200b${user.mail}\u3000"),
        changed(SMTP, sender='"Ops \\"Night\\" Team" <ops@example.org>\u00a0'),
        changed(
            SMS, recipient="tel:+49-151-12345678; +49\u202f151\u202f12345678; +49\u2011151\u201112345678; +49 ${x}"
        ),
        changed(SMS, recipient="+49 30 123456; ${firstnotnull(user.mobile, device.TEL_NUMBER)}"),
        changed(SMTP, sender="Help desk"),
        changed(SMTP, sender="${user.displayname} <help@example.com>"),
        changed(SMTP, sender="${custom.at}@example.com"),
        *(changed(PUSH, sound=sound) for sound in SOUNDS),
    ],
)
def test_a_field_is_taken(channel):
    assert found(channel) == []


def test_a_number_without_a_plus_is_read_with_the_country():
    assert found(changed(SMS, recipient="030 123456"), country="DE") == []


def test_warnings_refuse_nothing():
    long = changed(SMS, wordings=(Wording(message="${device.ROOM}" + "x" * 161),))
    findings = check(Content((long,)), kind=BY_CODE["device.jailbroken"], ready=ALL, properties=[])
    assert [(finding.code, finding.warning) for finding in findings] == [("macro", True), ("segments", True)]
    refuse(findings)


def test_the_type_of_a_new_template_is_known_and_may_be_added():
    assert check_type("device.wiped").name == "Device Wiped"
    with pytest.raises(ValidationError, match="known are adhoc, enrollment"):
        check_type("device.eaten")
    with pytest.raises(ValidationError, match="Only one APNS Cert Expiration template"):
        check_type("system.apns_certificate_expiring")


@pytest.mark.parametrize("number", ["0", "+1", "anna", "1" * 30, "24273", "911"])
def test_a_typed_recipient_of_sms_is_a_whole_phone_number(number):
    assert found(changed(SMS, recipient=number), country="US") == [("sms.recipient", "number")]


def test_a_number_that_no_plan_knows_is_warned_of():
    (finding,) = check(
        Content((changed(SMS, recipient="07700900123"),)), kind=BY_CODE["device.jailbroken"], ready=ALL, country="GB"
    )
    assert (finding.field, finding.warning) == ("sms.recipient", True)
    assert found(changed(SMS, recipient="(415) 555-2671; ${user.mobile}"), country="US") == []
