"""The filter of the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from foundation.audit import Action


class AuditFilter(forms.Form):
    """All optional; what can't be read filters nothing."""

    actor = forms.CharField(label=_("Who"), required=False)
    action = forms.ChoiceField(label=_("Action"), required=False)
    kind = forms.ChoiceField(label=_("Type"), required=False)
    name = forms.CharField(label=_("Name"), required=False)
    since = forms.DateField(label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        actions = [(action.value, action.value.capitalize()) for action in Action]
        for name, choices in (("action", actions), ("kind", kinds)):
            self.fields[name].choices = [("", _("All")), *choices]  # type: ignore[attr-defined]
