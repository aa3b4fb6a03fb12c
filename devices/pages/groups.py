"""Manage > Groups: the list, each with its users, added and renamed and deleted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import cells, registry
from console.kit.editing import DeletePage, DialogMixin, FormPage, ObjectView
from console.kit.lists import ListPage, chosen
from console.kit.registry import Bulk, Button, Column, Entry, How, Section, Words
from devices import edits, filters, selection
from devices.filters import Filter
from devices.limits import ScopedView
from devices.models import Group, Person
from devices.pages.group_forms import BY_HAND, GroupFilter, GroupForm, MemberFilter, MembersForm
from devices.scope import GroupScope
from foundation import audit
from foundation.audit import Snapshot

MOST_REMOVED = 1_000


_WITH_USERS = ("devices.view_group", "devices.view_person", "devices.view_device")


class GroupsView(ScopedView):
    page = "groups"
    permissions: tuple[str, ...] = ("devices.view_group",)


class GroupList(GroupsView, ListPage[Group]):
    title = gettext_lazy("Groups")
    filter_class = GroupFilter
    empty = gettext_lazy("No group is known yet. Groups come in with users, or are added here.")
    empty_filtered = gettext_lazy("No group fits this filter.")
    orders: ClassVar = {"name": ("name",), "source": ("by_hand", "name")}

    def bar(self) -> Iterable[Button]:
        if not self.scope.is_limited:
            yield Button(_("Add group"), reverse("group-add"), "devices.add_group", how=How.DIALOG, style="primary")

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Group]:
        rows = Group.objects.within(self.scope).filter(name__icontains=given.get("name", ""))
        return rows.filter(by_hand=given["source"] == BY_HAND) if "source" in given else rows

    def columns(self, rows: Sequence[Group]) -> Iterable[Column]:
        users, devices = _counts(rows)
        return (
            Column("name", _("Name"), lambda row: cells.link(_address(row), row.name), style="who", heads=True),
            Column("users", _("Users"), lambda row: f"{users.get(row.pk, 0):,}", style="number"),
            Column("devices", _("Devices"), lambda row: f"{devices.get(row.pk, 0):,}", style="number"),
            Column("source", _("Where from"), _source),
        )

    def buttons(self, rows: Sequence[Group]) -> Callable[[Group], Iterable[Button]]:
        return lambda row: [] if self.scope.is_limited else [_delete(row)]


class GroupPage(GroupsView, ListPage[Person]):
    """The users of a group, what is known of it, and what the rooms above add by the key "group"."""

    template_name = "devices/group.html"
    permissions = _WITH_USERS
    key = "group-members"
    filter_class = MemberFilter
    empty = gettext_lazy("Nobody is in this group.")
    empty_filtered = gettext_lazy("No user of the group fits this filter.")
    orders: ClassVar = {"user": ("loginname",), "mail": ("mail",)}
    bulk_most = MOST_REMOVED

    def get_title(self) -> Words:
        return self.group.name

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(GroupList.title, reverse("groups"))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.group = _find(self, self.kwargs["pk"])
        context = {"facts": list(self._facts()), "below": registry.panels("group", self.request, instance=self.group)}
        return super().get_context_data(**context | kwargs)

    def _facts(self) -> Iterator[tuple[Words, Words]]:
        users, devices = (counts.get(self.group.pk, 0) for counts in _counts([self.group]))
        to_devices = f"{reverse('devices')}?{urlencode({'group': self.group.name})}"
        yield _("Users"), f"{users:,}"
        yield _("Devices"), cells.link(to_devices, f"{devices:,}")
        yield _("Where from"), _source(self.group)

    def bar(self) -> Iterable[Button]:
        pk = self.group.pk
        yield Button(
            _("Add users"),
            reverse("group-add-users", args=[pk]),
            "devices.change_group",
            how=How.DIALOG,
            style="primary",
        )
        if not self.scope.is_limited:
            yield Button(_("Rename"), reverse("group-rename", args=[pk]), "devices.change_group", how=How.DIALOG)
            yield _delete(self.group)

    def bulk(self) -> Iterable[Bulk]:
        url = reverse("group-remove-users", args=[self.group.pk])
        yield Bulk(_("Remove from the group"), url, "remove", "devices.change_group")

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Person]:
        return _members(self.group, given, scope=self.scope).prefetch_related("devices")

    def columns(self, rows: Sequence[Person]) -> Iterable[Column]:
        return (
            Column("user", _("User"), _user, style="who", heads=True),
            Column("mail", _("Mail"), lambda row: row.mail, style="named"),
            Column("mobile", _("Mobile"), lambda row: row.mobile, style="nowrap"),
            Column("devices", _("Devices"), _devices, style="who"),
        )


class _OneGroup(GroupsView, ObjectView[Group]):
    model = Group

    def get_queryset(self) -> QuerySet[Group]:
        return Group.objects.within(self.scope)

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(GroupList.title, reverse("groups"))]


class GroupFormPage(_OneGroup, FormPage[Group]):
    """Adds or renames one; for those who see all of them."""

    template_name = "devices/group_form.html"
    dialog_template = "devices/group_form_body.html"
    form_class = GroupForm
    add_title = gettext_lazy("Add group")
    write_permissions = ("devices.change_group",)
    of_everybody = True

    def get_success_url(self) -> str:
        return _address(self.instance) if self.instance.pk else reverse("groups")

    def all_permissions(self) -> tuple[str, ...]:
        return super().all_permissions() if "pk" in self.kwargs else (*self.permissions, "devices.add_group")

    def store(self, form: ModelForm[Group], *, before: Snapshot) -> Group:
        return edits.save_group(form.instance, actor=audit.by_request(self.request), before=before)


class GroupDeletePage(_OneGroup, DeletePage[Group]):
    write_permissions = ("devices.delete_group",)
    of_everybody = True

    def get_success_url(self) -> str:
        return reverse("groups")

    def remove(self, instance: Group) -> None:
        edits.remove_group(instance, actor=audit.by_request(self.request))


class AddUsers(GroupsView, DialogMixin):
    """Puts users whom one sees into a group."""

    template_name = "devices/group_form.html"
    dialog_template = "devices/group_form_body.html"
    permissions = _WITH_USERS
    write_permissions = ("devices.change_group",)
    keeps_typed = True

    def get_title(self) -> Words:
        return _("Add users to “%s”") % self.group

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(GroupList.title, reverse("groups")), (self.group.name, _address(self.group))]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._show(MembersForm())

    def show_again(self, request: HttpRequest) -> HttpResponse:
        return self._show(MembersForm(request.POST))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = MembersForm(request.POST)
        self.group = _find(self, pk)
        if not form.is_valid():
            return self._show(form, status=422)
        names = form.cleaned_data["loginnames"]
        try:
            number = edits.add_members(self.group, names, scope=self.scope, actor=audit.by_request(request))
        except ValidationError as error:
            form.add_error("loginnames", error)
            return self._show(form, status=422)
        messages.success(request, ngettext("%d user was added.", "%d users were added.", number) % number)
        return self.leave(_address(self.group))

    def _show(self, form: MembersForm, *, status: int = 200) -> HttpResponse:
        self.group = _find(self, self.kwargs["pk"])
        context = self.get_context_data(form=form, adding=True, back=_address(self.group))
        return self.render_to_response(context, status=status)


class RemoveUsers(GroupsView):
    """POST only: takes what is ticked, or what the filter matches, out of the group."""

    http_method_names = ["post"]
    permissions = _WITH_USERS
    write_permissions = ("devices.change_group",)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        group, marked = _find(self, pk), chosen(request)
        back = redirect(f"{_address(group)}?{marked.query.urlencode()}")
        if marked.everything:
            rows = _members(group, MemberFilter(marked.query).given(), scope=self.scope)
        else:
            ticked = [int(key) for key in marked.keys if key.isascii() and key.isdigit() and len(key) < 19]
            rows = _members(group, {}, scope=self.scope).filter(pk__in=ticked)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:MOST_REMOVED])
        if not ids:
            messages.error(request, _("Tick at least one user."))
            return back
        try:
            number = edits.remove_members(group, ids, scope=self.scope, actor=audit.by_request(request))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, ngettext("%d user was removed.", "%d users were removed.", number) % number)
        return back


def _find(view: ScopedView, pk: int) -> Group:
    found = Group.objects.within(view.scope).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _members(group: Group, given: Mapping[str, Any], *, scope: GroupScope) -> QuerySet[Person]:
    words = given.get("search")
    rows = selection.people(_search(words) if words else None, scope=scope, now=timezone.now())
    return rows.filter(groups=group)


def _search(words: str) -> Filter:
    return filters.parse({"all": [{"field": "search", "op": "contains", "value": words}]})


def _counts(groups: Sequence[Group]) -> tuple[dict[int, int], dict[int, int]]:
    """How many users, and how many devices of users, each has; in one query each."""
    among = Person.groups.through.objects.filter(group__in=[group.pk for group in groups]).order_by()
    users = dict(among.values_list("group").annotate(number=Count("pk")))
    owned = among.filter(person__devices__isnull=False)
    return users, dict(owned.values_list("group").annotate(number=Count("person__devices")))


def _address(group: Group) -> str:
    return reverse("group", args=[group.pk])


def _delete(group: Group) -> Button:
    url = reverse("group-delete", args=[group.pk])
    return Button(_("Delete"), url, "devices.delete_group", how=How.DIALOG, style="danger")


def _source(row: Group) -> Words:
    return _("Added by hand") if row.by_hand else _("Reported: HTTP interface, import or event")


def _user(row: Person) -> Words:
    further = row.loginname if row.displayname else ""
    return cells.joined(cells.link(reverse("user", args=[row.pk]), str(row)), " ", cells.small(further))


def _devices(row: Person) -> Words:
    found = [cells.link(reverse("device", args=[device.pk]), str(device)) for device in row.devices.all()]
    return cells.items(found, style="links") if found else ""


def _impact(group: Group) -> list[Words]:
    users = _counts([group])[0].get(group.pk, 0)
    found: list[Words] = []
    if users:
        words = ngettext("%s user is in it and stays.", "%s users are in it and stay.", users)
        found.append(words % f"{users:,}")
    roles = list(group.role_scopes.order_by("role__name").values_list("role__name", flat=True))
    if roles:
        found.append(_("Members of these roles see its users no more: %s.") % ", ".join(roles))
    found.append(_("Filters and rules that name it find nobody by it."))
    return found


def register() -> None:
    registry.add_entry(
        Entry("groups", gettext_lazy("Groups"), Section.MANAGE, permission="devices.view_group", order=20)
    )
    registry.add_impact("devices.Group", source=_impact)
