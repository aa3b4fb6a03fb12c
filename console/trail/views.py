"""Analyze > Audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from console.kit import cells, registry
from console.kit.filters import end_of, start_of
from console.kit.lists import PAGE_SIZE, ListPage, Slice
from console.kit.registry import Column, Entry, Section, Words
from console.trail.forms import AuditFilter
from foundation.models import AuditEntry

SLICE = 25_000
"""How many entries a page looks at before it says how far it came."""

_SEARCHES = {"actor": "actor__icontains", "action": "action", "kind": "object_type", "name": "object_name__icontains"}


class AuditPage(ListPage[AuditEntry]):
    """Newest first, paged by id so that the last page is as quick as the first."""

    title = _("Audit trail")
    page = "audit"
    permissions = ("foundation.view_auditentry",)
    empty = _("Nothing was changed yet. Every change of settings will be listed here.")
    empty_filtered = _("No entry fits this filter.")
    newest_first = True
    of_everybody = True

    def get_filter(self) -> AuditFilter:
        return AuditFilter(self.request.GET, kinds=[(label, _kind(label)) for label in _labels()])

    def fetch(self, given: Mapping[str, Any], *, after: str) -> Slice:
        return entries(given, after=int(after[:18]) if after.isascii() and after.isdigit() else None)

    def columns(self, rows: Sequence[AuditEntry]) -> Iterable[Column]:
        return (
            Column("at", _("Time"), lambda row: cells.moment(row.at, "second")),
            Column("actor", _("Who"), lambda row: row.actor or _("The system")),
            Column("action", _("Action"), lambda row: capfirst(row.action)),
            Column("kind", _("Type"), lambda row: _kind(row.object_type)),
            Column("name", _("Name"), lambda row: row.object_name, heads=True),
            Column("changes", _("Changes"), self._changes, style="wide"),
            Column("address", _("From"), lambda row: row.address),
        )

    def _changes(self, row: AuditEntry) -> Words:
        differences = [
            (name, row.before.get(name, ""), row.after.get(name, "")) for name in {**row.before, **row.after}
        ]
        return self.render_cell("console/changes.html", differences=differences) if differences else ""


def entries(wanted: Mapping[str, Any], *, after: int | None = None) -> Slice:
    """What matches, from a limited number of entries at a time, since words inside of names have no index."""
    newest = after or (AuditEntry.objects.values_list("pk", flat=True).first() or 0) + 1
    bottom = newest - SLICE
    rows = list(matching(wanted).filter(pk__lt=newest, pk__gte=bottom)[: PAGE_SIZE + 1])
    if len(rows) > PAGE_SIZE:
        return Slice(rows[:PAGE_SIZE], after=str(rows[PAGE_SIZE - 1].pk))
    beyond = AuditEntry.objects.filter(pk__lt=bottom).values_list("at", flat=True).first()
    return Slice(rows, after=str(bottom) if beyond else "", searched_to=beyond)


def _labels() -> Iterator[str]:
    """The kinds of objects that there are entries of, each found by one step along the index."""
    labels = AuditEntry.objects.order_by("object_type").values_list("object_type", flat=True)
    label = labels.first()
    while label is not None:
        yield label
        label = labels.filter(object_type__gt=label).first()


def matching(wanted: Mapping[str, Any]) -> QuerySet[AuditEntry]:
    found = {_SEARCHES[name]: value for name, value in wanted.items() if name in _SEARCHES}
    if "since" in wanted:
        found["at__gte"] = start_of(wanted["since"])
    if "until" in wanted:
        found["at__lt"] = end_of(wanted["until"])
    return AuditEntry.objects.filter(**found)


def _kind(label: str) -> str:
    """The model's name for people; the label itself when there is no such model any more."""
    try:
        name = str(apps.get_model(label)._meta.verbose_name)  # noqa: SLF001 - Django's documented name for it
    except (LookupError, ValueError):
        return label
    return name[:1].upper() + name[1:]


def register() -> None:
    registry.add_entry(
        Entry(
            "audit",
            _("Audit trail"),
            Section.ANALYZE,
            permission="foundation.view_auditentry",
            order=90,
            of_everybody=True,
        )
    )
