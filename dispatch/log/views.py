"""Analyze > Delivery log: the list with its filters, what a person may do, CSV, and one delivery's story."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

from console.kit import cells, registry
from console.kit.csp import sandboxed
from console.kit.lists import ListPage, Slice
from console.kit.registry import Bulk, Button, Column, How, Words
from console.kit.views import RemovedError
from devices.limits import ScopedView
from devices.models import Device, Person
from dispatch.log import exports, names, search, timeline
from dispatch.log.deeds import DEEDS
from dispatch.log.forms import LogFilter, wanted
from dispatch.log.names import Named
from dispatch.log.subjects import Found
from dispatch.models import Attempt, Delivery
from dispatch.outbox.interventions import NotAllowedError
from dispatch.rules.states import Change
from dispatch.templatetags.dispatch import channel_label, state_badge, why_cell
from dispatch.upkeep.retention import EVENTS
from foundation import audit, retention
from foundation.audit import Action
from transports.addresses import phone_number

PAGE = "delivery-log"
MOST_AT_ONCE = 20_000
MOST_EXPORTED = 100_000
_LONGEST_NAME = 60
_MOST_NAMED = 10
_SEARCHED = gettext_lazy(
    "“%(text)s” was searched for in login names, names, mail addresses and mobile numbers of users, in serial numbers, "
    "IMEIs, names and phone numbers of devices, and in addresses and names that messages went to, in any part of them."
)
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

    def get_filter(self) -> LogFilter:
        self.form = LogFilter(self.request.GET)
        return self.form

    def bulk(self) -> Iterable[Bulk]:
        address, permission = reverse("delivery-log-bulk"), "dispatch.change_delivery"
        return (
            Bulk(_("Retry (if failed)"), address, "retry", permission),
            Bulk(_("Cancel (if queued)"), address, "cancel", permission),
            Bulk(_("Mark as sent (if held)"), address, "sent", permission),
        )

    def beside_filter(self, query: str) -> Iterable[Button]:
        export, usual = reverse("delivery-log-export"), self._usual_separator()
        yield Button("CSV", f"{export}?{query}", how=How.LINK)
        for key, sign in exports.SEPARATORS.items():
            if key != usual:
                yield Button(_("CSV with “%s”") % sign, f"{export}?{query}&separator={key}", how=How.LINK)

    def fetch(self, given: Mapping[str, Any], *, after: str) -> Slice:
        sought = wanted(given, now=timezone.now())
        found = search.page(sought, scope=self.scope, after=read_uid(after))
        if not found.rows:
            said = self._searched(given, found.found)
        elif found.searched_to and (found.found.people or found.found.devices) and not found.found.many:
            said = [_("That holds for other addresses: of users and devices that were found, all is listed.")]
        else:
            said = []
        return Slice(found.rows, after=str(found.after or ""), searched_to=found.searched_to, searched=said)

    def _searched(self, given: Mapping[str, Any], found: Found) -> list[Words]:
        """What was searched for in vain, a sentence each, and who was found nevertheless."""
        said: list[Words] = []
        if text := given.get("recipient"):
            said.append(_SEARCHED % {"text": text})
            if digits := phone_number.part(text):
                said.append(_("As a part of a phone number, in any spelling: %s.") % digits)
        if links := list(self._links(found)):
            known = cells.items(links, style="links")
            said.append(cells.joined(_("These were found, and nothing was sent to them that fits the filter:"), known))
        if others := [words for name, words in self.form.described() if name != "recipient"]:
            said.append(_("Only these were searched: %s.") % "; ".join(others))
        return said

    def _links(self, found: Found) -> Iterator[Words]:
        """The pages of the first few users and devices, for those who may see them."""
        for model, keys, view, permission in (
            (Person, found.people, "user", "devices.view_person"),
            (Device, found.devices, "device", "devices.view_device"),
        ):
            if keys and self.request.user.has_perm(permission):
                for row in model.objects.within(self.scope).filter(pk__in=keys[:_MOST_NAMED]):
                    yield cells.link(reverse(view, args=[row.pk]), str(row))

    def _usual_separator(self) -> str:
        return exports.usual_separator(self.request.headers.get("Accept-Language", ""))

    def name_of(self, row: Delivery) -> str:
        return row.address or row.address_name

    def columns(self, rows: Sequence[Delivery]) -> Iterable[Column]:
        log, named = reverse(PAGE), names.of(rows)
        return (
            Column("recipient", _("Recipient"), lambda row: _recipient(row, log=log), style="who", heads=True),
            Column("state", _("State"), _state, style="nowrap"),
            Column("why", _("Why"), lambda row: why_cell(named[row.pk].why), style="wide"),
            Column("at", _("Accepted"), lambda row: cells.moment(row.created_at)),
            Column("template", _("Template and server"), lambda row: _what(row, named[row.pk]), style="named"),
        )


def _recipient(row: Delivery, *, log: str) -> Words:
    words = Truncator(row.address).chars(_LONGEST_NAME) or _("No address")
    return cells.joined(cells.link(f"{log}{row.pk}/", words), cells.small(row.address_name))


def _state(row: Delivery) -> Words:
    tries = ngettext("%d try", "%d tries", row.attempt_count) % row.attempt_count if row.attempt_count else ""
    return cells.joined(state_badge(row), cells.small(tries))


def _what(row: Delivery, named: Named) -> Words:
    """The template, and below it the way that the message takes."""
    via = _("via %s") % named.shown_via if named.shown_via else ""
    way = ", ".join(part for part in (channel_label(row.channel), named.shown_server, via) if part)
    template = Truncator(named.template).chars(_LONGEST_NAME)
    return cells.joined(template, cells.small(Truncator(way).chars(2 * _LONGEST_NAME)))


class LogExport(LogView):
    """What the filter matches, as CSV; `separator` is a key of SEPARATORS."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        usual = exports.usual_separator(request.headers.get("Accept-Language", ""))
        asked = request.GET.get("separator", "")
        separator = exports.SEPARATORS[asked if asked in exports.SEPARATORS else usual]
        matching = search.pages(wanted(LogFilter(request.GET).given(), now=timezone.now()), scope=self.scope)
        lines = exports.lines(_at_most(matching, MOST_EXPORTED), separator=separator)
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="deliveries.csv"'
        return response


def _at_most(pages: Iterable[tuple[Delivery, ...]], most: int) -> Iterator[tuple[Delivery, ...]]:
    for rows in pages:
        yield rows[:most]
        most -= len(rows)
        if most <= 0:
            return


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
            "named": names.of([self.delivery])[self.delivery.pk],
            "tries": [
                _described(attempt, delivery=self.delivery) for attempt in self.delivery.attempts.order_by("number")
            ],
            "receipts": self.delivery.receipts.all(),
            "text": text,
            "may_read": self.request.user.has_perm(BODIES),
            "event": event,
            "payload": json.dumps(event.payload, indent=2, ensure_ascii=False) if event and event.payload else "",
            "posted_by": "".join(registry.panels("event-origin", self.request, instance=event)) if event else "",
            "may_read_event": self.request.user.has_perm("dispatch.view_event"),
            "may_retry": state in Change.RETRY.before and bool(self.delivery.address),
            "may_cancel": state in Change.CANCEL.before,
            "may_mark": state in Change.MARK_SENT.before,
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


def read_uid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
