"""The one check of a template before it is saved, for forms, API and import alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from msgspec import Struct

from templates_app.channels import TRAITS
from templates_app.macros.evaluate import Mode
from templates_app.macros.lint import lint
from templates_app.macros.names import sample_values
from templates_app.macros.problems import Severity
from templates_app.macros.recipients import Entry, entries
from templates_app.texts.content import Channel, Content, Wording, field_prefix, folded
from templates_app.texts.naming import LABELS, language_words
from templates_app.texts.render import compiled, parse_sender, render
from templates_app.types import ADHOC, APNS_EXPIRATION, BY_CODE, TemplateType
from transports.addresses import invisible, mail_address, phone_number, segments
from transports.types import AddressKind, ChannelKind, Reason

SOUNDS = ("", "default", "Congos", "Sheep", "Casino", "AlarmHorn", "Alert_Tone")
MAX_SENDER = 500
MAX_RECIPIENT = 10_000
MAX_SUBJECT = 2_000
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})?")


class Finding(Struct, frozen=True):
    """Something wrong with a field ("smtp.subject", in German "smtp.de.subject"); a warning refuses nothing."""

    field: str
    code: str
    message: str
    warning: bool = False


def check_type(code: str) -> TemplateType:
    """The type of a new template. Raises ValidationError for an unknown one, or one that can't be added."""
    if code not in BY_CODE:
        known = ", ".join(BY_CODE)
        raise ValidationError(_("This type is not known; known are %s.") % known, code="unknown_type")
    if code == APNS_EXPIRATION:
        raise ValidationError(
            _("Only one APNS Cert Expiration template is allowed, and it is predefined; choose another type."),
            code="only_one",
        )
    return BY_CODE[code]


def name_taken() -> ValidationError:
    """Another template that is kept has the name."""
    return ValidationError(_("A template with this name exists already."), code="taken")


def check(
    content: Content,
    *,
    kind: TemplateType,
    ready: Collection[ChannelKind],
    before: Content | None = None,
    country: str = "",
    properties: Collection[str] | None = None,
) -> tuple[Finding, ...]:
    """Everything that is wrong with a content, in the order of its fields; only findings that are no warning refuse it.

    `ready` are the channels with an active server, `before` the current content of a stored template: a channel may
    stay active without a server, but not become it. `country` (ISO 3166) reads phone numbers without "+".
    `properties` are the stored ones, as "device.ROOM": others are warned of.
    """
    found: list[Finding] = []
    was_active = before.active_kinds() if before else frozenset()
    active = [channel for channel in content.channels if channel.active]
    languages = dict.fromkeys(wording.language for channel in active for wording in channel.wordings)
    for channel in content.channels:
        if channel.kind not in kind.channels:
            found.append(_error(channel, "active", "unsupported", _("This type of template has no such channel.")))
            continue
        traits = TRAITS[channel.kind]
        if channel.active and traits.needs_server and channel.kind not in {*ready, *was_active}:
            message = _("Set up an active server for %s first.") % traits.name
            found.append(_error(channel, "active", "no_server", message))
        if channel.active:
            found += _incomplete(channel, adhoc=kind.code == ADHOC, languages=languages)
        found += _channel(channel, country=country, properties=properties)
    if len({channel.kind for channel in content.channels}) < len(content.channels):
        found.append(Finding("channels", "twice", _("A channel is named twice.")))
    return tuple(found)


def refuse(findings: Collection[Finding]) -> None:
    """Raise ValidationError with the messages by field, unless there are none but warnings."""
    by_field: dict[str, list[ValidationError]] = defaultdict(list)
    for finding in findings:
        if not finding.warning:
            by_field[finding.field].append(ValidationError(finding.message, code=finding.code))
    if by_field:
        raise ValidationError(dict(by_field))


def missing(channel: Channel, *, adhoc: bool = False, languages: Collection[str] = ()) -> tuple[str, ...]:
    """The required fields that are empty, whether the channel is active or not.

    In `languages` and in those that it has it needs every text that it has for everybody. Apart from that an Ad Hoc
    template requires nothing.
    """
    traits = TRAITS[channel.kind]
    required = frozenset[str]() if adhoc else traits.required
    found = ["recipient"] if "recipient" in required and not channel.recipient.strip() else []
    everybody = channel.wording("")
    found += [name for name in traits.texts if name in required and not getattr(everybody, name).strip()]
    named = {folded(tag): tag for tag in (*(wording.language for wording in channel.wordings), *languages) if tag}
    for language in named.values():
        own, lacking = channel.wording(language), channel.lacking(language)
        found += [
            f"{language}.{name}"
            for name in traits.texts
            if name in lacking or (name in required and not getattr(own, name).strip())
        ]
    return tuple(f"{channel.kind}.{name}" for name in found)


def _incomplete(channel: Channel, *, adhoc: bool, languages: Collection[str]) -> Iterator[Finding]:
    for field in missing(channel, adhoc=adhoc, languages=languages):
        _kind, *language, name = field.split(".")
        message = _("This field is required.")
        if language:
            message = _("%(channel)s has no %(field)s in %(language)s.") % {
                "channel": TRAITS[channel.kind].name,
                "field": LABELS[name],
                "language": language_words(language[0]),
            }
        yield Finding(field, "required", message)


