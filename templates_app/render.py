"""Template texts and values become a message: the one way for delivery, preview and lint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from templates_app.macros.evaluate import Program, evaluate
from templates_app.macros.functions import TextTooLongError
from templates_app.macros.values import Values
from transports.types import ChannelKind, Reason, ReasonCode, Scope

LIMITS = {ChannelKind.SMTP: 100_000, ChannelKind.SMS: 1_600, ChannelKind.SECURE_HUB: 4_096}
"""Characters for a mail and an SMS; a push payload is measured in bytes by its transport, this is only its bound."""


@dataclass(frozen=True, slots=True)
class LanguageText:
    """Subject and message in one language, compiled."""

    subject: Program
    message: Program
    html: Program | None = None


@dataclass(frozen=True, slots=True)
class ChannelTexts:
    """How one version uses one channel; `texts` has the language "" that everybody falls back to."""

    kind: ChannelKind
    active: bool
    sender: Program | None
    recipients: tuple[Program, ...]
    sound: str
    texts: Mapping[str, LanguageText]

    def in_language(self, language: str) -> LanguageText:
        """The text for a BCP 47 tag: "de-AT", then "de", then the one for everybody."""
        tag = language.replace("_", "-").lower()
        while tag:
            if tag in self.texts:
                return self.texts[tag]
            tag = tag.rpartition("-")[0]
        return self.texts[""]


@dataclass(frozen=True, slots=True)
class VersionTexts:
    """One version of a template, compiled; never changes, so it is cached by its id."""

    version_id: int
    template_id: int
    number: int
    channels: Mapping[ChannelKind, ChannelTexts]


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it applies now."""

    id: int
    name: str
    type: str
    predefined: bool
    hold_unknown: bool
    lifetime: timedelta
    texts: VersionTexts


@dataclass(frozen=True, slots=True)
class RenderedText:
    """The parts of a message for one recipient. `masked` has them with secrets masked; without secrets it is None."""

    sender: str
    subject: str
    text: str
    html: str
    sound: str
    empty: tuple[str, ...]
    masked: RenderedText | None = None


def render(
    channel: ChannelTexts,
    values: Values,
    *,
    language: str,
    zone: str,
    secrets: frozenset[str] = frozenset(),
) -> RenderedText | Reason:
    """Fill in the macros for one recipient; a Reason when a text gets longer than its channel takes."""
    texts = channel.in_language(language)
    limit = LIMITS[channel.kind]
    programs = (channel.sender, texts.subject, texts.message, texts.html)
    try:
        sender, subject, text, html = (
            program
            and evaluate(program, values, zone=zone or "UTC", language=language or "en", secrets=secrets, limit=limit)
            for program in programs
        )
    except TextTooLongError as error:
        return Reason(ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE, str(error))
    parts = [part for part in (sender, subject, text, html) if part]
    empty = tuple(dict.fromkeys(name for part in parts for name in part.empty))
    shown = None
    if any(part.masked is not part.text for part in parts):
        shown = RenderedText(
            sender.masked if sender else "",
            subject.masked if subject else "",
            text.masked if text else "",
            html.masked if html else "",
            channel.sound,
            empty,
        )
    return RenderedText(
        sender.text if sender else "",
        subject.text if subject else "",
        text.text if text else "",
        html.text if html else "",
        channel.sound,
        empty,
        shown,
    )
