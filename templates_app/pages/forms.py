"""The form of a notification template: its own fields, and the texts of each channel in each language."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import global_settings
from django.core.exceptions import ValidationError
from django.forms import BoundField, HiddenInput
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from console.kit.filters import ListFilter, choices
from templates_app.channels import CHANNELS, PANELS, TRAITS, Traits
from templates_app.models import NotificationTemplate
from templates_app.texts.content import Channel, Content, Wording, field_prefix, folded
from templates_app.texts.naming import LABELS, field_words
from templates_app.texts.validators import SOUNDS, Finding, check, check_type, name_taken
from templates_app.types import ADHOC, APNS_EXPIRATION, BY_CODE, TYPES, TemplateType
from transports.types import ChannelKind

_ROWS = 4
_HELP = {
    "sender": _("A name, an address, or both as Name <address>. Empty: the server's own."),
    "recipient": _("Separate several with a semicolon (;). The macro stands for whoever the event is about."),
    "html": _("Optional. The message above is always sent too, for readers without HTML."),
}


_COLUMNS = {
    "name": "name",
    "description": "description",
    "on_unknown": "on_unknown",
    "lifetime_hours": "lifetime",
}
"""The fields besides the texts, with the columns of the template that they stand for."""


class Text(Struct, frozen=True):
    """The fields of one panel in one language."""

    language: str
    fields: tuple[BoundField, ...]


class Panel(Struct, frozen=True):
    """One channel of the form; `ready` when it has an active server."""

    kind: ChannelKind
    traits: Traits
    ready: bool
    active: BoundField
    before: tuple[BoundField, ...]
    text: Text
    after: tuple[BoundField, ...]
    translations: tuple[Text, ...]


class TemplateForm(forms.ModelForm[NotificationTemplate]):
    """`kind` is the type, `before` the stored content, `base` the number of its version; both are absent for a new one.

    Fields of channels are named as findings name them: "smtp.subject", in German "smtp.de.subject".
    """

    base = forms.IntegerField(required=False, widget=forms.HiddenInput)
    languages = forms.CharField(required=False, widget=forms.HiddenInput)
    lifetime_hours = forms.IntegerField(
        label=_("Expires after"),
        min_value=1,
        max_value=8760,
        initial=72,
        help_text=_("Hours for which a message is tried at most."),
    )

    class Meta:
        model = NotificationTemplate
        fields = ("name", "description", "on_unknown")
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}
        help_texts = {
            "on_unknown": _("What happens when a server took a message but its answer was lost."),
        }

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: TemplateType,
        ready: Collection[ChannelKind],
        languages: Collection[str],
        before: Content | None = None,
        initial: Mapping[str, Any] | None = None,
        instance: NotificationTemplate | None = None,
        country: str = "",
    ) -> None:
        super().__init__(data, initial={**(initial or {}), "languages": ",".join(languages)}, instance=instance)
        self._stored = {name: getattr(self.instance, column) for name, column in _COLUMNS.items()}
        self.kind, self.ready, self.before, self.country = kind, ready, before, country
        self.tags = list(languages)
        self.findings: tuple[Finding, ...] = ()
        self._said = Content()
        for name in _COLUMNS:
            self.fields[name].show_hidden_initial = instance is not None
        for channel in PANELS:
            self._add_channel(channel)
        for name, field in self.fields.items():
            if "." in name:
                channel_name, *_language, own = name.split(".")
                field.in_summary = field_words(name)  # type: ignore[attr-defined]
                field.starred = kind.code != ADHOC and own in TRAITS[ChannelKind(channel_name)].required  # type: ignore[attr-defined]

    def _add_channel(self, channel: ChannelKind) -> None:
        supported = channel in self.kind.channels
        was_active = self.before is not None and self.before.channel(channel).active
        locked = TRAITS[channel].needs_server and channel not in self.ready and not was_active
        self.fields[f"{channel}.active"] = forms.BooleanField(label=_("Activate"), required=False, disabled=locked)
        for name in TRAITS[channel].own:
            self.fields[f"{channel}.{name}"] = self._field(channel, name=name, supported=supported)
        for language in ("", *self.tags):
            prefix = field_prefix(channel, language=language)
            for name in TRAITS[channel].texts:
                self.fields[f"{prefix}.{name}"] = self._field(
                    channel, name=name, supported=supported, prefix=prefix, language=language
                )

    def _field(
        self, channel: ChannelKind, *, name: str, supported: bool, prefix: str = "", language: str = ""
    ) -> forms.Field:
        if name == "sound":
            choices = [(each, each or _("None")) for each in SOUNDS]
            hidden = None if supported else forms.HiddenInput()
            return forms.ChoiceField(label=LABELS[name], choices=choices, required=False, widget=hidden)
        attributes = {"data-macros": "", "autocomplete": "off", "dir": "auto"}
        if language:
            attributes["lang"] = language
        widget: forms.Widget = forms.HiddenInput()
        if supported and name in {"message", "html"}:
            rows = TRAITS[channel].rows if name == "message" else _ROWS
            widget = forms.Textarea(attrs={**attributes, "rows": str(rows)})
        elif supported:
            widget = forms.TextInput(attrs=attributes)
        return forms.CharField(
            label=LABELS[name],
            required=False,
            strip=name not in {"message", "html"},
            widget=widget,
            help_text=_words(f"{prefix or channel}.{name}", help_text=_HELP.get(name, "")),
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._said = Content(tuple(self._channel(channel) for channel in self.kind.channels))
        self.findings = check(self._said, kind=self.kind, ready=self.ready, before=self.before, country=self.country)
        for finding in self.findings:
            if not finding.warning:
                self.add_error(finding.field if finding.field in self.fields else None, finding.message)
        return cleaned

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if NotificationTemplate.objects.kept().filter(name=name).exclude(pk=self.instance.pk).exists():
            raise name_taken()
        return name

    def content(self) -> Content:
        """What the form says, mistakes included, once its data is cleaned."""
        return self._said

    def _channel(self, channel: ChannelKind) -> Channel:
        texts = (self._wording(channel, language=language) for language in ("", *self.tags))
        own = {name: self._cleaned(f"{channel}.{name}") for name in TRAITS[channel].own}
        active = bool(self.cleaned_data.get(f"{channel}.active"))
        return Channel(
            kind=channel,
            active=active,
            wordings=tuple(sorted((text for text in texts if active or _says(text)), key=lambda text: text.language)),
            **own,
        )

    def _wording(self, channel: ChannelKind, *, language: str) -> Wording:
        prefix = field_prefix(channel, language=language)
        return Wording(language, **{name: self._cleaned(f"{prefix}.{name}") for name in TRAITS[channel].texts})

    def _cleaned(self, name: str) -> str:
        return _lines(self.cleaned_data.get(name))

    def values(self) -> dict[str, Any]:
        """The template's own columns, as the form says them."""
        lifetime = timedelta(hours=self.cleaned_data["lifetime_hours"])
        return {**{name: self.cleaned_data[name] for name in self.Meta.fields}, "lifetime": lifetime}

    def changed_values(self) -> dict[str, Any]:
        """Those that this form changed, whatever others changed meanwhile."""
        changed = {column for name, column in _COLUMNS.items() if name in self.changed_data}
        return {column: value for column, value in self.values().items() if column in changed}

    def seen(self) -> dict[str, Any]:
        """What stood in the template's own columns when the form was opened."""
        return {column: self._opened_with(name) for name, column in _COLUMNS.items()}

    def _opened_with(self, name: str) -> Any:
        """The form says it as its boxes have it, hours for a duration."""
        said, stored = self._posted_first(name), self._stored[name]
        if said == _lines(_boxed(stored)):
            return stored
        return timedelta(hours=int(said)) if isinstance(stored, timedelta) and said.isdigit() else said

    def _posted_first(self, name: str) -> str:
        return _lines(self.data.get(self.add_initial_prefix(name)))

    def overtaken(self, columns: Mapping[str, Any], *, base: int) -> list[tuple[str, str, str]]:
        """Let a second save replace what others stored meanwhile; returns field, stored and typed words of each."""
        boxes = {name: _boxed(columns[column]) for name, column in _COLUMNS.items() if column in columns}
        first = {self.add_initial_prefix(name): value for name, value in boxes.items()}
        self.data = {**self.data.dict(), "base": base, **first}  # type: ignore[attr-defined]
        return [
            (str(self[name].label), self._said_in(name, value), self._said_in(name, self[name].value()))
            for name, value in boxes.items()
        ]

    def _said_in(self, name: str, value: Any) -> str:
        """A value as its box shows it."""
        options = dict(getattr(self.fields[name], "choices", ()))
        return str(options.get(value, value))

    def refuse(self, error: ValidationError) -> None:
        """Show what was wrong only when it came to saving, beside its fields where they are known."""
        for field, found in error.error_dict.items():
            for each in found:
                self.add_error(field if field in self.fields else None, each)

    def shown_first(self) -> list[SafeString]:
        """What the template's own fields were when the form was opened, as hidden fields."""
        names = [name for name in _COLUMNS if self.fields[name].show_hidden_initial]
        posted = {**self.initial, **self.data}
        first = {name: posted.get(self.add_initial_prefix(name), _boxed(self._stored[name])) for name in names}
        return [HiddenInput().render(self.add_initial_prefix(name), value) for name, value in first.items()]

    def panels(self) -> Iterator[Panel]:
        """The channels of the type, ready to be shown."""
        for channel in PANELS:
            if channel in self.kind.channels:
                traits = TRAITS[channel]
                own = tuple(self[f"{channel}.{name}"] for name in traits.own)
                yield Panel(
                    kind=channel,
                    traits=traits,
                    ready=channel in self.ready,
                    active=self[f"{channel}.active"],
                    before=() if traits.own_below else own,
                    text=self._text(channel, language=""),
                    after=own if traits.own_below else (),
                    translations=tuple(self._text(channel, language=language) for language in self.tags),
                )

    def _text(self, channel: ChannelKind, *, language: str) -> Text:
        prefix = field_prefix(channel, language=language)
        return Text(language, tuple(self[f"{prefix}.{name}"] for name in TRAITS[channel].texts))

    def carried(self) -> Iterator[BoundField]:
        """What was typed for channels that the type lacks: it comes back when the type is changed back."""
        for name in self.fields:
            if name.partition(".")[0] in set(PANELS) - set(self.kind.channels) and not name.endswith(".active"):
                yield self[name]