def _channel(channel: Channel, *, country: str, properties: Collection[str] | None) -> Iterator[Finding]:
    yield from _foreign_fields(channel)
    yield from _lint(f"{channel.kind}.sender", channel.sender, mode=Mode.SENDER, properties=properties)
    yield from _sender(channel)
    yield from _recipients(channel, country=country, properties=properties)
    if channel.sound not in SOUNDS:
        yield _error(channel, "sound", "unknown", _("There is no such sound."))
    languages = [wording.language.casefold() for wording in channel.wordings]
    if len(set(languages)) < len(languages):
        yield _error(channel, "language", "twice", _("A language is named twice."))
    for wording in channel.wordings:
        yield from _wording(channel, wording=wording, properties=properties)


def _foreign_fields(channel: Channel) -> Iterator[Finding]:
    fields = {"sender": channel.sender, "recipient": channel.recipient, "sound": channel.sound}
    for wording in channel.wordings:
        fields["subject"] = fields.get("subject", "") or wording.subject
        fields["html"] = fields.get("html", "") or wording.html
    traits = TRAITS[channel.kind]
    for field, value in fields.items():
        if value and field not in (*traits.own, *traits.texts):
            yield _error(channel, field, "unsupported", _("This channel has no such field."))


def _lint(field: str, text: str, *, mode: Mode, properties: Collection[str] | None) -> Iterator[Finding]:
    for problem in lint(text, mode=mode, properties=properties):
        yield Finding(field, "macro", problem.said(_), warning=problem.severity is Severity.WARNING)


def _sender(channel: Channel) -> Iterator[Finding]:
    if len(channel.sender) > MAX_SENDER:
        yield _error(channel, "sender", "too_long", _("At most %d characters.") % MAX_SENDER)
    sender = parse_sender(channel.sender)
    wants_address = "@" in channel.sender or "<" in channel.sender
    if wants_address and "${" not in channel.sender and not (sender and sender.address):
        yield _error(channel, "sender", "address", _("The Sender must be a name, a mail address, or name <address>."))


def _recipients(channel: Channel, *, country: str, properties: Collection[str] | None) -> Iterator[Finding]:
    field = f"{channel.kind}.recipient"
    if len(channel.recipient) > MAX_RECIPIENT:
        yield Finding(field, "too_long", _("At most %d characters.") % MAX_RECIPIENT)
        return
    found = list(_lint(field, channel.recipient, mode=Mode.RECIPIENT, properties=properties))
    yield from found
    if any(not finding.warning for finding in found):
        return
    addresses = TRAITS[channel.kind].addresses
    if addresses is None:
        return
    phones = addresses.kind is AddressKind.PHONE
    for entry in entries(channel.recipient):
        if entry.program.names:
            yield from _invisible(field, entry, spaced=phones)
        elif phones:
            yield from _number(field, entry.source, country=country)
        elif not _is_mail(entry.source):
            yield Finding(field, "address", _("“%s” is not a mail address.") % entry.source)


def _invisible(field: str, entry: Entry, *, spaced: bool) -> Iterator[Finding]:
    """What stands between macros and can't be seen: no address that comes of it would do."""
    for part in entry.program.texts:
        if found := invisible.inside(part, allowed=invisible.SPACES if spaced else ""):
            message = _("“%(entry)s” holds %(character)s.")
            yield Finding(field, "invisible", message % {"entry": entry.source, "character": found})


def _is_mail(text: str) -> bool:
    try:
        mail_address.normalise(text)
    except ValueError:
        return False
    return True


def _number(field: str, text: str, *, country: str) -> Iterator[Finding]:
    try:
        number = phone_number.normalise(text, country=country)
    except ValueError:
        yield Finding(field, "number", _("“%s” is not a phone number that an SMS can go to.") % text)
    else:
        if not phone_number.is_valid(number):
            yield Finding(field, "number", _("No numbering plan knows the number “%s”.") % text, warning=True)


def _wording(channel: Channel, *, wording: Wording, properties: Collection[str] | None) -> Iterator[Finding]:
    prefix = field_prefix(channel.kind, language=wording.language)
    if not _LANGUAGE.fullmatch(wording.language):
        yield Finding(f"{prefix}.language", "language", _("This is no language tag such as de or pt-BR."))
    found = [
        *_lint(f"{prefix}.subject", wording.subject, mode=Mode.SUBJECT, properties=properties),
        *_lint(f"{prefix}.message", wording.message, mode=TRAITS[channel.kind].mode, properties=properties),
        *_lint(f"{prefix}.html", wording.html, mode=Mode.HTML, properties=properties),
    ]
    yield from found
    if wording.html.strip() and not wording.message.strip():
        yield Finding(f"{prefix}.message", "required", _("An HTML message needs its plain text too."))
    if len(wording.subject) > MAX_SUBJECT:
        yield Finding(f"{prefix}.subject", "too_long", _("At most %d characters.") % MAX_SUBJECT)
    if all(finding.warning for finding in found):
        yield from _length(channel, wording=wording)


def _length(channel: Channel, *, wording: Wording) -> Iterator[Finding]:
    """How long the text gets with sample values: an SMS of several parts is a warning, one over the limit an error."""
    field = f"{field_prefix(channel.kind, language=wording.language)}.message"
    trial = compiled(Content((Channel(kind=channel.kind, wordings=(wording,)),)))[channel.kind]
    made = render(trial, sample_values(), language=wording.language, zone="UTC")
    if isinstance(made, Reason):
        yield Finding(field, "too_long", _("With sample values %s.") % made.detail)
    elif TRAITS[channel.kind].in_segments and (count := segments.cut(made.text).count) > 1:
        yield Finding(field, "segments", _("With sample values this takes %d SMS.") % count, warning=True)


def _error(channel: Channel, field: str, code: str, message: str) -> Finding:
    return Finding(f"{channel.kind}.{field}", code, message)
