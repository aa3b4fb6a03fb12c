"""The form of Notify: recipients, template, channels and text, in the order of the original's dialog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from console.kit.filters import ListFilter, choices
from devices.scope import GroupScope
from dispatch.broadcasts.audiences import Audience
from dispatch.intake.sends import SendIn
from dispatch.intake.subjects import RefusedError
from dispatch.models import BROADCAST_STATES
from dispatch.notify import recipients
from templates_app import queries
from templates_app.channels import CHANNELS, TRAITS
from templates_app.models import NotificationTemplate
from templates_app.texts.content import Channel, Content
from templates_app.texts.validators import SOUNDS
from templates_app.types import ADHOC
from transports.types import ChannelKind

_TICKED = (ChannelKind.SMTP, ChannelKind.SMS)
_TEXTS = ("sender", "subject", "message", "sms_text", "hub_text", "sound")
_CHANGES = {
    "hx-post": reverse_lazy("notify"),
    "hx-vals": '{"do": "show"}',
    "hx-target": "#texts",
    "hx-select": "#texts",
    "hx-swap": "outerHTML",
}
_FIELDS = {
    "message.smtp.sender": "sender",
    "message.smtp.subject": "subject",
    "message.smtp": "message",
    "message.sms": "sms_text",
    "message.secure_hub.sound": "sound",
    "message.secure_hub": "hub_text",
    "recipients": "recipients",
    "channels": "channels",
    "template": "template",
}
"""The fields of the form by the beginnings of the paths that a refusal names."""
_REFUSED: Mapping[str, str | Promise] = {
    "required": _("This field is required."),
    "no_text": _("There is no text for this channel: write one, or untick it."),
    "not_manual": _("It uses a reason that only an event tells, so it can't be sent by hand."),
    "outside": _("You are limited to groups of users, and may send to these alone."),
    "one_of": _("Choose recipients first: devices or users in their lists, or type addresses here."),
}


class NotifyForm(forms.Form):
    to = forms.CharField(required=False, widget=forms.HiddenInput)
    recipients = forms.CharField(
        label=_("Recipients"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Mail addresses and phone numbers, separated by semicolons."),
    )
    template = forms.ChoiceField(label=_("Template"), required=False, widget=forms.Select(attrs=_CHANGES))
    channels = forms.MultipleChoiceField(
        label=_("Channels"),
        choices=[(kind.value, TRAITS[kind].name) for kind in CHANNELS],
        widget=forms.CheckboxSelectMultiple,
    )
    sender = forms.CharField(
        label=_("Sender"),
        required=False,
        max_length=500,
        help_text=_("A name, an address, or both; empty: as the server has it."),
    )
    subject = forms.CharField(label=_("Subject"), required=False, max_length=2_000)
    message = forms.CharField(
        label=_("Message"), required=False, max_length=100_000, widget=forms.Textarea(attrs={"rows": 8})
    )
    sms_text = forms.CharField(
        label=_("SMS message"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Empty: the Message above."),
    )
    hub_text = forms.CharField(
        label=_("Secure Hub message"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Empty: the Message above."),
    )
    sound = forms.ChoiceField(
        label=_("Sound File"), required=False, choices=[(name, name or _("None")) for name in SOUNDS]
    )
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, scope: GroupScope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = scope
        self.templates = {
            str(row.pk): row for row in queries.manual_templates() if not (row.predefined and row.type == ADHOC)
        }
        offered = [("", _("Ad Hoc")), *((key, row.name) for key, row in self.templates.items())]
        self.fields["template"].choices = offered  # type: ignore[attr-defined]

    @property
    def audience(self) -> Audience | None:
        return recipients.read(self["to"].value() or "")

    @property
    def whom(self) -> str:
        """Who was chosen, in words; "" where the recipients are typed."""
        return recipients.words(self.audience) if self.audience else ""

    def send_in(self) -> SendIn:
        """What is to be sent; of a valid form."""
        given = self.cleaned_data
        row = self.templates.get(given["template"])
        kinds = frozenset(map(ChannelKind, given["channels"]))
        message = _message(given, kinds=kinds)
        if row and _is_as_stored(queries.current_content(row), given, kinds=kinds):
            message = {}
        audience = self.audience or {}
        named = {name: audience[name] for name in ("devices", "users") if name in audience}
        return SendIn(
            template=str(row.uid) if row else "",
            message=message,
            audience=audience if audience and not named else None,
            recipients={} if audience else _addresses(given["recipients"], kinds=kinds),
            within=self.scope,
            channels=kinds,
            **named,
        )

    def refuse(self, refused: RefusedError) -> None:
        """Show beside its field why it is not sent."""
        beginning = (name for path, name in _FIELDS.items() if refused.field.startswith(path))
        field = next(beginning, None) or ("recipients" if not self.audience else None)
        self.add_error(field, str(_REFUSED.get(refused.code, refused.message)))


class BroadcastFilter(ListFilter):
    state = forms.ChoiceField(label=_("State"), choices=choices(*BROADCAST_STATES))
    by = forms.CharField(label=_("Sent by"), max_length=255)


def initial(row: NotificationTemplate | None) -> dict[str, Any]:
    """What the form shows of a template: its stored text; nothing for text of one's own."""
    if row is None:
        return {"template": "", "channels": [kind.value for kind in _TICKED], **dict.fromkeys(_TEXTS, "")}
    content = queries.current_content(row)
    active = [channel for channel in content.channels if channel.active]
    return {
        "template": str(row.pk),
        "channels": [channel.kind.value for channel in active],
        **_stored(content),
    }


def _stored(content: Content) -> dict[str, str]:
    mail, hub = content.channel(ChannelKind.SMTP), content.channel(ChannelKind.SECURE_HUB)
    return {
        "sender": mail.sender,
        "subject": mail.wording("").subject,
        "message": mail.wording("").message,
        "sms_text": _text(content.channel(ChannelKind.SMS)),
        "hub_text": _text(hub),
        "sound": hub.sound,
    }


def _text(channel: Channel) -> str:
    return channel.wording("").message


def _is_as_stored(content: Content, given: Mapping[str, Any], *, kinds: frozenset[ChannelKind]) -> bool:
    """Whether the text of the channels that are wanted is the template's own: its HTML and languages then hold too."""
    stored = _stored(content)
    shown = {
        ChannelKind.SMTP: ("sender", "subject", "message"),
        ChannelKind.SMS: ("sms_text",),
        ChannelKind.SECURE_HUB: ("hub_text", "sound"),
    }
    return all(_plain(given[name]) == _plain(stored[name]) for kind in kinds for name in shown[kind])


def _message(given: Mapping[str, Any], *, kinds: frozenset[ChannelKind]) -> dict[str, dict[str, str]]:
    said = {
        ChannelKind.SMTP: {name: _plain(given[name]) for name in ("sender", "subject", "message")},
        ChannelKind.SMS: {"message": _plain(given["sms_text"] or given["message"])},
        ChannelKind.SECURE_HUB: {
            "message": _plain(given["hub_text"] or given["message"]),
            "sound": given["sound"],
        },
    }
    return {kind.value: said[kind] for kind in CHANNELS if kind in kinds}


def _addresses(text: str, *, kinds: frozenset[ChannelKind]) -> dict[ChannelKind, list[str]]:
    """Of the channels that are wanted."""
    return {kind: given for kind, given in recipients.typed(text).items() if kind in kinds}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
