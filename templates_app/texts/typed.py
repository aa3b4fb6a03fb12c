"""Texts typed in for one sending: as JSON, as a content that is checked like a template's, and ready to be rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from templates_app.channels import CHANNELS, TRAITS
from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.render import ChannelTexts, compiled
from transports.types import ChannelKind

Texts = Mapping[str, Mapping[str, str]]
"""By channel what its text says, named as the fields of `Channel` and `Wording`."""


def content(texts: Texts) -> Content:
    """Every channel that has a text is active; its one language is for everybody."""
    return Content(tuple(_channel(kind, texts[kind.value]) for kind in CHANNELS if kind.value in texts))


def ready(texts: Texts) -> dict[ChannelKind, ChannelTexts]:
    """See `compiled`."""
    return compiled(content(texts))


def _channel(kind: ChannelKind, given: Mapping[str, str]) -> Channel:
    traits = TRAITS[kind]
    own: dict[str, Any] = {name: given.get(name, "") for name in traits.own}
    said = {name: given.get(name, "") for name in traits.texts}
    return Channel(kind=kind, active=True, wordings=(Wording(**said),), **own)
