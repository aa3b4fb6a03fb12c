"""Settings > Access: administrators and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.accounts import edits, grants
from console.accounts.forms import AdministratorForm, NewAdministratorForm, RoleForm
from console.accounts.grants import Held
from console.kit import cells, registry
from console.kit.editing import DeletePage, FormPage, ObjectView
from console.kit.filters import NameFilter
from console.kit.lists import ListPage
from console.kit.pages import SettingsChildView
from console.kit.registry import Button, Column, How, Level, State, Tile, Words
from console.kit.registry import Group as Part
from console.models import SecondFactor
from foundation import audit
from foundation.audit import Snapshot


class AdministratorsPage(SettingsChildView, ListPage[User]):
    title = gettext_lazy("Administrators")
    page = "administrators"
    permissions = ("auth.view_user",)
    write_permissions = ("auth.change_user",)
    filter_class = NameFilter
    orders: ClassVar = {"user": ("username",), "name": ("first_name", "last_name"), "last": ("last_login",)}

    def bar(self) -> Iterable[Button]:
        yield Button(
            _("Add administrator"), reverse("administrator-add"), "auth.add_user", how=How.LINK, style="primary"
        )

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[User]:
        rows = User.objects.filter(is_staff=True).select_related("second_factor").prefetch_related("groups")
        words = given.get("name", "")
        names = ("username", "first_name", "last_name", "email")
        return rows.filter(reduce(or_, (Q(**{f"{name}__icontains": words}) for name in names))) if words else rows

    def prepare(self, rows: Sequence[User]) -> None:
        """Finds those that hold no more than whoever looks."""
        holder, held = grants.of_actor(audit.by_request(self.request)), grants.of_users([row.pk for row in rows])
        self.within = {pk for pk, one in held.items() if grants.covers(holder, one)}

    def columns(self, rows: Sequence[User]) -> Iterable[Column]:
        return (
            Column("user", _("User name"), lambda row: _named(row, opens=row.pk in self.within), heads=True),
            Column("name", _("Name"), User.get_full_name),
            Column("email", _("Email"), lambda row: row.email),
            Column("roles", _("Roles"), _roles),
            Column("state", _("State"), _may_log_in),
            Column("factor", _("Second factor"), _second_factor),
            Column("last", _("Last log-in"), lambda row: cells.moment(row.last_login)),
        )

    def buttons(self, rows: Sequence[User]) -> Callable[[User], Iterable[Button]]:
        deletable = self.within - {self.request.user.pk}
        return lambda row: [_delete("administrator-delete", row, "auth.delete_user")] if row.pk in deletable else []


def _named(row: User, *, opens: bool) -> Words:
    return cells.link(reverse("administrator", args=[row.pk]), row.username) if opens else row.username


def _roles(row: User) -> Words:
    if row.is_superuser:
        return _("Everything (superuser)")
    return ", ".join(role.name for role in row.groups.all()) or _("None")


def _may_log_in(row: User) -> Words:
    if row.is_active:
        return cells.badge(Level.OK, _("May log in"))
    return cells.badge(Level.NEUTRAL, _("May not log in"))


def _second_factor(row: User) -> Words:
    if hasattr(row, "second_factor"):
        return cells.badge(Level.OK, _("On"))
    return cells.badge(Level.NEUTRAL, _("Off"))


def _delete(view: str, row: User | Group, permission: str) -> Button:
    return Button(_("Delete"), reverse(view, args=[row.pk]), permission, how=How.DIALOG, style="danger")


class _AdministratorView(ObjectView[User], SettingsChildView):
    """Of those alone who hold no more than whoever opens it; the list shows all."""

    model = User
    page = "administrators"
    asks_password = True
    permissions = ("auth.view_user",)
    write_permissions = ("auth.change_user",)

    def get_queryset(self) -> QuerySet[User]:
        return User.objects.filter(is_staff=True)

    def get_object(self) -> User:
        found = super().get_object()
        if not grants.covers(self.get_holder(), grants.of_user(found)):
            raise Http404
        return found

    def get_holder(self) -> Held:
        return grants.of_actor(audit.by_request(self.request))

    def get_success_url(self) -> str:
        return reverse("administrators")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("Administrators"), reverse("administrators"))]


class AdministratorPage(_AdministratorView, FormPage[User]):
    template_name = "console/administrator.html"
    add_title = gettext_lazy("Add administrator")
    secrets = ("password1", "password2")

    def get_form(self, **kwargs: Any) -> ModelForm[User]:
        form = AdministratorForm if self.instance.pk else NewAdministratorForm
        return form(instance=self.instance, holder=self.get_holder(), **kwargs)

    def all_permissions(self) -> tuple[str, ...]:
        return super().all_permissions() if "pk" in self.kwargs else (*self.permissions, "auth.add_user")

    def store(self, form: ModelForm[User], *, before: Snapshot) -> User:
        return edits.save_administrator(form, actor=audit.by_request(self.request), before=before)


class AdministratorPasswordPage(TemplateResponseMixin, _AdministratorView):
    """Sets a new password; all sessions of that user end."""

    template_name = "console/administrator_password.html"

    def get_title(self) -> Words:
        return _("Set a password for “%s”") % self.user

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.user = self.get_object()
        return self.render_to_response(self.get_context_data(form=SetPasswordForm(self.user)))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.user = self.get_object()
        form = SetPasswordForm(self.user, data=request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        edits.set_password(self.user, form.cleaned_data["new_password1"], actor=audit.by_request(request))
        messages.success(request, _("The password of “%s” was set.") % self.user)
        return redirect(self.get_success_url())


class SecondFactorReset(_AdministratorView):
    """Switches off the second factor of one who lost both app and recovery codes."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self.get_object()
        factor = SecondFactor.objects.filter(user=user).first()
        if factor is not None:
            edits.turn_off_second_factor(factor, actor=audit.by_request(request))
        messages.success(request, _("The second factor of “%s” is off.") % user)
        return redirect("administrator", pk=pk)


