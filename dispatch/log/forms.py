"""The filter of the delivery log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import Day, ListFilter, choices, end_of, start_of
from dispatch.log.search import Wanted
from dispatch.models import DELIVERY_STATES
from dispatch.rules import states
from servers.models import Server
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


class LogFilter(ListFilter):
    recipient = forms.CharField(
        label=_("Recipient"),
        max_length=320,
        widget=forms.TextInput(attrs={"placeholder": _("Address, user or serial number")}),
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
    event = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = [(key, words) for key, (words, _among) in GROUPS.items()]
        templates = NotificationTemplate.objects.order_by("name").values_list("pk", "name", "deleted_at")
        named = [(str(pk), _("%s (deleted)") % name if gone else name) for pk, name, gone in templates]
        servers = Server.objects.order_by("name").values_list("pk", "name")
        for field, offered in (
            ("state", [*groups, *DELIVERY_STATES]),
            ("template", named),
            ("server", [(str(pk), name) for pk, name in servers]),
        ):
            self.fields[field].choices = choices(*offered)  # type: ignore[attr-defined]


def wanted(given: Mapping[str, Any], *, now: datetime) -> Wanted:
    """What a filter asks for at this moment."""
    state = given.get("state", "")
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
        recipient=invisible.trimmed(given.get("recipient", "")),
    )
