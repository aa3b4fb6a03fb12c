"""The forms of administrators and roles."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.utils.translation import gettext_lazy as _
from msgspec import Struct, structs

from console.accounts import grants, limits
from console.accounts.grants import Held
from console.accounts.roles import APPS, OFFERED, VERBS
from console.models import RoleRule


class RoleChoice(forms.ModelMultipleChoiceField[Group]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=Group.objects.order_by("name"),
            widget=forms.CheckboxSelectMultiple,
            required=False,
            label=_("Roles"),
            **kwargs,
        )


class _GrantedRoles(forms.BaseModelForm[User]):
    """Offers the roles that hold no more than `holder`."""

    def __init__(self, *args: Any, holder: Held, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["groups"]
        assert isinstance(field, RoleChoice)
        held = grants.of_roles(list(Group.objects.values_list("pk", flat=True)))
        # Whose users a person sees is decided by all roles together, when they are saved.
        offered = [
            pk for pk, role in held.items() if grants.covers(holder, structs.replace(role, groups=holder.groups))
        ]
        field.queryset = Group.objects.order_by("name").filter(pk__in=offered)


class AdministratorForm(_GrantedRoles, forms.ModelForm[User]):
    groups = RoleChoice()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "is_active", "groups"]
        labels = {"is_active": _("May log in")}
        help_texts = {"username": "", "is_active": ""}


class NewAdministratorForm(_GrantedRoles, UserCreationForm[User]):
    groups = RoleChoice()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "groups"]

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's own signature
        self.instance.is_staff = True
        return super().save(commit=commit)


class GroupNames(forms.CharField):
    """Names of groups of users, one a line; its value are their ids. Those outside of `among` are unknown."""

    def __init__(self, **kwargs: Any) -> None:
        words = {"label": _("Groups"), "help_text": _("Their names, each on a line of its own.")}
        super().__init__(**{**words, "required": False, "widget": forms.Textarea(attrs={"rows": 4}), **kwargs})
        self.among: frozenset[int] | None = None

    def clean(self, value: Any) -> Any:
        names = list(dict.fromkeys(filter(None, map(str.strip, super().clean(value).splitlines()))))
        found = limits.groups().find(names) if names else {}
        if self.among is not None:
            found = {name: pk for name, pk in found.items() if pk in self.among}
        if unknown := [name for name in names if name not in found]:
            raise forms.ValidationError(_("There is no group “%s”.") % "”, “".join(unknown[:5]))
        return frozenset(found.values())


class LimitedForm(forms.Form):
    """The part of a form that limits what it is about to groups of users."""

    limited = forms.BooleanField(
        label=_("Limited to groups"),
        required=False,
        help_text=_("Sees, exports and notifies the users of these groups and their devices alone."),
    )
    limited_to = GroupNames()

    def offer(self, holder: Held | None, *, groups: frozenset[int] | None) -> None:
        """Whoever is limited limits to no other groups; `groups` are those of now, None where there is no limit."""
        field = self.fields["limited_to"]
        assert isinstance(field, GroupNames)
        field.among = holder.groups if holder else None
        self.initial["limited"] = groups is not None
        self.initial["limited_to"] = "\n".join(limits.groups().names(groups)) if groups else ""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("limited") and not cleaned.get("limited_to") and "limited_to" not in self.errors:
            self.add_error("limited_to", _("Name one group at least."))
        return cleaned

    def groups(self) -> frozenset[int] | None:
        """What was chosen: None for no limit."""
        return self.cleaned_data["limited_to"] if self.cleaned_data["limited"] else None


_OWN_NAMES = {"auth.user": _("Administrators"), "auth.group": _("Roles")}


class GrantRow(Struct, frozen=True):
    """One kind of object and what can be allowed with it; None where there is no such permission."""

    label: str
    boxes: list[forms.boundfield.BoundWidget | None]


class RoleForm(LimitedForm, forms.ModelForm[Group]):
    """Grants are chosen for the kinds of objects in roles.OFFERED; other permissions of the role stay as they are.

    Offered is what `holder` holds; everything where there is none, to be read alone.
    """

    limited = forms.BooleanField(
        label=_("Limited to groups"),
        required=False,
        help_text=_(
            "Its members see, export and notify the users of these groups and their devices alone, "
            "whatever other roles they have."
        ),
    )
    permissions = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, required=False)
    second_factor = forms.BooleanField(label=_("Members need a second factor"), required=False)

    class Meta:
        model = Group
        fields = ["name", "permissions"]

    def __init__(self, *args: Any, holder: Held | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = _offered(holder or grants.EVERYTHING)
        choices = [(str(row.pk), row.name) for row in self.offered]
        self.fields["permissions"].choices = choices  # type: ignore[attr-defined]
        self.offer(holder, groups=limits.of_roles([self.instance.pk]).get(self.instance.pk))
        if self.instance.pk:
            self.initial["second_factor"] = RoleRule.objects.filter(role=self.instance, second_factor=True).exists()
            self.initial["permissions"] = [str(pk) for pk in self.instance.permissions.values_list("pk", flat=True)]

    def clean_permissions(self) -> list[int]:
        offered = {row.pk for row in self.offered}
        kept = self.instance.permissions.exclude(pk__in=offered) if self.instance.pk else []
        return [int(pk) for pk in self.cleaned_data["permissions"]] + [row.pk for row in kept]

    def rows(self) -> list[GrantRow]:
        boxes = {box.data["value"]: box for box in self["permissions"].subwidgets}
        found: dict[str, dict[str, forms.boundfield.BoundWidget]] = {}
        for row in self.offered:
            found.setdefault(_kind(row), {})[row.codename.partition("_")[0]] = boxes[str(row.pk)]
        return [GrantRow(_grant_label(kind), [by_verb.get(verb) for verb in VERBS]) for kind, by_verb in found.items()]


def _kind(row: Permission) -> str:
    return f"{row.content_type.app_label}.{row.content_type.model}"


def _grant_label(kind: str) -> str:
    label = str(_OWN_NAMES.get(kind) or apps.get_model(kind)._meta.verbose_name_plural)  # noqa: SLF001 - documented
    return label[:1].upper() + label[1:]


def _offered(holder: Held) -> list[Permission]:
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    by_model: dict[str, list[Permission]] = {}
    for row in rows:
        if grants.covers(holder, Held(frozenset({grants.full_name(row)}))):
            by_model.setdefault(_kind(row), []).append(row)
    return [row for label in OFFERED for row in by_model.get(label, [])]
