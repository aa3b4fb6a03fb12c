"""The filter of the delivery log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import Day, ListFilter, choices, end_of, start_of
from dispatch.log.search import Wanted
from dispatch.models import DELIVERY_STATES
from dispatch.rules import states
from servers.models import Server
from servers.queries import deleted_servers
from templates_app.channels import TRAITS
from templates_app.models import NotificationTemplate
from transports.addresses import invisible

TROUBLE = "trouble"
LOST = "lost"
QUEUED = "queued"
GROUPS = {
    TROUBLE: (_("Any trouble"), states.TROUBLE),
    LOST: (_("Failed or expired"), states.LOST),
    QUEUED: (_("Queued or paused"), states.UNDERWAY),
}
"""Choices of the state that stand for several."""


MOST_KEY = 2**63 - 1


class LogFilter(ListFilter):
    recipient = forms.CharField(
        label=_("Recipient"),
        max_length=320,
        widget=forms.TextInput(attrs={"placeholder": _("Any part of a name, address or number")}),
    )
    state = forms.ChoiceField(label=_("State"))
    channel = forms.ChoiceField(
        label=_("Channel"), choices=choices(*((kind.value, traits.name) for kind, traits in TRAITS.items()))
    )
    template = forms.ChoiceField(label=_("Template"))
    server = forms.ChoiceField(label=_("Server"))
    within = forms.ChoiceField(
        label=_("Within"),
        choices=choices(("1", _("Last hour")), ("24", _("Last 24 hours")), ("168", _("Last 7 days"))),
    )
    since = Day(label=_("From day"))
    until = Day(label=_("To day"))
    event = forms.UUIDField(label=_("Event"), widget=forms.HiddenInput)
    user = forms.IntegerField(label=_("User"), widget=forms.HiddenInput, min_value=1, max_value=MOST_KEY)
    device = forms.IntegerField(label=_("Device"), widget=forms.HiddenInput, min_value=1, max_value=MOST_KEY)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = [(key, words) for key, (words, _among) in GROUPS.items()]
        templates = NotificationTemplate.objects.order_by("name").values_list("pk", "name", "deleted_at")
        named = [(str(pk), _("%s (deleted)") % name if gone else name) for pk, name, gone in templates]
        servers = [(str(pk), name) for pk, name in Server.objects.order_by("name").values_list("pk", "name")]
        gone = [(pk, _("%s (deleted)") % name) for pk, name in deleted_servers()]
        for field, offered in (
            ("state", [*groups, *DELIVERY_STATES]),
            ("template", named),
            ("server", [*servers, *gone]),
        ):
            self.fields[field].choices = choices(*offered)  # type: ignore[attr-defined]

    def described(self) -> Iterator[tuple[str, str]]:
        """Each field that is asked for, with its label and value as people read them."""
        for name, value in self.given().items():
            field = self.fields[name]
            shown = dict(field.choices)[value] if isinstance(field, forms.ChoiceField) else value  # type: ignore[arg-type]
            yield name, f"{field.label or name.capitalize()}: {shown}"


def wanted(given: Mapping[str, Any], *, now: datetime) -> Wanted:
    """What a filter asks for at this moment; who is typed goes before the one that a link named."""
    state, recipient = given.get("state", ""), invisible.trimmed(given.get("recipient", ""))
    begins = [start_of(given["since"])] if "since" in given else []
    begins += [now - timedelta(hours=int(given["within"]))] if "within" in given else []
    return Wanted(
        since=max(begins, default=None),
        until=end_of(given["until"]) if "until" in given else None,
        channel=given.get("channel", ""),
        states=frozenset(GROUPS[state][1] if state in GROUPS else {state} if state else ()),
        template_id=int(given["template"]) if "template" in given else None,
        server_id=int(given["server"]) if "server" in given else None,
        event_id=given.get("event"),
        person_id=None if recipient else given.get("user"),
        device_id=None if recipient else given.get("device"),
        recipient=recipient,
    )
