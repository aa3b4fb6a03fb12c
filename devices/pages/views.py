"""Manage > Devices and Users: the lists, CSV files of what they show, and the page of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic.base import TemplateView
from msgspec import Struct

from console.kit import cells, registry
from console.kit.lists import Chosen, ListPage, Menu
from console.kit.registry import Bulk, Button, Column, Entry, How, Level, Section, Words
from console.kit.views import ConsoleView
from devices import exports, preferences, selection
from devices.imports import Kind
from devices.limits import ScopedView
from devices.models import Device, Group, Person
from devices.pages import columns
from devices.pages.forms import DeviceFilter, UserFilter, wanted
from devices.scope import GroupScope

Row = TypeVar("Row", Device, Person)


class DevicesView(ScopedView):
    page = "devices"
    permissions = ("devices.view_device",)


class UsersView(ScopedView):
    page = "users"
    permissions = ("devices.view_person",)


class RecordList(ScopedView, ListPage[Row], Generic[Row]):
    """What the lists of devices and users share: saved filters, chosen columns, CSV, and what can be done with many."""

    one: ClassVar[str] = ""
    """The name of the address of the page about one."""
    form: ClassVar[type[DeviceFilter | UserFilter]]
    ready: ClassVar[Mapping[Words, str]] = {}
    """Filters that are there for everybody, as queries by their names."""

    @property
    def may_add(self) -> str:
        return f"devices.add_{'device' if self.page == 'devices' else 'person'}"

    @cached_property
    def chosen(self) -> Sequence[str]:
        return preferences.columns_of(self.request.user, page=self.page) or columns.USUAL[self.page]

    def bar(self) -> Iterable[Button | Menu]:
        yield Button(_("Add"), reverse(f"{self.one}-add"), self.may_add, how=How.LINK, style="primary")
        yield Button(_("Import"), reverse(f"{self.page}-upload"), self.may_add, how=How.LINK)
        yield Menu(_("Saved filters"), list(self._filters()))

    def _filters(self) -> Iterator[Button]:
        listed = reverse(self.page)
        for name, query in self.ready.items():
            yield Button(name, f"{listed}?{query}", how=How.LINK)
        for row in preferences.filters_for(self.request.user, page=self.page, scope=self.scope):
            yield Button(row.name, f"{listed}?{row.query}", how=How.LINK)
        yield Button(_("Manage saved filters"), reverse(f"{self.page}-filters"), how=How.LINK)

    def beside_filter(self, query: str) -> Iterable[Button]:
        if self.form(self.request.GET).given():
            yield Button(_("Save filter"), f"{reverse(f'{self.page}-filter-add')}?{query}", how=How.LINK)
        yield Button(_("Columns"), reverse(f"{self.page}-columns"), how=How.LINK)
        yield Button("CSV", f"{reverse(f'{self.page}-export')}?{query}", how=How.LINK)
        yield Button(_("CSV of everything"), f"{reverse(f'{self.page}-export')}?{query}&all=1", how=How.LINK)

    def bulk(self) -> Iterable[Bulk]:
        permission = self.may_add.replace("add", "delete")
        yield Bulk(_("Delete"), reverse(f"{self.page}-delete"), "ask", permission)

    def columns(self, rows: Sequence[Row]) -> Iterable[Column]:
        return (self.head(), *columns.shown(self.page, self.chosen))

    def head(self) -> Column:
        raise NotImplementedError


class DeviceList(DevicesView, RecordList[Device]):
    title = gettext_lazy("Devices")
    one = "device"
    form = filter_class = DeviceFilter
    ready: ClassVar = {
        gettext_lazy("All iOS devices"): "platform=iOS",
        gettext_lazy("Out of compliance"): "status=out_of_compliance",
        gettext_lazy("Employee-owned"): "ownership=byod",
    }
    empty = gettext_lazy("No device is known yet. Devices come in by the HTTP interface, by import, or with an event.")
    empty_filtered = gettext_lazy("No device fits this filter.")
    orders: ClassVar = {"device": ("pk",), "access": ("last_access",)}

    @staticmethod
    def matching(marked: Chosen, *, scope: GroupScope) -> QuerySet[Device]:
        """The rows that a bulk action is for."""
        if marked.everything:
            return selection.devices(wanted(DeviceFilter(marked.query).given()), scope=scope, now=timezone.now())
        return Device.objects.within(scope).filter(pk__in=_ids(marked))

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Device]:
        rows = selection.devices(wanted(given), scope=self.scope, now=timezone.now()).select_related("person")
        if "groups" in self.chosen:
            rows = rows.prefetch_related(Prefetch("person__groups", Group.objects.within(self.scope)))
        return rows

    def head(self) -> Column:
        return Column("device", _("Device"), columns.device_of, style="who", heads=True)


class UserList(UsersView, RecordList[Person]):
    title = gettext_lazy("Users")
    one = "user"
    form = filter_class = UserFilter
    empty = gettext_lazy("No user is known yet. Users come in by the HTTP interface, by import, or with an event.")
    empty_filtered = gettext_lazy("No user fits this filter.")
    orders: ClassVar = {"user": ("loginname",), "mail": ("mail",)}

    @staticmethod
    def matching(marked: Chosen, *, scope: GroupScope) -> QuerySet[Person]:
        """The rows that a bulk action is for."""
        if marked.everything:
            return selection.people(wanted(UserFilter(marked.query).given()), scope=scope, now=timezone.now())
        return Person.objects.within(scope).filter(pk__in=_ids(marked))

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Person]:
        rows = selection.people(wanted(given), scope=self.scope, now=timezone.now())
        return rows.prefetch_related(Prefetch("groups", Group.objects.within(self.scope)), "devices")

    def head(self) -> Column:
        return Column("user", _("User"), columns.user_of, style="who", heads=True)


class DevicesExport(DevicesView):
    """What the filter matches, as CSV: the columns of the list, or everything, as an import takes it."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        return _csv(Kind.DEVICES, DeviceFilter(request.GET).given(), request=request, scope=self.scope)