KNOWN_LANGUAGES = tuple((tag, name) for tag, name in global_settings.LANGUAGES)
"""Offered when a language is added; any other tag may be typed."""


class TemplateFilter(ListFilter):
    search = forms.CharField(
        label=_("Search"), max_length=255, widget=forms.TextInput(attrs={"placeholder": _("Name, type or text")})
    )
    type = forms.ChoiceField(label=_("Type"), choices=choices(*((one.code, _(one.name)) for one in TYPES)))


class TypeForm(forms.Form):
    """The type of a new template."""

    type = forms.ChoiceField(
        label=_("Type"),
        choices=[(kind.code, _(kind.name)) for kind in TYPES if kind.code != APNS_EXPIRATION],
        widget=forms.Select(
            attrs={
                "hx-post": "",
                "hx-trigger": "change",
                "hx-target": "#channels",
                "hx-select": "#channels",
                "hx-select-oob": "#manual-words",
                "hx-swap": "outerHTML",
            }
        ),
    )

    def clean_type(self) -> str:
        return check_type(self.cleaned_data["type"]).code


def initial(template: NotificationTemplate, content: Content) -> dict[str, Any]:
    """A stored template as the form shows it."""
    base = template.current.number if template.current else None
    return {"base": base, "lifetime_hours": _boxed(template.lifetime), **_texts(content)}


