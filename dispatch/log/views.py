"""Analyze > Delivery log: the list with its filters, what a person may do, CSV, and one delivery's story."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic.base import TemplateView
from msgspec import Struct, structs

from console.kit import cells, registry
from console.kit.csp import sandboxed
from console.kit.lists import Chosen, ListPage, Slice, chosen
from console.kit.registry import Bulk, Button, Column, How, Words
from console.kit.views import RemovedError
from devices.limits import ScopedView
from devices.scope import GroupScope
from dispatch.log import reasons, search, timeline
from dispatch.log.forms import LogFilter, wanted
from dispatch.models import Attempt, Delivery
from dispatch.outbox import interventions
from dispatch.outbox.interventions import NotAllowedError
from dispatch.rules import states
from dispatch.rules.states import Change, DeliveryState
from dispatch.templatetags.dispatch import channel_label, state_badge
from dispatch.upkeep.retention import EVENTS
from foundation import audit, formulas, retention
from foundation.audit import Action
from servers.models import CarrierGateway, Server
from templates_app.models import TemplateVersion

PAGE = "delivery-log"
MOST_AT_ONCE = 20_000
MOST_EXPORTED = 100_000
_LONGEST_NAME = 60
BODIES = "dispatch.view_deliverytext"


class LogView(ScopedView):
    page = PAGE
    permissions: tuple[str, ...] = ("dispatch.view_delivery",)
    write_permissions: tuple[str, ...] = ("dispatch.change_delivery",)


class LogPage(LogView, ListPage[Delivery]):
    title = gettext_lazy("Delivery log")
    filter_class = LogFilter
    empty = gettext_lazy("Nothing was sent yet. Every message will be listed here, with each try.")
    empty_filtered = gettext_lazy("No delivery fits this filter.")
    empty_so_far = gettext_lazy("None of the deliveries looked at so far fits.")
    newest_first = True
    bulk_most = MOST_AT_ONCE

    def bulk(self) -> Iterable[Bulk]:
        address, permission = reverse("delivery-log-bulk"), "dispatch.change_delivery"
        return (
            Bulk(_("Retry (if failed)"), address, "retry", permission),
            Bulk(_("Cancel (if queued)"), address, "cancel", permission),
            Bulk(_("Mark as sent (if held)"), address, "sent", permission),
        )

    def beside_filter(self, query: str) -> Iterable[Button]:
        yield Button("CSV", f"{reverse('delivery-log-export')}?{query}", how=How.LINK)

    def fetch(self, given: Mapping[str, Any], *, after: str) -> Slice:
        found = search.page(wanted(given, now=timezone.now()), scope=self.scope, after=_uid(after))
        return Slice(found.rows, after=str(found.after or ""), searched_to=found.searched_to)

    def name_of(self, row: Delivery) -> str:
        return row.address or row.address_name

    def columns(self, rows: Sequence[Delivery]) -> Iterable[Column]:
        log, named = reverse(PAGE), {one["row"].pk: one for one in _named(rows)}
        return (
            Column("recipient", _("Recipient"), lambda row: _recipient(row, log=log), style="who", heads=True),
            Column("state", _("State"), state_badge, style="nowrap"),
            Column("why", _("Why"), lambda row: reasons.words(row.reason_code), style="wide"),
            Column("channel", _("Channel"), lambda row: channel_label(row.channel)),
            Column("template", _("Template"), lambda row: _template(named[row.pk]), style="named"),
            Column("server", _("Server"), lambda row: _server(named[row.pk]), style="named"),
            Column("tries", _("Tries"), lambda row: str(row.attempt_count), style="number"),
            Column("at", _("Accepted"), lambda row: cells.moment(row.created_at)),
        )


def _recipient(row: Delivery, *, log: str) -> Words:
    words = Truncator(row.address).chars(_LONGEST_NAME) or _("No address")
    return cells.joined(cells.link(f"{log}{row.pk}/", words), cells.small(row.address_name))


def _template(named: dict[str, Any]) -> Words:
    version = named["version"]
    return Truncator(version.template.name).chars(_LONGEST_NAME) if version else ""


def _server(named: dict[str, Any]) -> Words:
    via = _("via %s") % named["via"] if named["via"] else ""
    return cells.joined(Truncator(named["server"]).chars(_LONGEST_NAME), cells.small(via))


class Deed(Struct, frozen=True):
    """What a person may do to deliveries: one alone, or many of which only those in `states` are changed."""

    states: tuple[DeliveryState, ...]
    one: Callable[..., None]
    many: Callable[..., int]
    done: Words
    counted: Callable[[int], str]


DEEDS = {
    "retry": Deed(
        Change.RETRY.before,
        interventions.retry,
        interventions.retry_all,
        gettext_lazy("The delivery will be sent again."),
        lambda n: ngettext("%d delivery will be sent again.", "%d deliveries will be sent again.", n) % n,
    ),
    "cancel": Deed(
        states.QUEUED,
        interventions.cancel,
        interventions.cancel_all,
        gettext_lazy("The delivery was cancelled."),
        lambda n: ngettext("%d delivery was cancelled.", "%d deliveries were cancelled.", n) % n,
    ),
    "sent": Deed(
        Change.MARK_SENT.before,
        interventions.mark_sent,
        interventions.mark_sent_all,
        gettext_lazy("The delivery was marked as sent."),
        lambda n: ngettext("%d delivery was marked as sent.", "%d deliveries were marked as sent.", n) % n,
    ),
}


class LogBulk(LogView):
    """Does something to what is ticked, or to everything that the filter matches."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        marked, do = chosen(request), request.POST.get("do", "")
        if do not in DEEDS:
            raise Http404
        deed, changed = DEEDS[do], 0
        back = redirect(f"{reverse(PAGE)}?{marked.query.urlencode()}")
        if not marked.everything and not marked.keys:
            messages.error(request, _("Tick at least one delivery."))
            return back
        for chunk in _chunks(marked, deed=deed, scope=self.scope):
            with transaction.atomic():
                number = deed.many(chunk, now=timezone.now())
                if number:
                    self._audit(marked, do=do, ids=chunk, words=deed.counted(number))
            changed += number
        messages.success(request, deed.counted(changed))
        return back

    def _audit(self, marked: Chosen, *, do: str, ids: list[UUID], words: str) -> None:
        """One entry a chunk: how many, and which were chosen or which filter chose them."""
        by_filter = {"filter": marked.query.urlencode() or "everything"}
        after = {"do": do, **(by_filter if marked.everything else {"chosen": [str(uid) for uid in ids]})}
        actor = audit.by_request(self.request)
        audit.record(actor, action=Action.CHANGE, instance=Delivery(), after=after, name=words)


