"""Template texts and values become a message: the one way for delivery, preview and lint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct

from templates_app.channels import TRAITS
from templates_app.macros import tree
from templates_app.macros.budget import TextTooLongError
from templates_app.macros.evaluate import Mode, Program, Rendered, evaluate, program
from templates_app.macros.recipients import Entry, entries
from templates_app.macros.values import Values
from templates_app.texts.content import Channel, Content, Wording, folded
from transports.addresses import mail_address
from transports.types import AddressKind, ChannelKind, Reason, ReasonCode, Recipient, Scope

_REQUIRED_SPACE = "enrollment"
_NOTHING = Rendered(text="", masked="")


class LanguageText(Struct, frozen=True):
    """Subject and message in one language, compiled. `required` are its macros without whose value it is pointless."""

    subject: Program
    message: Program
    html: Program | None = None
    required: tuple[Program, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.subject.template.parts or self.message.template.parts or self.html)


class ChannelTexts(Struct, frozen=True):
    """How one version uses one channel; `texts` has the language "" that everybody falls back to.

    Other languages are there only when they are complete.

    `per_device`: texts or recipients may differ between the devices of a user.
    """

    kind: ChannelKind
    active: bool
    sender: Program | None
    recipients: tuple[Entry, ...]
    sound: str
    texts: Mapping[str, LanguageText]
    per_device: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing in any language."""
        return bool(self.texts) and all(text.is_empty for text in self.texts.values())

    @property
    def requires_values(self) -> bool:
        return any(text.required for text in self.texts.values())

    def in_language(self, language: str) -> LanguageText:
        """The text for a BCP 47 tag: "de-AT", then "de", then the one for everybody."""
        tag = language.replace("_", "-").lower()
        while tag:
            if tag in self.texts:
                return self.texts[tag]
            tag = tag.rpartition("-")[0]
        return self.texts[""]


class VersionTexts(Struct, frozen=True):
    """One version of a template, compiled; never changes, so it is cached by its id."""

    version_id: int
    template_id: int
    number: int
    channels: Mapping[ChannelKind, ChannelTexts]

    def active_kinds(self) -> frozenset[ChannelKind]:
        return frozenset(kind for kind, channel in self.channels.items() if channel.active)


class Template(Struct, frozen=True):
    """A template as it applies now."""

    id: int
    name: str
    type: str
    predefined: bool
    hold_unknown: bool
    lifetime: timedelta
    texts: VersionTexts


class RenderedText(Struct, frozen=True):
    """The parts of a message for one recipient. `masked` has them with secrets masked; without secrets it is None.

    `empty` names the macros that had no value, and says of others why they had none that fits.
    """

    sender: str
    subject: str
    text: str
    html: str
    sound: str
    empty: tuple[str, ...]
    masked: RenderedText | None = None


def compiled(content: Content) -> dict[ChannelKind, ChannelTexts]:
    """The channels of a content, ready to be rendered. Raises MacroError where a text is no template."""
    return {channel.kind: _channel(channel) for channel in content.channels}


def _channel(channel: Channel) -> ChannelTexts:
    complete = (
        wording for wording in channel.wordings if not wording.language or not channel.lacking(wording.language)
    )
    texts = {folded(wording.language): _text(wording, kind=channel.kind) for wording in (Wording(), *complete)}
    return ChannelTexts(
        kind=channel.kind,
        active=channel.active,
        sender=program(channel.sender, mode=Mode.SENDER) if channel.sender else None,
        recipients=entries(channel.recipient),
        sound=channel.sound,
        texts=texts,
        per_device=channel.is_per_device(),
    )


def _text(wording: Wording, *, kind: ChannelKind) -> LanguageText:
    subject = program(wording.subject, mode=Mode.SUBJECT)
    message = program(wording.message, mode=TRAITS[kind].mode)
    html = program(wording.html, mode=Mode.HTML) if wording.html else None
    macros = (macro for each in (subject, message, html) if each for macro in each.template.macros())
    required = (
        macro for macro in macros if any(reference.parts[0] == _REQUIRED_SPACE for reference in tree.references(macro))
    )
    alone = tuple(program(tree.to_source(tree.Template((macro,))), mode=Mode.TEXT) for macro in required)
    return LanguageText(subject, message, html, alone)


def values_missing(channel: ChannelTexts, values: Values, *, language: str) -> tuple[str, ...]:
    """The macros that its text in this language is pointless without, and that have no value and no default."""
    made = (evaluate(each, values, language=language or "en") for each in channel.in_language(language).required)
    try:
        return tuple(dict.fromkeys(name for each in made for name in each.empty))
    except TextTooLongError:
        return ()  # there is one, and rendering says what is wrong with it


def render(
    channel: ChannelTexts,
    values: Values,
    *,
    language: str,
    zone: str,
    secrets: frozenset[str] = frozenset(),
) -> RenderedText | Reason:
    """Fill in the macros for one recipient; a Reason when a text gets longer than its channel takes.

    `language` (BCP 47, "" for unknown) chooses the text and writes dates and numbers, `zone` is an IANA name, `secrets`
    are paths such as "enrollment.pin".
    """
    texts = channel.in_language(language)
    traits = TRAITS[channel.kind]
    limit = traits.limit
    programs = (channel.sender, texts.subject, texts.message, texts.html)
    try:
        made = [
            evaluate(each, values, zone=zone or "UTC", language=language or "en", secrets=secrets, limit=limit)
            if each
            else _NOTHING
            for each in programs
        ]
    except TextTooLongError as error:
        return Reason(ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE, str(error))
    sender, subject, text, html = made
    if traits.in_bytes and len(text.text.encode()) > limit:
        return Reason(ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE, f"the text has more than {limit:,} bytes")
    said = [*sender.empty, *sender.notes, *subject.empty, *subject.notes]
    said += [*text.empty, *text.notes, *html.empty, *html.notes]
    empty = tuple(dict.fromkeys(said))
    masked = None
    if secrets and any(part.masked is not part.text for part in made):
        masked = RenderedText(sender.masked, subject.masked, text.masked, html.masked, channel.sound, empty)
    return RenderedText(sender.text, subject.text, text.text, html.text, channel.sound, empty, masked)


def parse_sender(text: str) -> Recipient | None:
    """A filled Sender: a name, an address, or `Name <address>`; None when it is empty or nothing of it can be used.

    Without a valid address only the name is taken, before the server's own address.
    """
    name, address = mail_address.parse_sender(text)
    if address:
        return _mailbox(address, name=name)
    return Recipient(AddressKind.MAIL, "", name) if name else None


def _mailbox(address: str, *, name: str) -> Recipient | None:
    try:
        return Recipient(AddressKind.MAIL, mail_address.normalise(address), name)
    except ValueError:
        return Recipient(AddressKind.MAIL, "", name) if name else None