def _texts(content: Content) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for channel in content.channels:
        values[f"{channel.kind}.active"] = channel.active
        for name in TRAITS[channel.kind].own:
            values[f"{channel.kind}.{name}"] = getattr(channel, name)
        for wording in channel.wordings:
            prefix = field_prefix(channel.kind, language=wording.language)
            values |= {f"{prefix}.{name}": getattr(wording, name) for name in TRAITS[channel.kind].texts}
    return values


def copy(template: NotificationTemplate, content: Content, *, ready: Collection[ChannelKind]) -> dict[str, Any]:
    """The same as a new template; channels that could not be activated now are not."""
    for_now = {f"{kind}.active": False for kind in CHANNELS if TRAITS[kind].needs_server and kind not in ready}
    values = {name: getattr(template, name) for name in ("description", "on_unknown")}
    name = _("Copy of %s") % template.name
    return {**values, "lifetime_hours": _boxed(template.lifetime), **_texts(content), **for_now, "name": name[:255]}


def fresh(kind: TemplateType) -> dict[str, Any]:
    """A new template of a type: its pre-built recipients."""
    return {f"{channel}.recipient": kind.recipient(channel) for channel in kind.channels}


def retyped(data: Mapping[str, Any], *, kind: TemplateType) -> dict[str, Any]:
    """What was typed, for another type: recipients that are still the pre-built ones follow it."""
    values = dict(data)
    for channel in kind.channels:
        name = f"{channel}.recipient"
        prebuilt = {each.recipient(channel) for each in BY_CODE.values()}
        if values.get(name, "").strip() in prebuilt:
            values[name] = kind.recipient(channel)
    return values


def languages_of(content: Content) -> list[str]:
    """The languages that any channel has a text in, besides the one for everybody."""
    return sorted({wording.language for channel in content.channels for wording in channel.wordings} - {""})


def languages_in(data: Mapping[str, Any]) -> list[str]:
    """The languages that a posted form has fields for, each once."""
    named = {folded(tag): tag for tag in str(data.get("languages", "")).replace(" ", "").split(",") if tag}
    return [tag for tag in named.values() if tag.replace("-", "").isalnum()][:40]


def _words(name: str, *, help_text: Any) -> Any:
    """The help beneath a field, with the place where the lint speaks."""
    return format_html('{}<span class="lint" id="lint-{}"></span>', help_text, name)


def _boxed(value: Any) -> Any:
    """What stands in a column, as its box has it."""
    return max(1, round(value.total_seconds() / 3600)) if isinstance(value, timedelta) else value


def _lines(value: Any) -> str:
    """A text with the line ends of the database; browsers send CRLF."""
    return str("" if value is None else value).replace("\r\n", "\n")


def _says(wording: Wording) -> bool:
    return not wording.language or bool(wording.subject.strip() or wording.message.strip() or wording.html.strip())
