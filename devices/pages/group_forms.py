"""The forms of Manage > Groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import ListFilter, choices
from devices.fields import FieldError, line
from devices.models import Group

REPORTED, BY_HAND = "reported", "hand"
MOST_ADDED = 1_000


class GroupFilter(ListFilter):
    name = forms.CharField(label=_("Name"), max_length=255)
    source = forms.ChoiceField(
        label=_("Where from"), choices=choices((REPORTED, _("Reported")), (BY_HAND, _("Added by hand")))
    )


class MemberFilter(ListFilter):
    search = forms.CharField(
        label=_("Search"),
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": _("Login name, name, mail or number")}),
    )


class GroupForm(forms.ModelForm[Group]):
    class Meta:
        model = Group
        fields = ["name"]
        help_texts = {
            "name": _("Filters, rules and imports name it so. A system that reports users goes on with the old name.")
        }

    def clean_name(self) -> str:
        try:
            return line("name", self.cleaned_data["name"], longest=255)
        except FieldError as error:
            raise forms.ValidationError(str(error)) from None


class MembersForm(forms.Form):
    """Whom to add: login names, one a line."""

    loginnames = forms.CharField(
        label=_("Login names"),
        help_text=_("One on each line. Users who are in the group already stay."),
        max_length=MOST_ADDED * 320,
        widget=forms.Textarea(attrs={"rows": 8}),
    )

    def clean_loginnames(self) -> list[str]:
        text: Any = self.cleaned_data["loginnames"]
        names = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
        if len(names) > MOST_ADDED:
            raise forms.ValidationError(_("At most %d at a time; more are an import.") % MOST_ADDED)
        return names
