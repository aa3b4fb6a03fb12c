"""Values into texts: paths, defaults, modes, secrets, limits."""

import os
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates_app.macros.budget import TextTooLongError
from templates_app.macros.evaluate import Mode, program, render
from templates_app.macros.functions import PIPES
from templates_app.macros.problems import MacroError

INPUTS = int(os.environ.get("XMNOTIFY_MACRO_INPUTS", "300"))
ROUND = 10_000
ROUNDS = range(-(-INPUTS // ROUND))
VALUES = {
    "user": {"displayname": "Ana Silva", "mail": "Ana@Example.com", "mobile": "", "department": "Research"},
    "device": {"serialNumber": "C39", "TEL_NUMBER": "", "department": "", "CORPORATE_OWNED": True},
    "event": {
        "type": "device.jailbroken",
        "data": {"app": {"name": "Chess"}, "apps": ["a", {"n": 1.0}], "ratio": 1.5, "7": "seven", "none": None},
        "reasons": {"allowlist_blocklist_apps_name": ["Chess", "Go"], "smg_block": "quarantined"},
        "at": datetime(2026, 1, 2, tzinfo=UTC),
    },
    "enrollment": {"pin": "4711", "url": "https://e/t0ken"},
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Dear ${user.displayname}, $${x}", "Dear Ana Silva, ${x}"),
        ("${department}/${custom.department}", "Research/Research"),
        ("${custom.serialNumber}", "C39"),
        ("${user.mobile 'not known'}", "not known"),
        ("${user.mail | toLowerCase}", "ana@example.com"),
        ("${device.TEL_NUMBER 'none' | substring(0, 4) | toUpperCase}", "NONE"),
        ("${firstnotnull(device.TEL_NUMBER,device.serialNumber)}", "C39"),
        ("${firstnotnull(device.TEL_NUMBER,nothing)}", ""),
        ("${outofcompliance.reason(smg_block)}", "quarantined"),
        ("${outofcompliance.reason(allowlist_blocklist_apps_name)}", "Chess, Go"),
        ("${outofcompliance.reason(whitelist_blacklist_apps_name)}", "Chess, Go"),
        ("${outofcompliance.reason(smg_block, whitelist_blacklist_apps_name, smg_block)}", "quarantined, Chess, Go"),
        ("${outofcompliance.reason(other)}", ""),
        ("${event.data.app.name}", "Chess"),
        ("${event.data.apps.0} ${event.data.apps.1.n}", "a 1"),
        ("${event.data.apps.2}${event.data.apps.x}${event.data.apps.12345678901}${event.data.app.name.x}", ""),
        ("${event.data.7}", "seven"),
        ("${event.data.ratio}", "1.5"),
        ("${event.data.apps}", 'a, {"n": 1.0}'),
        ("${event.data.app}", '{"name": "Chess"}'),
        ("${event.data.none}", ""),
        ("${event.at}", "2026-01-02T00:00:00+00:00"),
        ("${device.CORPORATE_OWNED}", "true"),
        ("${User.displayname}", ""),
        ("${user.displayname.x}${nothing.x}", ""),
        ("${'it''s'}", "it's"),
    ],
)
def test_a_macro_becomes(source, text):
    assert render(source, VALUES).text == text


@pytest.mark.parametrize(
    "path",
    [
        "env.PATH",
        "os.environ.PATH",
        "settings.SECRET_KEY",
        "PATH",
        "user.__class__",
        "user.keys",
        "user.displayname.__class__.__mro__",
        "event.at.year",
        "event.data.apps.__len__",
        "event.reasons.get",
        "custom.__init__.__globals__",
    ],
)
def test_no_path_leads_out_of_the_values_that_were_given(path):
    with suppress(MacroError):
        assert render(f"${{{path}}}", VALUES).text == ""


@pytest.mark.parametrize(
    "call", ["env('PATH')", "getenv('PATH')", "eval('1')", "open('/etc/passwd')", "__import__('os')"]
)
def test_only_functions_of_the_table_are_called(call):
    for source in (f"${{{call}}}", f"${{user.mail | {call}}}"):
        with pytest.raises(MacroError):
            render(source, VALUES)


def test_a_value_is_never_read_as_a_macro_again():
    assert render("${user.sn}", {"user": {"sn": "${user.mail} $${"}}).text == "${user.mail} $${"


def test_what_had_no_value_is_named():
    source = "${user.mobile} ${user.mobile ''} ${x | trim} ${x | default('y')} ${x | default(z)} ${x | count} ${''}"
    assert render(source + " ${firstnotnull(a, b.c)}", VALUES).empty == (
        "user.mobile",
        "x",
        "x",
        "firstnotnull(a, b.c)",
    )


@pytest.mark.parametrize(("mode", "text"), [(Mode.SUBJECT, "x a Bcc: x é "), (Mode.SENDER, "x a Bcc: x é ")])
def test_a_run_of_line_breaks_in_a_header_is_one_space(mode, text):
    broken = "a\r\nBcc: x\0\v\f\x85\0\u2028\u2029é"
    assert render("x\n${user.sn}${a '\n'}", {"user": {"sn": broken}}, mode=mode).text == text


def test_a_subject_reads_on_where_a_value_breaks_its_line():
    made = render("Alarm: ${event.data.what}", {"event": {"data": {"what": "disk full\r\non host"}}}, mode=Mode.SUBJECT)
    assert made.text == "Alarm: disk full on host"


def test_nul_alone_leaves_no_space():
    assert render("${x}", {"device": {"x": "a\0b"}}, mode=Mode.SUBJECT).text == "ab"


def test_a_recipient_loses_every_line_break_of_a_value_and_its_own():
    broken = "a\r\nBcc: x\0\v\f\x85\u2028\u2029é"
    assert render("x\n${user.sn}${a '\n'}", {"user": {"sn": broken}}, mode=Mode.RECIPIENT).text == "xaBcc: xé"


def test_html_escapes_whatever_a_macro_yields_and_nothing_else():
    rendered = render("<b>${user.sn}</b>${x '<i>'}${'&' | trim}", {"user": {"sn": "<\"'&>"}}, mode=Mode.HTML)
    assert rendered.text == "<b>&lt;&quot;&#x27;&amp;&gt;</b>&lt;i&gt;&amp;"


def test_an_sms_has_line_feeds_only():
    assert render("a\r\n${user.sn}\r", {"user": {"sn": "b\rc\r\nd\n\0"}}, mode=Mode.SMS).text == "a\nb\nc\nd\n\n"


def test_a_text_keeps_its_line_breaks_but_no_nul():
    assert render("a\r\n${user.sn}", {"user": {"sn": "b\0\rc"}}).text == "a\r\nb\rc"


def test_half_a_surrogate_pair_does_not_reach_a_channel():
    values = {"user": {"a": "x\ud800", "b": ["\ud83d\ude00"], "c": {"k": "\udc00"}}}
    assert render("${user.a}${user.b}${user.c}", values).text == 'x\ufffd😀{"k": "\ufffd"}'


def test_secrets_are_masked_beside_the_true_text():
    rendered = render(
        "PIN ${enrollment.pin}, ${enrollment.pin | substring(0, 1)}, ${firstnotnull(x, enrollment.pin)}, "
        "${x | default(enrollment.pin)}, ${user.displayname}, ${enrollment.mode}",
        VALUES,
        secrets=frozenset({"enrollment.pin", "enrollment.mode"}),
    )
    assert rendered.text == "PIN 4711, 4, 4711, 4711, Ana Silva, "
    assert rendered.masked == "PIN ******, ******, ******, ******, Ana Silva, "


def test_a_value_that_holds_a_secret_or_is_a_part_of_one_is_masked_too():
    values = {"event": {"data": {"pin": {"a": "1"}, "pinned": "2"}}}
    rendered = render(
        "${event.data} ${event.data.pin.a} ${event.data.pinned}", values, secrets=frozenset({"event.data.pin"})
    )
    assert rendered.masked == "****** ****** 2"


def test_without_secrets_both_texts_are_the_same():
    rendered = render("${enrollment.pin}", VALUES)
    assert rendered.masked is rendered.text
    rendered = render("${enrollment.pin}", VALUES, secrets=frozenset({"enrollment.url"}))
    assert rendered.masked is rendered.text


def test_a_text_over_its_limit_is_refused_not_cut():
    assert render("${user.sn}", {"user": {"sn": "x" * 10}}, limit=10).text == "x" * 10
    with pytest.raises(TextTooLongError, match="more than 10 characters"):
        render("${user.sn}", {"user": {"sn": "x" * 11}}, limit=10)


def test_the_same_text_is_compiled_once():
    source = "${user.mail} once"
    again = source.encode().decode()
    assert again is not source
    assert program(source, mode=Mode.TEXT) is program(again, mode=Mode.TEXT)


def test_a_bad_template_is_an_error_when_rendered():
    with pytest.raises(MacroError):
        render("${", VALUES)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text() | st.characters(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NUMBERED = {"substring": "substring(1, 3)", "split": "split('a', 1)"}
calls = st.lists(st.sampled_from([function.usage for function in PIPES.values()] + list(NUMBERED.values())), max_size=5)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ROUNDS)
@settings(max_examples=min(INPUTS, ROUND))
@given(plain, calls, st.sampled_from(Mode), st.text(max_size=12), st.text(max_size=12))
def test_no_value_crashes_the_evaluation_or_breaks_its_mode(part, value, pipes, mode, zone, language):
    source = "${" + " | ".join(["x", *pipes]) + "}"
    text = render(source, {"device": {"x": value}}, mode=mode, zone=zone, language=language).text
    text.encode()
    assert "\0" not in text
    if mode in (Mode.SUBJECT, Mode.SENDER, Mode.RECIPIENT):
        assert not set(text) & set("\r\n\v\f\x85\u2028\u2029")
    if mode is Mode.HTML:
        assert not set(text) & set("<>\"'")
    if mode is Mode.SMS:
        assert "\r" not in text