class UsersExport(UsersView):
    """As of devices; everything of users is their attributes, since their groups come with the columns."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        kind = Kind.ATTRIBUTES if request.GET.get("all") else Kind.USERS
        return _csv(kind, UserFilter(request.GET).given(), request=request, scope=self.scope)


def _ids(marked: Chosen) -> list[int]:
    return [int(key) for key in marked.keys if key.isascii() and key.isdigit() and len(key) < 19]


def _csv(kind: Kind, given: Mapping[str, Any], *, request: HttpRequest, scope: GroupScope) -> StreamingHttpResponse:
    page, matched, now = "devices" if kind is Kind.DEVICES else "users", wanted(given), timezone.now()
    if request.GET.get("all"):
        found = exports.original(kind, wanted=matched, scope=scope, now=now)
    else:
        names = preferences.columns_of(request.user, page=page) or columns.USUAL[page]
        found = exports.table(kind, columns=columns.exported(page, names), wanted=matched, scope=scope, now=now)
    response = StreamingHttpResponse(found, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{kind}.csv"'
    return response


class Part(Struct, frozen=True):
    """A titled list of facts."""

    title: Words
    lines: Sequence[tuple[Words, Words]]


class _OnePage(ConsoleView, TemplateView, Generic[Row]):
    """What is known of one, and what the rooms above add by the key `place`."""

    template_name = "devices/one.html"
    place = ""

    def rows(self) -> QuerySet[Row]:
        raise NotImplementedError

    def facts(self, row: Row) -> Iterator[tuple[Words, Words]]:
        raise NotImplementedError

    def reach(self, row: Row) -> Iterator[tuple[Words, Words]]:
        """What each channel reaches, or why it does not."""
        raise NotImplementedError

    def buttons(self) -> Iterable[Button]:
        """What can be done with it."""
        raise NotImplementedError

    def _parts(self) -> Iterator[tuple[Words, Sequence[tuple[Words, Words]]]]:
        yield _("What is known"), [(label, value) for label, value in self.facts(self.row) if value]
        yield _("Reached by"), list(self.reach(self.row))
        yield _("Properties"), sorted(self.row.properties.items())

    def get_title(self) -> Words:
        return str(self.row)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.row: Row = get_object_or_404(self.rows(), pk=self.kwargs["pk"])
        context = {
            "parts": [Part(title, lines) for title, lines in self._parts() if lines],
            "buttons": [*self.buttons(), *registry.row_buttons(self.page, self.request, [self.row])(self.row)],
            "panels": registry.panels(self.place, self.request, instance=self.row),
        }
        return super().get_context_data(**context | kwargs)


class DevicePage(DevicesView, _OnePage[Device]):
    place = "device"

    def buttons(self) -> Iterable[Button]:
        yield Button(_("Edit"), reverse("device-edit", args=[self.row.pk]), "devices.change_device", how=How.LINK)
        url = reverse("device-delete", args=[self.row.pk])
        yield Button(_("Delete"), url, "devices.delete_device", how=How.DIALOG, style="danger")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(DeviceList.title, reverse("devices"))]

    def rows(self) -> QuerySet[Device]:
        return Device.objects.within(self.scope).select_related("person").prefetch_related("apps", "push_tokens")

    def facts(self, row: Device) -> Iterator[tuple[Words, Words]]:
        yield _("Status"), columns.status_of(row)
        yield _("User"), columns.user_of(row.person)
        yield _("Serial number"), row.serial
        yield _("IMEI"), row.imei
        yield _("Platform"), f"{row.get_platform_display()} {row.os_version}".strip()
        yield _("Model"), row.model
        yield _("Ownership"), row.get_ownership_display()
        yield _("Phone number"), row.phone_number
        yield _("Carrier"), row.carrier
        yield _("Last access"), cells.moment(row.last_access)
        yield _("Apps"), ", ".join(sorted(app.name for app in row.apps.all()))

    def reach(self, row: Device) -> Iterator[tuple[Words, Words]]:
        mobile = row.person.mobile if row.person else ""
        yield _("Mail"), (row.person.mail if row.person else "") or _no(_("no user with an address"))
        yield _("SMS"), _no(_("no SIM")) if row.has_sim is False else mobile or row.phone_number or _no(_("no number"))
        yield _("Secure Hub"), cells.joined(*_tokens([row])) or _no(_("no push token"))


class UserPage(UsersView, _OnePage[Person]):
    place = "user"

    def buttons(self) -> Iterable[Button]:
        yield Button(_("Edit"), reverse("user-edit", args=[self.row.pk]), "devices.change_person", how=How.LINK)
        url = reverse("user-delete", args=[self.row.pk])
        yield Button(_("Delete"), url, "devices.delete_person", how=How.DIALOG, style="danger")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(UserList.title, reverse("users"))]

    def rows(self) -> QuerySet[Person]:
        groups = Prefetch("groups", Group.objects.within(self.scope))
        return Person.objects.within(self.scope).prefetch_related(groups, "devices__push_tokens")

    def facts(self, row: Person) -> Iterator[tuple[Words, Words]]:
        yield _("Login name"), row.loginname
        yield _("Name"), row.displayname
        yield _("Disabled"), cells.badge(Level.WARNING, _("Disabled")) if row.disabled else ""
        yield _("Groups"), _groups(row)
        yield _("Language"), row.language
        yield _("Time zone"), row.time_zone
        devices = [columns.device_of(device) for device in row.devices.all()]
        yield _("Devices"), cells.items(devices, style="links") if devices else ""

    def reach(self, row: Person) -> Iterator[tuple[Words, Words]]:
        devices = list(row.devices.all())
        no_sim = devices and all(device.has_sim is False for device in devices)
        yield _("Mail"), row.mail or _no(_("no address"))
        yield _("SMS"), _no(_("no device has a SIM")) if no_sim else row.mobile or _no(_("no number"))
        yield _("Secure Hub"), cells.joined(*_tokens(devices)) or _no(_("no push token"))


def _groups(row: Person) -> Words:
    found = sorted(row.groups.all(), key=lambda group: group.name)
    links = [cells.link(reverse("group", args=[group.pk]), group.name) for group in found]
    return cells.items(links, style="links") if links else ""


def _no(words: str) -> Words:
    return cells.badge(Level.WARNING, _("Not reached: %s") % words)


def _tokens(devices: Sequence[Device]) -> Iterator[Words]:
    tokens = [token for device in devices for token in device.push_tokens.all()]
    if live := sum(1 for token in tokens if token.dead_at is None):
        yield ngettext("%d push token", "%d push tokens", live) % live
    for token in tokens:
        if token.dead_at is not None:
            yield cells.small(cells.joined(_("A token is off since "), cells.moment(token.dead_at)))


def register() -> None:
    for view, label, permission, order in (
        ("devices", gettext_lazy("Devices"), "devices.view_device", 0),
        ("users", gettext_lazy("Users"), "devices.view_person", 10),
    ):
        registry.add_entry(Entry(view, label, Section.MANAGE, permission=permission, order=order))
