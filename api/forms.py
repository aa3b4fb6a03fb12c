"""The form of a new API key."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from api.keys import ApiScope
from api.models import ApiKey

_SCOPES = (
    (ApiScope.EVENTS, _("Post events")),
    (ApiScope.READ, _("Read events, deliveries, servers and templates")),
    (ApiScope.MESSAGES, _("Read the texts of messages")),
    (ApiScope.DEVICES, _("Write devices and users")),
    (ApiScope.SEND, _("Send, send again and cancel")),
    (ApiScope.ADMIN, _("Change servers and templates")),
)
_LIFETIMES = (("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year")), ("", _("It does not expire")))


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope.value, label) for scope, label in _SCOPES],
        widget=forms.CheckboxSelectMultiple,
        initial=[ApiScope.EVENTS.value],
    )
    lifetime = forms.ChoiceField(label=_("Expires after"), choices=_LIFETIMES, initial="365", required=False)

    class Meta:
        model = ApiKey
        fields = ["name", "scopes"]
        help_texts = {"name": _("What will use it, for example the name of a system.")}

    def expires_at(self, *, now: datetime) -> datetime | None:
        days = self.cleaned_data["lifetime"]
        return now + timedelta(days=int(days)) if days else None
