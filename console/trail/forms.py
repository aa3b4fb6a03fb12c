"""The filter of the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import Day, ListFilter, choices
from foundation.audit import Action


class AuditFilter(ListFilter):
    actor = forms.CharField(label=_("Who"))
    action = forms.ChoiceField(
        label=_("Action"), choices=choices(*((one.value, one.value.capitalize()) for one in Action))
    )
    kind = forms.ChoiceField(label=_("Type"))
    name = forms.CharField(label=_("Name"))
    since = Day(label=_("From day"))
    until = Day(label=_("To day"))

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = choices(*kinds)  # type: ignore[attr-defined]
