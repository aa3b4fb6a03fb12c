"""Something is done to many deliveries: those that are ticked, or, after a count and a question, all that match."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.generic.base import TemplateView
from msgspec import structs

from console.kit.lists import Chosen, chosen
from console.kit.registry import Words
from devices.scope import GroupScope
from dispatch.log import search
from dispatch.log.deeds import DEEDS, Deed
from dispatch.log.forms import LogFilter, wanted
from dispatch.log.views import MOST_AT_ONCE, PAGE, LogPage, LogView, read_uid
from dispatch.models import Delivery
from foundation import audit
from foundation.audit import Action
from foundation.sql.ids import new_uid

_CHUNK = 1000


class LogBulk(LogView, TemplateView):
    """POST only. What is ticked is changed immediately; `upto`, which the question carries, is for all that match.

    So nothing that was accepted after the count is changed.
    """

    http_method_names = ["post"]
    template_name = "dispatch/log_question.html"

    def get_title(self) -> Words:
        return self.question

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(LogPage.title, reverse(PAGE))]

    def post(self, request: HttpRequest) -> HttpResponse:
        marked, do = chosen(request), request.POST.get("do", "")
        if do not in DEEDS:
            raise Http404
        deed, upto = DEEDS[do], read_uid(request.POST.get("upto", ""))
        back = f"{reverse(PAGE)}?{marked.query.urlencode()}"
        if not marked.everything and not marked.keys:
            messages.error(request, _("Tick at least one delivery."))
        elif marked.everything and upto is None:
            return self._ask(marked, do=do, deed=deed, back=back)
        else:
            self._do(marked, do=do, deed=deed, upto=upto)
        return redirect(back)

    def _ask(self, marked: Chosen, *, do: str, deed: Deed, back: str) -> HttpResponse:
        form, upto = LogFilter(marked.query), new_uid()
        found = sum(len(ids) for ids in _chunks(marked, deed=deed, upto=upto, scope=self.scope))
        self.question = deed.asked(found) if found else _("No delivery fits")
        fields = {"do": do, "scope": "all", "query": marked.query.urlencode(), "upto": str(upto)}
        context: dict[str, Any] = {
            "deed": deed,
            "found": found,
            "most": MOST_AT_ONCE if found >= MOST_AT_ONCE else 0,
            "fields": fields,
            "described": list(form.described()),
            "back": back,
        }
        return self.render_to_response(self.get_context_data(**context))

    def _do(self, marked: Chosen, *, do: str, deed: Deed, upto: UUID | None) -> None:
        changed = 0
        for chunk in list(_chunks(marked, deed=deed, upto=upto, scope=self.scope)):
            with transaction.atomic():
                number = deed.many(chunk, now=timezone.now())
                if number:
                    self._audit(marked, do=do, ids=chunk, words=deed.counted(number))
            changed += number
        messages.success(self.request, deed.counted(changed))

    def _audit(self, marked: Chosen, *, do: str, ids: list[UUID], words: str) -> None:
        """One entry a chunk: how many, and which were chosen or which filter chose them."""
        by_filter = {"filter": marked.query.urlencode() or "everything"}
        after = {"do": do, **(by_filter if marked.everything else {"chosen": [str(uid) for uid in ids]})}
        actor = audit.by_request(self.request)
        audit.record(actor, action=Action.CHANGE, instance=Delivery(), after=after, name=words)


def _chunks(marked: Chosen, *, deed: Deed, upto: UUID | None, scope: GroupScope) -> Iterator[list[UUID]]:
    """The ids of what is to be changed, as many at a time as one transaction changes, MOST_AT_ONCE together."""
    if not marked.everything:
        ticked = [uid for text in marked.keys if (uid := read_uid(text))]
        yield list(Delivery.objects.within(scope).filter(pk__in=ticked).values_list("pk", flat=True))
        return
    fitting = _fitting(marked, deed=deed, upto=upto, scope=scope)
    while chunk := list(islice(fitting, _CHUNK)):
        yield chunk


def _fitting(marked: Chosen, *, deed: Deed, upto: UUID | None, scope: GroupScope) -> Iterator[UUID]:
    sought = wanted(LogFilter(marked.query).given(), now=timezone.now())
    states = frozenset(deed.states) & sought.states if sought.states else frozenset(deed.states)
    if not states:
        return
    found = search.pages(structs.replace(sought, states=states), scope=scope, after=upto)
    yield from islice((row.pk for rows in found for row in rows if deed.fits(row)), MOST_AT_ONCE)
