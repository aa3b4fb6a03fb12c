"""Forms of the console's own pages: administrators, roles, the audit trail's filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.utils.translation import gettext_lazy as _

from console.roles import APPS


class RoleChoice(forms.ModelMultipleChoiceField[Group]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=Group.objects.order_by("name"),
            widget=forms.CheckboxSelectMultiple,
            required=False,
            label=_("Roles"),
            **kwargs,
        )


class AdministratorForm(forms.ModelForm[User]):
    groups = RoleChoice()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "is_active", "groups"]
        labels = {"is_active": _("May log in")}
        help_texts = {"username": "", "is_active": ""}


class NewAdministratorForm(UserCreationForm[User]):
    groups = RoleChoice()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "groups"]

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's own signature
        self.instance.is_staff = True
        return super().save(commit=commit)


class RoleForm(forms.ModelForm[Group]):
    permissions = forms.MultipleChoiceField(label=_("Permissions"), widget=forms.CheckboxSelectMultiple, required=False)

    class Meta:
        model = Group
        fields = ["name", "permissions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["permissions"].choices = list(_grouped_permissions())  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["permissions"] = list(self.instance.permissions.values_list("pk", flat=True))


def _grouped_permissions() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """The permissions of our own models, by model."""
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    groups: dict[str, list[tuple[int, str]]] = {}
    for row in rows.order_by("content_type__app_label", "content_type__model", "codename"):
        groups.setdefault(str(row.content_type.name).capitalize(), []).append((row.pk, row.name))
    yield from groups.items()


class AuditFilter(forms.Form):
    """All optional; what can't be read filters nothing."""

    actor = forms.CharField(label=_("Who"), required=False)
    action = forms.ChoiceField(label=_("Action"), required=False)
    kind = forms.ChoiceField(label=_("Type"), required=False)
    name = forms.CharField(label=_("Name"), required=False)
    since = forms.DateField(label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, actions: list[str], kinds: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in (("action", actions), ("kind", kinds)):
            self.fields[name].choices = [("", _("All")), *((v, v) for v in values)]  # type: ignore[attr-defined]
