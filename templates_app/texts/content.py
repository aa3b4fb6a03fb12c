"""What one version of a template says, as frozen values: the same for forms, API, versions and rendering."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from msgspec import Struct

from templates_app.channels import TRAITS
from templates_app.macros.grammar import parse
from transports.types import ChannelKind

MANUAL_BARRED = frozenset({"allowlist_blocklist_apps_name", "whitelist_blacklist_apps_name", "smg_block"})
"""Reasons that only an event can bring: with one of them in a Subject or Message nothing is sent by hand."""


class Wording(Struct, frozen=True):
    """Subject and message in one language; the empty language is the one everybody falls back to."""

    language: str = ""
    subject: str = ""
    message: str = ""
    html: str = ""


class Channel(Struct, frozen=True):
    """How a template uses one channel. `sound` is the name of a Secure Hub sound, without ".wav"."""

    kind: ChannelKind
    active: bool = False
    sender: str = ""
    recipient: str = ""
    sound: str = ""
    wordings: tuple[Wording, ...] = ()

    def wording(self, language: str) -> Wording:
        """The text of exactly this language, empty where there is none."""
        found = (wording for wording in self.wordings if folded(wording.language) == folded(language))
        return next(found, Wording(language))

    def lacking(self, language: str) -> tuple[str, ...]:
        """The texts without which a language says less than the one for everybody, as `Wording` names them.

        An HTML text may be left out: its plain text is always sent too.
        """
        everybody, own = self.wording(""), self.wording(language)
        return tuple(
            name
            for name in TRAITS[self.kind].texts
            if name != "html" and getattr(everybody, name).strip() and not getattr(own, name).strip()
        )

    def is_per_device(self) -> bool:
        """Whether its text or recipients depend on the device, or on a custom property, which may be the device's.

        Raises MacroError where a text is no template.
        """
        fields = [self.sender, self.recipient]
        for wording in self.wordings:
            fields += [wording.subject, wording.message, wording.html]
        references = (reference.parts for field in fields for reference in parse(field).references())
        return any(len(parts) == 1 or parts[0] in {"device", "custom"} for parts in references)


class Content(Struct, frozen=True):
    """A whole version, at most one entry a channel."""

    channels: tuple[Channel, ...] = ()

    def channel(self, kind: ChannelKind) -> Channel:
        """The channel of this kind; an inactive, empty one where the version says nothing of it."""
        return next((channel for channel in self.channels if channel.kind is kind), Channel(kind=kind))

    def active_kinds(self) -> frozenset[ChannelKind]:
        return frozenset(channel.kind for channel in self.channels if channel.active)

    def allows_manual_sending(self) -> bool:
        """Whether no Subject or Message of any channel needs a reason that only an event can bring.

        Raises MacroError where a text is no template.
        """
        return not any(parse(text).reasons() & MANUAL_BARRED for text in self._texts())

    def _texts(self) -> Iterator[str]:
        for channel in self.channels:
            for wording in channel.wordings:
                yield from (wording.subject, wording.message, wording.html)


class Change(Struct, frozen=True):
    """A field that differs between two versions; `lines` are those of a unified diff, without its head."""

    field: str
    before: str
    after: str
    lines: tuple[str, ...]


def changes(before: Content, after: Content) -> tuple[Change, ...]:
    """What differs, by field: "smtp.active", "smtp.recipient", "smtp.subject", in another language "sms.de.message"."""
    old, new = dict(fields_of(before)), dict(fields_of(after))
    return tuple(
        Change(field, was, now, lines=_lines(was, now))
        for field in dict.fromkeys([*old, *new])
        if (was := old.get(field, "")) != (now := new.get(field, ""))
    )


def fields_of(content: Content) -> Iterator[tuple[str, str]]:
    """Every field with what it says, named as in `changes`."""
    for channel in content.channels:
        traits = TRAITS[channel.kind]
        yield f"{channel.kind}.active", "on" if channel.active else "off"
        yield from ((f"{channel.kind}.{name}", getattr(channel, name)) for name in traits.own)
        for wording in channel.wordings:
            prefix = field_prefix(channel.kind, language=wording.language)
            yield from ((f"{prefix}.{name}", getattr(wording, name)) for name in traits.texts)


def field_prefix(kind: ChannelKind, *, language: str) -> str:
    """How the fields of a text are named in findings and changes."""
    return f"{kind}.{language}" if language else str(kind)


def _lines(before: str, after: str) -> tuple[str, ...]:
    diff = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))
    return tuple(line for line in diff[2:] if not line.startswith("@@"))


def folded(language: str) -> str:
    """A BCP 47 tag as tags are compared."""
    return language.replace("_", "-").casefold()
