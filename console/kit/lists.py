"""Lists: filters, columns, what can be done with rows, a pager, and words where there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.generic.base import TemplateView
from msgspec import Struct

from console.kit import registry
from console.kit.filters import ListFilter
from console.kit.registry import Bulk, Button, Column, Words
from console.kit.views import ConsoleView

M = TypeVar("M", bound=models.Model)
PAGE_SIZE = 50
MOST_TICKED = 1000


class Menu(Struct, frozen=True):
    """Several buttons behind one."""

    label: Words
    buttons: Sequence[Button]


class Slice(Struct, frozen=True):
    """One page of a list; the next begins with the token `after`, "" at the end.

    `first` is the number of the first row and `total` how many there are, where that is known. `searched_to` is set
    where the search stopped before the page was full. `searched` says, in sentences, what was searched.
    """

    rows: Sequence[Any]
    after: str = ""
    searched_to: datetime | None = None
    first: int = 0
    total: int = 0
    searched: Sequence[Words] = ()


class Heading(Struct, frozen=True):
    """The head of a column; `url` sorts by it, or the other way round. `order` is that of now, for aria-sort."""

    label: Words
    style: str
    url: str = ""
    order: str = ""


class Row(Struct, frozen=True):
    key: str
    name: str
    cells: Sequence[SafeString]
    buttons: Sequence[Button]


class ListPage(ConsoleView, TemplateView, Generic[M]):
    """A list, in `template_name` only where there is more on its page.

    Its own are `get_rows` (or `fetch`, where the list pages by itself) and `columns`; the rooms above add columns,
    buttons of rows and bulk actions by its key.
    """

    template_name = "console/list.html"
    key = ""
    """What the rooms above know the list by; "" where it is the key of its page."""
    filter_class: type[ListFilter] | None = None
    orders: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """By key of a column what it is sorted by."""
    order = ""
    """How the list comes: such a key, with "-" for the other way round; "" for the first."""
    empty: Words = ""
    empty_filtered: Words = _("Nothing fits this filter.")
    empty_so_far: Words = _("Nothing of what was searched so far fits.")
    note: Words = ""
    newest_first = False
    bulk_most = 0
    """How many rows "all that match" are at most; 0 for any number."""

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[M]:
        """All rows that a filter leaves."""
        raise NotImplementedError

    def prepare(self, rows: Sequence[M]) -> None:
        """Comes before `columns` and `buttons`, to read in one round trip what both need of the rows of one page."""

    def columns(self, rows: Sequence[M]) -> Iterable[Column]:
        """Gets the rows of one page, to read in one round trip what their cells need."""
        raise NotImplementedError

    def buttons(self, rows: Sequence[M]) -> Callable[[M], Iterable[Button]]:
        """Returns a function that gives the buttons of a row."""
        return lambda _row: ()

    def bar(self) -> Iterable[Button | Menu]:
        """What can be done on the page itself."""
        return ()

    def beside_filter(self, query: str) -> Iterable[Button]:
        """What can be done with all that match."""
        return ()

    def bulk(self) -> Iterable[Bulk]:
        """What can be done with many rows together."""
        return ()

    def name_of(self, row: M) -> str:
        return str(row)

    def get_filter(self) -> ListFilter | None:
        return self.filter_class(self.request.GET) if self.filter_class else None

    def fetch(self, given: Mapping[str, Any], *, after: str) -> Slice:
        """The page that begins with this token."""
        found = self._sorted(self.get_rows(given))
        start = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
        first = list(found[:PAGE_SIZE]) if start == 0 else []
        if start == 0 and len(first) < PAGE_SIZE:  # what few rows fit is often what costs most: not once more to count
            return Slice(first, first=1, total=len(first))
        total = found.count()
        if start >= total:
            start = max(0, total - 1) // PAGE_SIZE * PAGE_SIZE
        end = start + PAGE_SIZE
        return Slice(
            first or list(found[start:end]), after=str(end) if end < total else "", first=start + 1, total=total
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        key, form = self.key or self.page, self.get_filter()
        given = form.given() if form else {}
        found = self.fetch(given, after=self.request.GET.get("after", ""))
        self.prepare(found.rows)
        columns = [*self.columns(found.rows), *registry.columns(key, self.request, found.rows)]
        own, added = self.buttons(found.rows), registry.row_buttons(key, self.request, found.rows)
        query, bar = self._query(), [item for item in self.bar() if self._is_offered(item)]
        bulk = [*self.bulk(), *registry.bulk(key)]
        lines = [
            Row(
                str(row.pk),
                self.name_of(row),
                [_cell(column, row) for column in columns],
                self._allowed(own(row), added(row)),
            )
            for row in found.rows
        ]
        context = {
            "filter": form,
            "filtered": bool(given),
            "sort": self.request.GET.get("sort", ""),
            "menus": [item for item in bar if isinstance(item, Menu)],
            "bar": [item for item in bar if isinstance(item, Button)],
            "beside_filter": self.beside_filter(query),
            "bulk": [one for one in bulk if registry.allowed(self.request.user, one)],
            "bulk_most": self.bulk_most,
            "query": query,
            "headings": [self._heading(column) for column in columns],
            "rows": lines,
            "has_buttons": any(line.buttons for line in lines),
            "slice": found,
            "last": found.first + len(found.rows) - 1,
            "pager": self._pager(found),
            "empty": self._empty(found, filtered=bool(given)),
            "note": self.note,
            "panels": registry.panels(key, self.request),
        }
        return super().get_context_data(**context | kwargs)

    def render_cell(self, template: str, **context: Any) -> SafeString:
        """Of what needs a template of its own."""
        return render_to_string(template, context, self.request)

    def _allowed(self, *sources: Iterable[Button]) -> list[Button]:
        return [button for source in sources for button in source if registry.allowed(self.request.user, button)]

    def _is_offered(self, item: Button | Menu) -> bool:
        return bool(self._allowed(item.buttons if isinstance(item, Menu) else [item]))

    def _sort(self) -> tuple[str, bool]:
        """By which column, and whether the other way round; nonsense is as the list comes."""
        sort = self.request.GET.get("sort", "")
        if sort.removeprefix("-") not in self.orders:
            sort = self.order or next(iter(self.orders), "")
        return sort.removeprefix("-"), sort.startswith("-")

    def _sorted(self, rows: QuerySet[M]) -> QuerySet[M]:
        key, backwards = self._sort()
        found = rows.order_by(*self.orders.get(key, ()), "pk")
        return found.reverse() if backwards else found

    def _heading(self, column: Column) -> Heading:
        if column.key not in self.orders:
            return Heading(column.label, column.style)
        key, backwards = self._sort()
        now = column.key == key
        url = f"?{self._query(sort=f'-{key}' if now and not backwards else column.key)}"
        return Heading(column.label, column.style, url, ("descending" if backwards else "ascending") if now else "")

    def _pager(self, found: Slice) -> list[tuple[Words, str]]:
        links: list[tuple[Words, str]] = []
        if "after" in self.request.GET:
            links.append((_("Newest") if self.newest_first else _("First page"), f"?{self._query()}"))
        if found.first > PAGE_SIZE:
            links.append((_("Previous"), f"?{self._query(after=str(found.first - 1 - PAGE_SIZE))}"))
        if found.after:
            words = _("Search further back") if found.searched_to else _("Older") if self.newest_first else _("Next")
            links.append((words, f"?{self._query(after=found.after)}"))
        return links

    def _empty(self, found: Slice, *, filtered: bool) -> Words:
        if found.rows:
            return ""
        return self.empty_so_far if found.searched_to else self.empty_filtered if filtered else self.empty

    def _query(self, **changes: str) -> str:
        """The address's query at the beginning of the list, with changes."""
        kept = self.request.GET.copy()
        kept.pop("after", None)
        for name, value in changes.items():
            kept[name] = value
        return kept.urlencode()


class Chosen(Struct, frozen=True):
    """What a bulk action is for: `keys` of the ticked rows, or all that `query`, the list's own, matches."""

    keys: list[str]
    everything: bool
    query: QueryDict


def chosen(request: HttpRequest) -> Chosen:
    posted = request.POST
    keys, query = posted.getlist("id")[:MOST_TICKED], QueryDict(posted.get("query", ""))
    return Chosen(keys, everything=posted.get("scope") == "all", query=query)


def _cell(column: Column, row: Any) -> SafeString:
    if column.heads:
        return format_html('<th scope="row"{}>{}</th>', _style(column), column.cell(row))
    return format_html("<td{}>{}</td>", _style(column), column.cell(row))


def _style(column: Column) -> SafeString | str:
    return format_html(' class="{}"', column.style) if column.style else ""