def _chunks(marked: Chosen, *, deed: Deed, scope: GroupScope) -> Iterable[list[UUID]]:
    """The ids of what is to be changed, as many at a time as one transaction changes."""
    if not marked.everything:
        named = [uid for text in marked.keys if (uid := _uid(text))]
        ticked = list(Delivery.objects.within(scope).filter(pk__in=named).values_list("pk", flat=True))
        return [ticked] if ticked else []
    sought = wanted(LogFilter(marked.query).given(), now=timezone.now())
    fitting = frozenset(deed.states) & sought.states if sought.states else frozenset(deed.states)
    if not fitting:
        return []
    found = search.pages(structs.replace(sought, states=fitting), scope=scope, most=MOST_AT_ONCE)
    return ([row.pk for row in rows] for rows in list(found))


class LogExport(LogView):
    """What the filter matches, as CSV."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        found = search.pages(
            wanted(LogFilter(request.GET).given(), now=timezone.now()), scope=self.scope, most=MOST_EXPORTED
        )
        response = StreamingHttpResponse(_csv(found), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="deliveries.csv"'
        return response


class DeliveryView(LogView):
    """A page about one delivery."""

    def find(self) -> Delivery:
        rows = Delivery.objects.within(self.scope).select_related(
            "event__device", "event__person", "person", "device", "broadcast"
        )
        found = rows.filter(pk=self.kwargs["pk"]).first()
        if found is None:
            at = retention.removed_at(EVENTS, self.kwargs["pk"])
            raise RemovedError(at) if at else Http404
        return found


class DeliveryPage(DeliveryView, TemplateView):
    template_name = "dispatch/delivery.html"

    def get_title(self) -> Words:
        return _("Delivery to %s") % (self.delivery.address or self.delivery.address_name or _("nobody"))

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(LogPage.title, reverse(PAGE))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.delivery = self.find()
        event = self.delivery.event
        text = self.delivery.text
        state = self.delivery.state
        context = {
            "delivery": self.delivery,
            "named": next(_named([self.delivery])),
            "tries": [
                _described(attempt, delivery=self.delivery) for attempt in self.delivery.attempts.order_by("number")
            ],
            "receipts": self.delivery.receipts.all(),
            "text": text,
            "may_read": self.request.user.has_perm(BODIES),
            "is_limited": self.scope.is_limited,  # a dialogue names whoever else the same mail went to
            "event": event,
            "payload": json.dumps(event.payload, indent=2, ensure_ascii=False) if event and event.payload else "",
            "posted_by": "".join(registry.panels("event-origin", self.request, instance=event)) if event else "",
            "may_read_event": self.request.user.has_perm("dispatch.view_event"),
            "may_retry": state in Change.RETRY.before and bool(self.delivery.address),
            "may_cancel": state in Change.CANCEL.before,
            "may_mark": state in Change.MARK_SENT.before,
            "is_due": state == DeliveryState.DUE,
            "can_expire": state in Change.EXPIRE.before,
        }
        return super().get_context_data(**context, **kwargs)


class DeliveryHtml(DeliveryView):
    """The HTML message as it was sent, for a frame that can do nothing."""

    permissions = ("dispatch.view_delivery", BODIES)

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        text = self.find().text
        if text is None or not text.html:
            raise Http404
        return sandboxed(text.html)


class Intervene(DeliveryView):
    """Does something to one delivery."""

    http_method_names = ["post"]
    do = ""

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        delivery, deed = self.find(), DEEDS[self.do]
        try:
            with transaction.atomic():
                deed.one(pk, now=timezone.now())
                before, after = {"state": delivery.state}, {"state": self.find().state}
                actor = audit.by_request(request)
                audit.record(actor, action=Action.CHANGE, instance=delivery, before=before, after=after)
        except NotAllowedError:
            messages.error(request, _("Its state changed meanwhile, so nothing was done."))
        else:
            messages.success(request, str(deed.done))
        return redirect("delivery", pk=pk)


def _named(rows: Iterable[Delivery]) -> Iterator[dict[str, Any]]:
    """Deliveries with the names of their templates, servers and carrier gateways, read in a query each."""
    rows = list(rows)
    versions = TemplateVersion.objects.filter(pk__in={row.template_version_id for row in rows}).select_related(
        "template"
    )
    templates = {version.pk: version for version in versions}
    servers = dict(Server.objects.filter(pk__in={row.server_id for row in rows}).values_list("pk", "name"))
    ways = {row.via_id for row in rows if row.via_id}
    carriers = dict(CarrierGateway.objects.filter(pk__in=ways).values_list("pk", "carrier")) if ways else {}
    for row in rows:
        yield {
            "row": row,
            "version": templates.get(row.template_version_id),  # type: ignore[arg-type]
            "server": servers.get(row.server_id, _("deleted") if row.server_id else ""),  # type: ignore[arg-type]
            "via": carriers.get(row.via_id, _("a deleted carrier gateway")) if row.via_id else "",
        }


def _described(attempt: Attempt, *, delivery: Delivery) -> dict[str, Any]:
    took = timedelta(milliseconds=attempt.duration_ms)
    ended_at = attempt.started_at + took
    following = timeline.following(attempt, ended_at=ended_at, delivery=delivery)
    codes = [code for code in (attempt.reply, attempt.enhanced) if code and code not in attempt.detail]
    said = " ".join([*codes, attempt.detail])
    return {
        "attempt": attempt,
        "said": said,
        "took": took.total_seconds(),
        "ended_at": ended_at,
        "following": following,
    }


def _csv(pages: Iterable[Iterable[Delivery]]) -> Iterator[str]:
    columns = ("id", "accepted", "state", "channel", "recipient", "name", "template", "server", "via", "tries", "sent")
    line = csv.writer(_Echo())
    yield line.writerow([*columns, "code", "detail"])
    for rows in pages:
        for named in _named(rows):
            row, version = named["row"], named["version"]
            cells = (
                row.pk,
                row.created_at.isoformat(),
                row.state,
                row.channel,
                row.address,
                row.address_name,
                version.template.name if version else "",
                named["server"],
                named["via"],
                row.attempt_count,
                row.sent_at.isoformat() if row.sent_at else "",
                row.reason_code,
                row.reason_detail,
            )
            yield line.writerow([formulas.guarded(str(cell)) for cell in cells])


class _Echo:
    """A file whose write returns the line."""

    def write(self, line: str) -> str:
        return line


def _uid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
