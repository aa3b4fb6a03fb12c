"""Whom one event reaches, over what, and why somebody is not reached."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.values import Phone, Target, Token
from dispatch.rules.plan import Occasion, event_values, plan, ways
from servers.values import CarrierRoute, Limits, Route, ServerKind
from templates_app.macros.recipients import entries
from templates_app.texts.render import ChannelTexts, Template, VersionTexts
from transports.types import AddressKind, ChannelKind, Recipient

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = Limits(timeout=timedelta(seconds=30), max_attempts=6)
ROUTES = {kind: Route(number, kind, LIMITS, country="GB") for number, kind in enumerate(ServerKind, start=1)}
USER = {"mail": "u1@example.com", "mobile": "07700900123", "displayname": "User One"}


def template(*, recipient="${user.mail}", kinds=(ChannelKind.SMTP,), predefined=False, active=True, number=1):
    channels = {
        kind: ChannelTexts(kind=kind, active=active, sender=None, recipients=entries(recipient), sound="", texts={})
        for kind in kinds
    }
    version = VersionTexts(version_id=number, template_id=number, number=1, channels=channels)
    return Template(number, f"T{number}", "device.jailbroken", predefined, False, timedelta(days=3), version)


def occasion(**fields):
    numbers = count(1)
    fields = {
        "event_id": UUID(int=99),
        "values": {},
        "received_at": NOW,
        "expires_at": None,
        "priority": 5,
        "new_id": lambda: UUID(int=next(numbers)),
        **fields,
    }
    return Occasion(**fields)


def made(*templates, target=None, routes=ROUTES, only=None, **fields):
    target = target or Target(user=USER)
    used = ways([(each, None) for each in templates], only=only, routes=routes)
    return plan(occasion(**fields), ways=used, target=target, routes=routes)


def addresses(planned):
    return [row.to.address for row in planned.deliveries]


def reasons(planned):
    return [row.skip.code.value if row.skip else "" for row in planned.deliveries]


def test_one_mail_to_the_user_through_the_active_server():
    (row,) = made(template()).deliveries
    assert row.to == Recipient(AddressKind.MAIL, "u1@example.com", "User One")
    assert (row.server_id, row.server_kind, row.wait_code, row.skip) == (1, ServerKind.SMTP, "", None)
    assert row.expires_at == NOW + timedelta(days=3)


def test_several_recipients_each_get_one_delivery_and_none_two():
    planned = made(template(recipient="${user.mail}; a@example.com;${user.mail}; A@EXAMPLE.com"))
    assert addresses(planned)[:2] == ["u1@example.com", "a@example.com"]
    assert len(set(addresses(planned))) == len(planned.deliveries)


def test_two_templates_each_send_their_own():
    planned = made(template(number=1), template(number=2))
    assert [row.template_version_id for row in planned.deliveries] == [1, 2]


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        ("", "no_address"),
        ("two words", "no_address"),
        ("a@b.example;c@d.example", "no_address"),
        ("@@", "address_invalid"),
    ],
)
def test_who_can_not_be_reached_is_skipped_with_the_reason(mail, reason):
    planned = made(template(), target=Target(user={"mail": mail}))
    assert reasons(planned) == [reason]
    assert planned.deliveries[0].server_id is None


def test_without_a_server_of_its_kind_a_delivery_waits_and_says_so():
    (row,) = made(template(), routes={}).deliveries
    assert (row.server_id, row.skip, row.wait_code) == (None, None, "no_active_server")


def test_a_number_is_read_in_the_gateways_country():
    (row,) = made(template(recipient="${user.mobile}", kinds=(ChannelKind.SMS,))).deliveries
    assert row.to == Recipient(AddressKind.PHONE, "+447700900123", "User One")
    assert row.server_kind is ServerKind.SMS


@pytest.mark.parametrize(("has_sim", "reason"), [(False, "no_sim"), (None, ""), (True, "")])
def test_an_sms_is_skipped_only_if_all_devices_are_known_to_have_no_sim(has_sim, reason):
    texted = template(recipient="${user.mobile}", kinds=(ChannelKind.SMS,))
    assert reasons(made(texted, target=Target(user=USER, has_sim=has_sim))) == [reason]


def test_a_push_goes_once_to_each_token_by_the_service_of_its_kind():
    tokens = (Token(AddressKind.APNS, "aa"), Token(AddressKind.FCM, "bb"), Token(AddressKind.APNS, "aa"))
    planned = made(template(kinds=(ChannelKind.SECURE_HUB,)), target=Target(user=USER, tokens=tokens))
    assert [(row.to.address, row.server_kind) for row in planned.deliveries] == [
        ("aa", ServerKind.APNS),
        ("bb", ServerKind.FCM),
    ]


def test_a_push_without_a_token_is_skipped_with_the_reason():
    assert reasons(made(template(kinds=(ChannelKind.SECURE_HUB,)))) == ["no_push_token"]


def test_every_administrator_gets_one_of_what_is_written_for_administrators():
    admins = [{"mail": "a@example.com", "mobile": ""}, {"mail": "b@example.com", "mobile": ""}]
    written = template(recipient="${admin.mail}")
    assert addresses(made(written, admins=admins)) == ["a@example.com", "b@example.com"]
    assert reasons(made(written, admins=[])) == ["no_address"]


def test_a_predefined_channel_without_a_server_is_left_out_where_any_other_template_has_one():
    predefined = template(kinds=(ChannelKind.SMS,), predefined=True, recipient="+447700900123", number=2)
    only_mail = {ServerKind.SMTP: ROUTES[ServerKind.SMTP]}
    planned = made(template(number=1), predefined, routes=only_mail)
    assert [row.channel for row in planned.deliveries] == [ChannelKind.SMTP]
    assert planned.notes == ("Template 'T2': sms is left out, it has no active server.",)
    assert [row.wait_code for row in made(predefined, routes=only_mail).deliveries] == ["no_active_server"]


def test_an_event_can_choose_among_the_active_channels():
    both = template(kinds=(ChannelKind.SMTP, ChannelKind.SMS), recipient="+447700900123")
    planned = made(both, only=frozenset({ChannelKind.SMS}))
    assert [row.channel for row in planned.deliveries] == [ChannelKind.SMS]
    none = made(template(active=False))
    assert none.deliveries == ()
    assert none.notes == ("Template 'T1' has no active channel to use.",)


def test_a_predefined_template_leaves_out_channels_without_a_server_unless_none_has_one():
    kinds = (ChannelKind.SMTP, ChannelKind.SMS)
    mail_only = {ServerKind.SMTP: ROUTES[ServerKind.SMTP]}
    planned = made(template(kinds=kinds, predefined=True), routes=mail_only)
    assert [row.channel for row in planned.deliveries] == [ChannelKind.SMTP]
    assert len(planned.notes) == 1
    waiting = made(template(kinds=kinds, predefined=True, recipient="${user.mobile}"), routes={})
    assert {row.channel for row in waiting.deliveries} == set(kinds)


@given(
    given=st.lists(st.sampled_from(["a@example.com", "b@example.com", "c@example.com"]), max_size=6),
    users=st.dictionaries(st.sampled_from(["mail", "mobile", "displayname"]), st.text(max_size=30), max_size=3),
    served=st.sets(st.sampled_from(ServerKind)),
)
def test_every_address_once_and_each_row_has_a_server_a_reason_or_waits(given, users, served):
    extra = {ChannelKind.SMTP: [Recipient(AddressKind.MAIL, address) for address in given]}
    routes = {kind: ROUTES[kind] for kind in served}
    planned = made(template(kinds=tuple(ChannelKind)), target=Target(user=users), routes=routes, extra=extra)
    keys = [(row.to.kind, row.to.address, row.skip and row.skip.code) for row in planned.deliveries]
    assert len(keys) == len(set(keys))
    assert {row.to.address for row in planned.deliveries} >= set(given)
    for row in planned.deliveries:
        assert [row.server_id is not None, row.skip is not None, row.wait_code != ""].count(True) == 1
    assert len({row.id for row in planned.deliveries}) == len(planned.deliveries)


def test_what_an_event_tells_of_a_certificate_or_a_server_has_name_spaces_of_its_own():
    data = {"certificate": {"days_left": 7}, "server": "no mapping", "event": {"type": "forged"}, "user": {"mail": "x"}}
    values = event_values(event_id=UUID(int=1), type_code="t", source="", occurred_at=NOW, payload={"data": data})
    assert values["certificate"] == {"days_left": 7}
    assert values["event"]["type"] == "t"
    assert set(values) == {"certificate", "event"}


NUMBER, OTHER = "+14155552671", "+14155552672"
ATT = CarrierRoute(7, "sms.att.example")
ORANGE = CarrierRoute(8, "sms.orange.example", prefix="TwoWay.")
VIA = {
    **ROUTES,
    ServerKind.SMS: Route(
        2, ServerKind.SMS, LIMITS, country="US", carriers={("att", "US"): ATT, ("orange", "US"): ORANGE}
    ),
}


def sms(*phones, recipient="${user.mobile}", mobile=NUMBER, routes=VIA, **fields):
    """(address, via) of each SMS."""
    target = Target(user={**USER, "mobile": mobile}, phones=phones)
    planned = made(template(kinds=(ChannelKind.SMS,), recipient=recipient), target=target, routes=routes, **fields)
    return [(row.to.address, row.via_id) for row in planned.deliveries]


def test_a_phone_whose_carrier_has_a_gateway_gets_a_mail_through_the_smtp_server():
    target = Target(user={**USER, "mobile": NUMBER}, phones=(Phone("AT&T Wireless", NUMBER),))
    (row,) = made(template(kinds=(ChannelKind.SMS,), recipient="${user.mobile}"), target=target, routes=VIA).deliveries
    assert row.to == Recipient(AddressKind.MAIL, "4155552671@sms.att.example", "User One")
    assert (row.channel, row.server_kind, row.server_id, row.via_id) == (ChannelKind.SMS, ServerKind.SMTP, 1, 7)


@pytest.mark.parametrize(
    ("phones", "address", "via"),
    [
        ((Phone("AT&T"),), "4155552671@sms.att.example", 7),
        ((Phone("AT&T"), Phone("at&t mobility")), "4155552671@sms.att.example", 7),
        ((Phone("AT&T"), Phone("Orange", NUMBER)), "TwoWay.4155552671@sms.orange.example", 8),
        ((Phone("AT&T"), Phone("Orange")), NUMBER, None),
        ((Phone("AT&T"), Phone("Elsewhere")), NUMBER, None),
        ((Phone("AT&T", OTHER),), NUMBER, None),
        ((Phone("Elsewhere"),), NUMBER, None),
        ((), NUMBER, None),
    ],
)
def test_the_carrier_is_that_of_the_number_and_nothing_is_guessed(phones, address, via):
    assert sms(*phones) == [(address, via)]


@pytest.mark.parametrize("kind", [ServerKind.SMTP, ServerKind.SMS])
def test_without_a_server_of_either_kind_no_carrier_gateway_is_used(kind):
    left = {each: route for each, route in VIA.items() if each is not kind}
    assert sms(Phone("AT&T", NUMBER), routes=left) == [(NUMBER, None)]


def test_without_the_switch_no_carrier_gateway_is_used():
    assert sms(Phone("AT&T", NUMBER), routes=ROUTES) == [(NUMBER, None)]


def test_a_number_of_another_country_goes_by_the_sms_gateway():
    assert sms(Phone("AT&T", "+447700900123"), mobile="+447700900123") == [("+447700900123", None)]


def test_a_number_that_is_not_the_users_own_has_a_carrier_only_if_a_device_has_it():
    extra = {ChannelKind.SMS: [Recipient(AddressKind.PHONE, OTHER)]}
    assert sms(Phone("AT&T"), recipient=OTHER) == [(OTHER, None)]
    assert sms(Phone("AT&T"), recipient="", extra=extra) == [(OTHER, None)]
    assert sms(Phone("AT&T", OTHER), recipient="", extra=extra) == [("4155552672@sms.att.example", 7)]


def test_a_phone_is_written_to_once_whichever_way_its_number_was_named():
    assert sms(Phone("AT&T"), recipient=f"{NUMBER}; ${{user.mobile}}") == [(NUMBER, None)]
    assert sms(Phone("AT&T"), recipient=f"${{user.mobile}}; {NUMBER}") == [("4155552671@sms.att.example", 7)]
