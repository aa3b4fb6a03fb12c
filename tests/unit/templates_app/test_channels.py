"""What a channel is stands in one table, which has all of it for each one, and nothing else decides by a channel."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template.loader import get_template
from msgspec import structs

from servers.values import KIND_OF_ADDRESS, KINDS_OF_CHANNEL
from templates_app.channels import ADDRESSED, CHANNELS, MAILED, PANELS, TRAITS, Traits
from templates_app.texts.content import Channel, Wording
from templates_app.texts.naming import LABELS
from templates_app.texts.predefined import Texts
from templates_app.texts.validators import SOUNDS
from tests.unit import expressions
from transports.types import ChannelKind
from xmnotify import env

NAMED = {
    "templates_app.channels": "the table",
    "servers.values": "which kinds of server serve which channel",
    "dispatch.outbox.fanout": "a mail to each of many users, as one statement",
    "dispatch.broadcasts.planning": "what that statement plans",
    "dispatch.management.commands.send": "an option for the text of each channel",
    "dispatch.intake.to_me": "an account has a mail address alone",
    "dispatch.notify.forms": "the boxes of the texts of each channel",
    "dispatch.upkeep.alerts": "which macros are the addresses of administrators",
}
"""The modules that name a channel, and what they mean it for."""
LITERALS = {kind.value for kind in ChannelKind}


def names_a_channel(source: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("ChannelKind") and node.attr.isupper()
        for node in ast.walk(ast.parse(source))
    )


def compares_with_its_value(source: str) -> bool:
    """Whether something is compared with, or looked up by, a channel's value as a text."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, comparators=others):
                found = [left, *others]
            case ast.MatchValue(value=value):
                found = [value]
            case ast.Dict(keys=keys):
                found = keys
            case _:
                continue
        if any(isinstance(each, ast.Constant) and each.value in LITERALS for each in found):
            return True
    return False


def _modules(*rooms: str) -> Iterator[tuple[str, str]]:
    for room in rooms:
        for path in sorted((env.ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ".".join(path.relative_to(env.ROOT).with_suffix("").parts), path.read_text()


def test_every_channel_is_in_the_table_and_in_every_order():
    assert set(TRAITS) == set(CHANNELS) == set(PANELS) == set(ChannelKind) == set(KINDS_OF_CHANNEL)
    assert len(CHANNELS) == len(PANELS) == len(ChannelKind)
    assert len({traits.panel for traits in TRAITS.values()}) == len(TRAITS)
    assert set(MAILED) <= set(ADDRESSED) < set(CHANNELS)


def test_a_channel_cannot_be_without_a_trait():
    assert not [field.name for field in structs.fields(Traits) if not field.required]


@pytest.mark.parametrize("kind", CHANNELS)
def test_its_traits_fit_together_and_name_what_there_is(kind):
    traits = TRAITS[kind]
    assert set(traits.own) <= set(Channel.__struct_fields__) - {"kind", "active", "wordings"}
    assert set(traits.texts) <= set(Wording.__struct_fields__) - {"language"}
    assert "message" in traits.texts
    assert {*traits.own, *traits.texts} <= set(LABELS)
    assert traits.required <= {*traits.own, *traits.texts}
    assert traits.predefined in Texts.__struct_fields__
    assert traits.sound in SOUNDS
    assert (traits.sound != "") == ("sound" in traits.own)
    assert traits.limit > 0
    assert traits.rows > 0
    assert all([traits.name, traits.no_server, traits.none_set_up])
    assert bool(traits.set_up) == traits.needs_server
    assert get_template(traits.preview)


@pytest.mark.parametrize("kind", CHANNELS)
def test_it_has_a_recipient_if_people_write_its_addresses(kind):
    traits = TRAITS[kind]
    assert ("recipient" in traits.own) == (traits.addresses is not None) == ("recipient" in traits.required)
    if traits.addresses:
        assert KINDS_OF_CHANNEL[kind] == (KIND_OF_ADDRESS[traits.addresses.kind],)
        with pytest.raises(ValueError, match=r"."):
            traits.addresses.normalise("neither address nor number", "GB")


def test_no_module_names_a_channel_but_where_that_one_is_meant():
    found = {name for name, source in _modules(*expressions.ROOMS) if names_a_channel(source)}
    assert found == set(NAMED)


def test_no_module_compares_with_the_value_of_a_channel():
    found = {
        name for name, source in _modules("templates_app", "devices", "dispatch") if compares_with_its_value(source)
    }
    assert found == set()


@pytest.mark.parametrize("room", ["templates_app", "dispatch"])
def test_no_page_asks_which_channel_it_shows(room):
    asks = re.compile(rf"""[=!]=\s*["'](?:{"|".join(LITERALS)})["']|["'](?:{"|".join(LITERALS)})["']\s+(?:in|==)""")
    pages: list[Path] = sorted((env.ROOT / "templates" / room).rglob("*.html"))
    assert pages
    assert [path.name for path in pages if asks.search(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    ["x is ChannelKind.SMS", "{types.ChannelKind.SMTP: 1}", "match x:\n    case ChannelKind.SECURE_HUB:\n        pass"],
)
def test_a_named_channel_is_found(source):
    assert names_a_channel(source)
    assert not names_a_channel("ChannelKind(kind).value; frozenset(ChannelKind)")


@pytest.mark.parametrize(
    "source", ["x == 'sms'", "'smtp' in y", "{'secure_hub': 1}", "match x:\n  case 'sms':\n    pass"]
)
def test_a_compared_value_is_found(source):
    assert compares_with_its_value(source)
    assert not compares_with_its_value("x = 'sms'; f(kind='smtp')")