class AdministratorDeletePage(_AdministratorView, DeletePage[User]):
    write_permissions = ("auth.delete_user",)

    def why_kept(self, instance: User) -> Words:
        return _("You can't delete yourself.") if instance.pk == self.request.user.pk else ""

    def remove(self, instance: User) -> None:
        edits.delete_administrator(instance, actor=audit.by_request(self.request))


class RolesPage(SettingsChildView, ListPage[Group]):
    title = gettext_lazy("Roles")
    page = "roles"
    permissions = ("auth.view_group",)
    write_permissions = ("auth.change_group",)
    empty = gettext_lazy("There are no roles yet.")
    orders: ClassVar = {"name": ("name",), "members": ("members", "name"), "granted": ("granted", "name")}

    def bar(self) -> Iterable[Button]:
        yield Button(_("Add role"), reverse("role-add"), "auth.add_group", how=How.LINK, style="primary")

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Group]:
        return Group.objects.annotate(members=Count("user", distinct=True), granted=Count("permissions", distinct=True))

    def columns(self, rows: Sequence[Group]) -> Iterable[Column]:
        return (
            Column("name", _("Name"), lambda row: cells.link(reverse("role", args=[row.pk]), row.name), heads=True),
            Column("members", _("Administrators"), lambda row: f"{row.members:,}", style="number"),
            Column("granted", _("Permissions"), lambda row: f"{row.granted:,}", style="number"),
        )

    def buttons(self, rows: Sequence[Group]) -> Callable[[Group], Iterable[Button]]:
        holder = grants.of_actor(audit.by_request(self.request))
        held = grants.of_roles([row.pk for row in rows])
        return lambda row: (
            [_delete("role-delete", row, "auth.delete_group")] if grants.covers(holder, held[row.pk]) else []
        )


class _RoleView(ObjectView[Group], SettingsChildView):
    model = Group
    page = "roles"
    asks_password = True
    permissions = ("auth.view_group",)
    write_permissions = ("auth.change_group",)

    def get_success_url(self) -> str:
        return reverse("roles")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("Roles"), reverse("roles"))]


class RolePage(_RoleView, FormPage[Group]):
    """A role that holds more than whoever opens it can be read."""

    template_name = "console/role.html"
    add_title = gettext_lazy("Add role")

    def get_form(self, **kwargs: Any) -> RoleForm:
        return RoleForm(instance=self.instance, holder=None if self._is_beyond() else self._holder(), **kwargs)

    def all_permissions(self) -> tuple[str, ...]:
        return super().all_permissions() if "pk" in self.kwargs else (*self.permissions, "auth.add_group")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_instance()
        if self._is_beyond():
            raise PermissionDenied
        return super().post(request, *args, **kwargs)

    def store(self, form: ModelForm[Group], *, before: Snapshot) -> Group:
        assert isinstance(form, RoleForm)
        return edits.save_role(form, actor=audit.by_request(self.request), before=before)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        beyond = self._is_beyond()
        return context | {"beyond": beyond, "may_write": context["may_write"] and not beyond}

    def _is_beyond(self) -> bool:
        return self.instance.pk is not None and not grants.covers(self._holder(), grants.of_role(self.instance))

    def _holder(self) -> Held:
        return grants.of_actor(audit.by_request(self.request))


class RoleDeletePage(_RoleView, DeletePage[Group]):
    write_permissions = ("auth.delete_group",)

    def why_kept(self, instance: Group) -> Words:
        holder = grants.of_actor(audit.by_request(self.request))
        if grants.covers(holder, grants.of_role(instance)):
            return ""
        return _("It holds more than you do, so you can't delete it.")

    def remove(self, instance: Group) -> None:
        edits.delete_role(instance, actor=audit.by_request(self.request))


def register() -> None:
    registry.add_tile(
        Tile(
            "administrators",
            gettext_lazy("Administrators"),
            Part.ACCESS,
            gettext_lazy("Who may use this console."),
            permission="auth.view_user",
            order=10,
            state=_administrators_state,
        )
    )
    registry.add_tile(
        Tile(
            "roles",
            gettext_lazy("Roles"),
            Part.ACCESS,
            gettext_lazy("What administrators may do."),
            permission="auth.view_group",
            order=20,
        )
    )
    registry.add_impact("auth.Group", source=_role_impact)


def _administrators_state() -> State:
    count = User.objects.filter(is_staff=True, is_active=True).count()
    return State(_("%d may log in") % count, Level.NEUTRAL)


def _role_impact(role: Group) -> list[Words]:
    members = list(role.user_set.order_by("username").values_list("username", flat=True))
    return [_("These administrators lose its permissions: %s.") % ", ".join(members)] if members else []
