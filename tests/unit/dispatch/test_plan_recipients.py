"""Whom a template's Recipient field reaches: whole addresses or none."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from devices.values import Target
from dispatch.rules.plan import Occasion, plan, ways
from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.render import Template, VersionTexts, compiled
from transports.types import ChannelKind, ReasonCode

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def planned(recipient, *, kind=ChannelKind.SMTP, user=None, admins=()):
    content = Content((Channel(kind, active=True, recipient=recipient, wordings=(Wording(subject="s", message="m"),)),))
    template = Template(
        id=1,
        name="t",
        type="device.wiped",
        predefined=False,
        hold_unknown=False,
        lifetime=timedelta(days=3),
        texts=VersionTexts(version_id=1, template_id=1, number=1, channels=compiled(content)),
    )
    occasion = Occasion(
        event_id=UUID(int=1), values={}, received_at=NOW, expires_at=None, priority=5, new_id=uuid4, admins=admins
    )
    used = ways([(template, None)], only=None, routes={})
    found = plan(occasion, ways=used, target=Target(user=user or {}), routes={})
    return [(row.to.address, row.skip.code if row.skip else None) for row in found.deliveries]


def test_each_entry_of_the_field_is_one_delivery():
    assert planned("${user.mail}; desk@example.com", user={"mail": "ana@example.com"}) == [
        ("ana@example.com", None),
        ("desk@example.com", None),
    ]


def test_a_part_of_an_address_is_no_address():
    assert planned("team-${user.department}@example.com") == [("", ReasonCode.NO_ADDRESS)]


@pytest.mark.parametrize("mail", ["a@b.c;d@e.f", "a@b.c,d@e.f", "a@b.c d@e.f"])
def test_a_value_cannot_bring_in_a_second_address(mail):
    assert planned("${user.mail}", user={"mail": mail}) == [("", ReasonCode.NO_ADDRESS)]


def test_a_phone_number_of_the_templates_own_may_have_spaces():
    assert planned("+49 30 123456", kind=ChannelKind.SMS) == [("+4930123456", None)]


def test_a_semicolon_inside_a_macro_splits_nothing():
    assert planned("${user.mail | replace(';', '')}", user={"mail": "ana@example.com;"}) == [("ana@example.com", None)]


def test_every_administrator_gets_one():
    admins = [{"mail": "a@example.com"}, {"mail": "b@example.com"}]
    assert planned("${admin.mail}", admins=admins) == [("a@example.com", None), ("b@example.com", None)]
