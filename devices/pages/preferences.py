"""The columns that somebody chooses for a list, and saved filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.kit import cells
from console.kit.editing import DeletePage, FormPage
from console.kit.lists import ListPage
from console.kit.registry import Button, Column, How, Words
from devices import preferences
from devices.limits import ScopedView
from devices.models import SavedFilter
from devices.pages import columns
from devices.pages.views import DeviceList, DevicesView, RecordList, UserList, UsersView
from foundation import audit
from foundation.audit import Snapshot


class _BelowList(ScopedView):
    of: ClassVar[type[RecordList[Any]]]

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(self.of.title, reverse(self.page))]


class ColumnsForm(forms.Form):
    names = forms.MultipleChoiceField(
        label=gettext_lazy("Columns"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Without any the list has its usual ones. A CSV file has them too."),
    )

    def __init__(self, *args: Any, page: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["names"].choices = list(columns.known(page).items())  # type: ignore[attr-defined]


class ColumnsPage(TemplateResponseMixin, _BelowList):
    """One's own alone, so that who may only look may choose."""

    template_name = "devices/edit.html"
    title = gettext_lazy("Columns")

    def get(self, request: HttpRequest) -> HttpResponse:
        names = preferences.columns_of(request.user, page=self.page) or columns.USUAL[self.page]
        return self._show(ColumnsForm(page=self.page, initial={"names": list(names)}))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ColumnsForm(request.POST, page=self.page)
        if not form.is_valid():
            return self._show(form, status=422)
        preferences.choose_columns(request.user, form.cleaned_data["names"], page=self.page)  # type: ignore[arg-type]
        return redirect(reverse(self.page))

    def _show(self, form: ColumnsForm, *, status: int = 200) -> HttpResponse:
        context = self.get_context_data(form=form, back=reverse(self.page))
        return self.render_to_response(context, status=status)


class SavedFilterForm(forms.ModelForm[SavedFilter]):
    class Meta:
        model = SavedFilter
        fields = ("name", "shared", "query")
        widgets: ClassVar = {"query": forms.HiddenInput}


class SavedFilterPage(_BelowList, FormPage[SavedFilter]):
    """Saves the filter of the list that led here."""

    template_name = "devices/edit.html"
    model = SavedFilter
    form_class = SavedFilterForm
    add_title = gettext_lazy("Save filter")

    def get_instance(self) -> SavedFilter:
        found = super().get_instance()
        found.owner, found.page = self.request.user, self.page  # type: ignore[assignment]
        found.query = self._plain(self.request.GET)
        return found

    def _plain(self, query: QueryDict) -> str:
        """The fields of the filter alone, without order and page."""
        kept = self.of.form(query)
        kept.is_valid()
        found = QueryDict(mutable=True)
        found.update({name: str(query[name]) for name in kept.fields if name in kept.cleaned_data and query.get(name)})
        return found.urlencode()

    def get_success_url(self) -> str:
        return f"{reverse(self.page)}?{self.instance.query}"

    def store(self, form: ModelForm[SavedFilter], *, before: Snapshot) -> SavedFilter:
        form.instance.query = self._plain(QueryDict(form.cleaned_data["query"]))
        if not form.instance.query:
            raise ValidationError(_("There is no filter to save: filter the list first."))
        preferences.save_filter(form.instance, actor=audit.by_request(self.request))
        return form.instance


class SavedFilterList(_BelowList, ListPage[SavedFilter]):
    title = gettext_lazy("Saved filters")
    empty = gettext_lazy("No filter is saved yet. Filter the list, then press Save filter.")
    orders: ClassVar = {"name": ("name",)}

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[SavedFilter]:
        seen = preferences.filters_for(self.request.user, page=self.page, scope=self.scope)
        return SavedFilter.objects.filter(pk__in=[row.pk for row in seen]).select_related("owner")

    def columns(self, rows: Sequence[SavedFilter]) -> Iterable[Column]:
        listed = reverse(self.page)
        return (
            Column("name", _("Name"), lambda row: cells.link(f"{listed}?{row.query}", row.name), heads=True),
            Column("owner", _("Saved by"), lambda row: row.owner.get_username()),
            Column("shared", _("Shared"), lambda row: _("Yes") if row.shared else _("No")),
        )

    def buttons(self, rows: Sequence[SavedFilter]) -> Callable[[SavedFilter], Iterable[Button]]:
        def of(row: SavedFilter) -> Iterable[Button]:
            if may_delete(self.request, row):
                url = reverse(f"{self.page}-filter-delete", args=[row.pk])
                yield Button(_("Delete"), url, how=How.DIALOG, style="danger")

        return of


class SavedFilterDeletePage(_BelowList, DeletePage[SavedFilter]):
    model = SavedFilter

    def get_queryset(self) -> QuerySet[SavedFilter]:
        mine = Q(owner=self.request.user.pk)
        if self.request.user.has_perm("devices.delete_savedfilter"):
            mine |= Q(shared=True)
        return SavedFilter.objects.filter(mine, page=self.page)

    def get_success_url(self) -> str:
        return reverse(f"{self.page}-filters")

    def remove(self, instance: SavedFilter) -> None:
        preferences.remove_filter(instance, actor=audit.by_request(self.request))


def may_delete(request: HttpRequest, row: SavedFilter) -> bool:
    """One's own; those that others share with the permission alone."""
    return row.owner_id == request.user.pk or request.user.has_perm("devices.delete_savedfilter")


class DevicesColumns(DevicesView, ColumnsPage):
    of = DeviceList


class UsersColumns(UsersView, ColumnsPage):
    of = UserList


class DevicesFilterAdd(DevicesView, SavedFilterPage):
    of = DeviceList


class UsersFilterAdd(UsersView, SavedFilterPage):
    of = UserList


class DevicesFilters(DevicesView, SavedFilterList):
    of = DeviceList


class UsersFilters(UsersView, SavedFilterList):
    of = UserList


class DevicesFilterDelete(DevicesView, SavedFilterDeletePage):
    of = DeviceList


class UsersFilterDelete(UsersView, SavedFilterDeletePage):
    of = UserList
