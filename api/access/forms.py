"""The forms of API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from console.accounts import grants
from console.accounts.forms import LimitedForm
from console.accounts.grants import Held

_SCOPES = (
    (ApiScope.EVENTS, _("Post events")),
    (ApiScope.READ, _("Read events, deliveries, servers and templates")),
    (ApiScope.MESSAGES, _("Read the texts of messages")),
    (ApiScope.DEVICES, _("Write devices and users")),
    (ApiScope.SEND, _("Send, send again and cancel")),
    (ApiScope.ADMIN, _("Change servers and templates")),
)
_LIFETIMES = (("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year")), ("", _("It does not expire")))


class ApiKeyLimitsForm(LimitedForm, forms.ModelForm[ApiKey]):
    """What can be changed of a key: how much it may post, and to whom."""

    class Meta:
        model = ApiKey
        fields = ["rate_limit", "burst", "known_recipients_only"]

    def __init__(self, *args: Any, holder: Held, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(holder, groups=keys.held_by([self.instance])[self.instance.pk].groups)


class ApiKeyForm(LimitedForm, forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        widget=forms.CheckboxSelectMultiple,
        initial=[ApiScope.EVENTS.value],
    )
    lifetime = forms.ChoiceField(label=_("Expires after"), choices=_LIFETIMES, initial="365", required=False)

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "rate_limit", "burst", "known_recipients_only"]
        help_texts = {"name": _("What will use it, for example the name of a system.")}

    def __init__(self, *args: Any, holder: Held, **kwargs: Any) -> None:
        """Offers the scopes that `holder` may give; a key of who is limited is limited too."""
        super().__init__(*args, **kwargs)
        self.offer(holder, groups=holder.groups)
        held = {scope: keys.held([scope], groups=holder.groups) for scope, _label in _SCOPES}
        given = [(scope.value, label) for scope, label in _SCOPES if grants.covers(holder, held[scope])]
        self.fields["scopes"].choices = given  # type: ignore[attr-defined]
        for name in ("rate_limit", "burst"):
            self.fields[name].required = False

    def clean_rate_limit(self) -> int:
        return self._or_default("rate_limit")

    def clean_burst(self) -> int:
        return self._or_default("burst")

    def _or_default(self, name: str) -> int:
        given = self.cleaned_data[name]
        default: int = getattr(ApiKey(), name)
        return default if given is None else given

    def expires_at(self, *, now: datetime) -> datetime | None:
        days = self.cleaned_data["lifetime"]
        return now + timedelta(days=int(days)) if days else None
