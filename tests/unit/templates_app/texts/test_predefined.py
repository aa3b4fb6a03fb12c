"""The predefined templates can be saved as they are, read well without any value, and fit one SMS."""

import pytest

from templates_app.macros.names import sample_values
from templates_app.texts import predefined
from templates_app.texts.render import compiled, render
from templates_app.texts.validators import check, missing
from templates_app.types import ADHOC, BY_CODE, TYPES
from transports.addresses.segments import Encoding, cut
from transports.types import ChannelKind

KINDS = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.code)
MANUAL_BARRED = {"device.app_compliance", "device.smg_block"}


def test_every_type_has_its_texts():
    assert list(predefined.TEXTS) == list(BY_CODE)
    assert len(BY_CODE) == len({kind.name for kind in TYPES}) == len(TYPES)


@KINDS
def test_a_predefined_template_may_be_saved(kind):
    content = predefined.content(kind)
    assert check(content, kind=kind, ready=frozenset(ChannelKind), properties=()) == ()
    assert content.active_kinds() == set(kind.channels)
    if kind.code != ADHOC:
        assert not any(missing(channel) for channel in content.channels)
        assert all(channel.wording("").message for channel in content.channels)


@KINDS
def test_a_predefined_sms_takes_one_segment_of_gsm(kind):
    channel = compiled(predefined.content(kind)).get(ChannelKind.SMS)
    for values in (sample_values(), {}) if channel else ():
        segments = cut(render(channel, values, language="", zone="").text)
        assert segments.count <= 1
        assert segments.encoding is Encoding.GSM_7


@KINDS
def test_a_predefined_text_reads_on_where_a_value_is_missing(kind):
    optional = {"enrollment.url", "enrollment.pin", "firstnotnull(event.data.url, enrollment.url, console.url)"}
    for channel in compiled(predefined.content(kind)).values():
        parts = render(channel, {}, language="", zone="")
        assert set(parts.empty) <= optional
        assert "  " not in parts.text
        assert parts.subject == parts.subject.strip()


@KINDS
def test_only_app_and_gateway_reasons_bar_manual_sending(kind):
    assert predefined.content(kind).allows_manual_sending() is (kind.code not in MANUAL_BARRED)


def test_recipients_are_prebuilt_by_type():
    assert BY_CODE["device.wiped"].recipient(ChannelKind.SMTP) == "${user.mail}"
    assert BY_CODE["device.wiped"].recipient(ChannelKind.SMS) == "${user.mobile}"
    assert BY_CODE["system.server_down"].recipient(ChannelKind.SMS) == "${admin.mobile}"
    assert BY_CODE["user.disabled"].recipient(ChannelKind.SMTP) == "${user.mail}; ${admin.mail}"
    assert BY_CODE[ADHOC].recipient(ChannelKind.SMTP) == ""
    assert BY_CODE["device.jailbroken"].recipient(ChannelKind.SECURE_HUB) == ""
