"""Which templates fire, can be sent by hand, and have their channels ready."""

import pytest

from foundation.sql.statements import result_of
from servers.models import Server
from templates_app import queries
from templates_app.models import NotificationTemplate
from templates_app.texts.content import Channel, Content, Wording
from templates_app.types import BY_CODE
from tests.db import world
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db
SMTP, SMS, PUSH = ChannelKind.SMTP, ChannelKind.SMS, ChannelKind.SECURE_HUB


def own(name, *, code="device.jailbroken", active=True, message="m"):
    template = NotificationTemplate.objects.create(name=name, type=code)
    channel = Channel(SMS, active=active, recipient="${user.mobile}", wordings=(Wording(message=message),))
    world.write(template, Content((channel,)))
    return template


def names(templates):
    return [template.name for template in templates]


def test_the_predefined_template_fires_where_there_is_no_own_one():
    assert names(result_of(queries.for_type("device.jailbroken"))) == ["Jailbroken or Rooted Device"]
    assert result_of(queries.for_type("device.eaten")) == []


def test_own_templates_fire_instead_on_the_channels_that_they_have_active():
    own("B")
    own("A")
    own("C", active=False)
    own("D", code="device.wiped")
    NotificationTemplate.objects.create(name="E", type="device.jailbroken")
    found = result_of(queries.for_type("device.jailbroken"))
    assert names(found) == ["A", "B", "Jailbroken or Rooted Device"]
    assert [sorted(template.texts.active_kinds()) for template in found] == [[SMS], [SMS], [PUSH, SMTP]]


def test_a_predefined_template_is_silent_where_own_ones_have_all_its_channels():
    template = NotificationTemplate.objects.create(name="Whole", type="system.license_expiring")
    channel = Channel(SMTP, active=True, recipient="a@example.com", wordings=(Wording(subject="s"),))
    world.write(template, Content((channel,)))
    assert names(result_of(queries.for_type("system.license_expiring"))) == ["Whole"]


def test_an_own_template_that_is_off_does_not_silence_the_predefined_one():
    own("C", active=False)
    assert names(result_of(queries.for_type("device.jailbroken"))) == ["Jailbroken or Rooted Device"]


def test_firing_reads_texts_once(django_assert_num_queries):
    result_of(queries.for_type("device.jailbroken"))
    with django_assert_num_queries(1):
        result_of(queries.for_type("device.jailbroken"))


def test_a_template_is_named_by_name_uid_or_number():
    template = own("Mine")
    for key in ("Mine", str(template.uid), str(template.pk)):
        assert result_of(queries.named(key)).id == template.pk
    for key in ("", "mine", "99999999", "9" * 40, "²", "-" * 36):
        assert result_of(queries.named(key)) is None


def test_a_name_made_of_digits_is_found_before_a_number():
    template = own("Mine")
    digits = own(str(template.pk))
    assert result_of(queries.named(str(template.pk))).id == digits.pk


def test_a_template_in_use_has_its_texts_compiled():
    template = result_of(queries.named("Enrollment PIN"))
    channel = template.texts.channels[SMTP]
    assert (template.predefined, template.texts.number, template.type) == (True, 1, "enrollment.pin")
    assert [entry.source for entry in channel.recipients] == ["${user.mail}"]


def test_a_template_is_sent_by_hand_as_its_type_and_its_text_allow():
    barred = own("Barred", message="${outofcompliance.reason(smg_block)}")
    assert queries.manual_sending_supported(own("Allowed"))
    assert not queries.manual_sending_supported(barred)
    assert not queries.manual_sending_supported(own("Of a type", code="enrollment.pin"))


def test_a_text_without_the_barred_macro_can_be_sent_by_hand_again():
    template = find("ActiveSync Gateway Blocked")
    assert not queries.manual_sending_supported(template)
    world.write(template, Content((Channel(SMS, wordings=(Wording(message="blocked"),)),)))
    assert queries.manual_sending_supported(template)


def test_a_template_without_a_version_says_nothing():
    template = NotificationTemplate.objects.create(name="New", type="adhoc")
    assert queries.current_content(template) == Content()


def find(name):
    return NotificationTemplate.objects.select_related("current").get(name=name)


def states(template, *, ready):
    return [(state.kind, state.reason) for state in queries.channel_states(template, ready=ready, own={})]


def test_channels_that_are_not_ready_come_last_and_say_why():
    template = find("Jailbroken or Rooted Device")
    assert states(template, ready=ChannelKind) == [(SMTP, ""), (SMS, ""), (PUSH, "")]
    assert states(template, ready={PUSH}) == [(PUSH, ""), (SMTP, "No active server"), (SMS, "No active server")]
    world.write(template, Content((Channel(SMS, active=True), Channel(PUSH, active=False))))
    assert states(template, ready=ChannelKind) == [
        (SMTP, "Not activated"),
        (SMS, "The text is not complete"),
        (PUSH, "Not activated"),
    ]


def test_only_the_channels_of_the_type_are_shown_and_ad_hoc_needs_no_text():
    assert states(find("License Expiration"), ready=()) == [(SMTP, "No active server")]
    assert states(find("Ad Hoc"), ready=ChannelKind) == [(SMTP, ""), (SMS, ""), (PUSH, "")]


def test_a_channel_is_ready_with_an_active_server():
    assert queries.ready_kinds() == frozenset()
    Server.objects.create(name="idle", kind="smtp")
    Server.objects.create(name="fcm", kind="fcm", active=True)
    assert queries.ready_kinds() == {PUSH}
    Server.objects.create(name="sms", kind="sms", active=True)
    Server.objects.create(name="apns", kind="apns", active=True)
    assert queries.ready_kinds() == {PUSH, SMS}


def test_the_known_types_are_those_of_the_templates():
    assert queries.known_types() == sorted(BY_CODE)
