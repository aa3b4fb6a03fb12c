"""What a version says: languages, manual sending, differences."""

import pytest

from templates_app.texts.content import Channel, Content, Wording, changes
from transports.types import ChannelKind

SMTP, SMS = ChannelKind.SMTP, ChannelKind.SMS


def channel(*wordings, kind=SMTP, **fields):
    return Channel(kind=kind, wordings=wordings, **fields)


def test_a_wording_is_found_by_its_language():
    texts = channel(Wording("pt-BR", subject="x"))
    assert texts.wording("pt_br").subject == "x"
    assert texts.wording("pt") == Wording("pt")


@pytest.mark.parametrize("word", ["allowlist_blocklist_apps_name", "whitelist_blacklist_apps_name", "smg_block"])
@pytest.mark.parametrize("field", ["subject", "message", "html"])
def test_a_reason_that_only_an_event_supplies_bars_manual_sending(word, field):
    barred = Wording("de", **{field: f"a ${{ outofcompliance.reason( {word} ) | trim }}"})
    assert not Content((channel(Wording()), channel(barred, kind=SMS))).allows_manual_sending()


def test_other_macros_allow_manual_sending():
    text = Wording(message="${outofcompliance.reason(other)} ${smg_block} $${outofcompliance.reason(smg_block)}")
    assert Content((channel(text),)).allows_manual_sending()


@pytest.mark.parametrize(
    ("fields", "wording", "per_device"),
    [
        ({}, Wording(message="${user.mail} ${event.data.x}"), False),
        ({}, Wording(message="${device.model}"), True),
        ({}, Wording("de", html="${x | default(custom.y)}"), True),
        ({}, Wording(subject="${department}"), True),
        ({"recipient": "${firstnotnull(user.mail, device.mail)}"}, Wording(), True),
        ({"sender": "${device.model}"}, Wording(), True),
    ],
)
def test_a_text_about_the_device_goes_out_once_a_device(fields, wording, per_device):
    assert channel(wording, **fields).is_per_device() is per_device


def test_a_kind_that_a_version_does_not_name_is_inactive():
    assert Content().channel(SMS) == Channel(kind=SMS)
    assert Content((channel(active=True), channel(kind=SMS))).active_kinds() == {SMTP}


def test_changes_name_each_field_with_its_lines():
    before = Content((channel(Wording(message="a\nb\n--c"), recipient="x", active=True),))
    after = Content((channel(Wording(message="a\nB\n"), Wording("de", subject="n"), recipient="x"),))
    found = {change.field: change for change in changes(before, after)}
    assert set(found) == {"smtp.active", "smtp.message", "smtp.de.subject"}
    assert found["smtp.active"].lines == ("-on", "+off")
    assert found["smtp.message"].lines == (" a", "-b", "---c", "+B")
    assert (found["smtp.de.subject"].before, found["smtp.de.subject"].after) == ("", "n")
    assert changes(before, before) == ()


def test_a_change_of_line_ends_alone_is_a_change():
    (change,) = changes(Content((channel(Wording(message="a\n")),)), Content((channel(Wording(message="a")),)))
    assert change.lines == ()
