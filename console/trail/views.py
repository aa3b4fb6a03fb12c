"""Analyze > Audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.views.generic.base import TemplateView
from msgspec import Struct

from console.kit import registry
from console.kit.filters import end_of
from console.kit.registry import Entry, Section
from console.kit.views import ConsoleView
from console.trail.forms import AuditFilter
from foundation.models import AuditEntry

PAGE_SIZE = 50
SLICE = 25_000
"""How many entries a page looks at before it says how far it came."""


class AuditPage(ConsoleView, TemplateView):
    """Newest first, paged by id so that the last page is as quick as the first."""

    template_name = "console/audit.html"
    title = _("Audit trail")
    page = "audit"
    permissions = ("foundation.view_auditentry",)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = AuditFilter(self.request.GET, kinds=[(label, _kind(label)) for label in _labels()])
        form.is_valid()
        before = self.request.GET.get("before", "")
        page = entries(form.cleaned_data, before=int(before[:18]) if before.isascii() and before.isdigit() else None)
        context = {
            "form": form,
            "rows": [(row, _kind(row.object_type), _differences(row)) for row in page.rows],
            "page_of": page,
            "older": _query(self.request.GET, before=page.before) if page.before else "",
            "newest": _query(self.request.GET),
            "paged": bool(before),
            "filtered": any(form.cleaned_data.values()),
        }
        return super().get_context_data(**context, **kwargs)


class Page(Struct, frozen=True):
    """Entries, the newest first; the next page is that before `before`. `searched_to`: the search stopped there."""

    rows: list[AuditEntry]
    before: int | None
    searched_to: datetime | None = None


def entries(wanted: dict[str, Any], *, before: int | None = None) -> Page:
    """What matches, from a limited number of entries at a time, since words inside of names have no index."""
    newest = before or (AuditEntry.objects.values_list("pk", flat=True).first() or 0) + 1
    bottom = newest - SLICE
    rows = list(matching(wanted).filter(pk__lt=newest, pk__gte=bottom)[: PAGE_SIZE + 1])
    if len(rows) > PAGE_SIZE:
        return Page(rows[:PAGE_SIZE], before=rows[PAGE_SIZE - 1].pk)
    beyond = AuditEntry.objects.filter(pk__lt=bottom).values_list("at", flat=True).first()
    return Page(rows, before=bottom if beyond else None, searched_to=beyond)


def _labels() -> Iterator[str]:
    """The kinds of objects that there are entries of, each found by one step along the index."""
    labels = AuditEntry.objects.order_by("object_type").values_list("object_type", flat=True)
    label = labels.first()
    while label is not None:
        yield label
        label = labels.filter(object_type__gt=label).first()


def matching(wanted: dict[str, Any]) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.all()
    if wanted.get("actor"):
        rows = rows.filter(actor__icontains=wanted["actor"])
    if wanted.get("action"):
        rows = rows.filter(action=wanted["action"])
    if wanted.get("kind"):
        rows = rows.filter(object_type=wanted["kind"])
    if wanted.get("name"):
        rows = rows.filter(object_name__icontains=wanted["name"])
    if wanted.get("since"):
        rows = rows.filter(at__gte=datetime.combine(wanted["since"], time(), tzinfo=UTC))
    if wanted.get("until"):
        rows = rows.filter(at__lt=end_of(wanted["until"]))
    return rows


def _kind(label: str) -> str:
    """The model's name for people; the label itself when there is no such model any more."""
    try:
        name = str(apps.get_model(label)._meta.verbose_name)  # noqa: SLF001 - Django's documented name for it
    except (LookupError, ValueError):
        return label
    return name[:1].upper() + name[1:]


def _differences(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    names = {**entry.before, **entry.after}
    return [(name, entry.before.get(name, ""), entry.after.get(name, "")) for name in names]


def _query(given: QueryDict, **changes: Any) -> str:
    kept = given.copy()
    kept.pop("before", None)
    for name, value in changes.items():
        kept[name] = str(value)
    return kept.urlencode()


def register() -> None:
    registry.add_entry(
        Entry("audit", _("Audit trail"), Section.ANALYZE, permission="foundation.view_auditentry", order=90)
    )
