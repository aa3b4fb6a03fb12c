"""The filter of the delivery log."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import end_of
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


class LogFilter(forms.Form):
    """All optional; what can't be read filters nothing."""

    recipient = forms.CharField(
        label=_("Recipient"),
        required=False,
        max_length=320,
        widget=forms.TextInput(attrs={"placeholder": _("Address, user or serial number")}),
    )
    state = forms.ChoiceField(label=_("State"), required=False)
    channel = forms.ChoiceField(
        label=_("Channel"),
        required=False,
        choices=[("", _("All")), *((kind.value, traits.name) for kind, traits in TRAITS.items())],
    )
    template = forms.ChoiceField(label=_("Template"), required=False)
    server = forms.ChoiceField(label=_("Server"), required=False)
    since = forms.DateField(label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    event = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = [(key, words) for key, (words, _among) in GROUPS.items()]
        templates = NotificationTemplate.objects.order_by("name").values_list("pk", "name", "deleted_at")
        named = [(str(pk), _("%s (deleted)") % name if gone else name) for pk, name, gone in templates]
        servers = Server.objects.order_by("name").values_list("pk", "name")
        for field, choices in (
            ("state", [*groups, *DELIVERY_STATES]),
            ("template", named),
            ("server", [(str(pk), name) for pk, name in servers]),
        ):
            self.fields[field].choices = [("", _("All")), *choices]  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        """What is asked for."""
        self.is_valid()
        given = self.cleaned_data
        state = given.get("state") or ""
        until = given.get("until")
        return Wanted(
            since=_midnight(given["since"]) if given.get("since") else None,
            until=end_of(until) if until else None,
            channel=given.get("channel") or "",
            states=frozenset(GROUPS[state][1] if state in GROUPS else {state} if state else ()),
            template_id=int(given["template"]) if given.get("template") else None,
            server_id=int(given["server"]) if given.get("server") else None,
            event_id=given.get("event"),
            recipient=invisible.trimmed(given.get("recipient") or ""),
        )


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
