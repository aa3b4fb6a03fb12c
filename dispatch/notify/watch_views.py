"""Analyze > Broadcasts: the list, and the page of each with its progress and what can be done to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.generic.base import TemplateView

from console.kit import cells, registry
from console.kit.lists import ListPage
from console.kit.registry import Button, Column, How, Level, Words
from console.kit.views import FragmentMixin, RemovedError
from devices.limits import ScopedView
from devices.scope import GroupScope
from dispatch.broadcasts import audiences, control, progress
from dispatch.broadcasts.control import NotAllowedError
from dispatch.intake import sends
from dispatch.intake.sends import OverlapError, Sender
from dispatch.intake.subjects import RefusedError
from dispatch.log.views import BODIES
from dispatch.models import BROADCAST_STATES, Broadcast, Event
from dispatch.notify import recipients
from dispatch.notify.forms import BroadcastFilter
from dispatch.notify.views import PERMISSION
from dispatch.rules import states
from dispatch.rules.states import BroadcastChange, BroadcastState
from dispatch.upkeep.retention import EVENTS
from foundation import audit, retention
from foundation.audit import Action
from foundation.models import AuditEntry
from templates_app.channels import TRAITS
from transports.types import ChannelKind

PAGE = "broadcasts"
STOPS_POLLING = 286
"""htmx asks no more after this status."""
_MOST_NOTED = 50
_LEVELS: Mapping[str, Level | str] = {
    BroadcastState.PLANNED: Level.NEUTRAL,
    BroadcastState.PLANNING: "info",
    BroadcastState.RUNNING: "info",
    BroadcastState.PAUSED: Level.WARNING,
    BroadcastState.FINISHED: Level.OK,
    BroadcastState.CANCELLED: Level.NEUTRAL,
}


class BroadcastsView(ScopedView):
    page = PAGE
    permissions: tuple[str, ...] = ("dispatch.view_broadcast",)


class BroadcastList(BroadcastsView, ListPage[Broadcast]):
    title = gettext_lazy("Broadcasts")
    filter_class = BroadcastFilter
    empty = gettext_lazy("Nothing was sent to many yet. Choose devices or users in their lists, then Notify.")
    empty_filtered = gettext_lazy("No broadcast fits this filter.")
    orders: ClassVar = {"at": ("created_at",)}
    order = "-at"

    def bar(self) -> Iterable[Button]:
        yield Button(_("Notify"), reverse("notify"), PERMISSION, How.LINK, "primary")

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[Broadcast]:
        rows: QuerySet[Broadcast] = Broadcast.objects.within(self.scope)
        if "state" in given:
            rows = rows.filter(state=given["state"])
        if "by" in given:
            rows = rows.filter(sent_by__icontains=given["by"])
        return rows

    def columns(self, rows: Sequence[Broadcast]) -> Iterable[Column]:
        return (
            Column("template", _("Template"), _named, style="who", heads=True),
            Column("state", _("State"), state_badge, style="nowrap"),
            Column("whom", _("Recipients"), lambda row: _whom(row, scope=self.scope), style="wide"),
            Column("channels", _("Channels"), _channels),
            Column("by", _("Sent by"), _sender, style="named"),
            Column("at", _("Sent"), lambda row: cells.moment(row.created_at)),
        )


class BroadcastView(BroadcastsView):
    """A page about one broadcast."""

    def find(self) -> Broadcast:
        row = Broadcast.objects.within(self.scope).filter(pk=self.kwargs["pk"]).first()
        if row is None:
            at = retention.removed_at(EVENTS, self.kwargs["pk"])
            raise RemovedError(at) if at else Http404
        return row

    def progress_of(self, row: Broadcast) -> dict[str, Any]:
        """What changes while it runs."""
        found = progress.of(row, scope=self.scope, now=timezone.now())
        whole, user = row.is_whole_within(self.scope), self.request.user
        may = whole and user.has_perm("dispatch.change_broadcast")
        event = Event.objects.filter(broadcast=row.pk).order_by("pk").first()
        return {
            "broadcast": row,
            "badge": state_badge(row),
            "progress": found,
            "sees_all": whole,
            "log": f"{reverse('delivery-log')}?event={event.pk}" if event else "",
            "ends": row.state in states.ENDED,
            "may_pause": may and row.state in BroadcastChange.PAUSE.before,
            "may_resume": may and row.state in BroadcastChange.RELEASE.before,
            "may_cancel": may and row.state in BroadcastChange.CANCEL.before,
            "may_repeat": user.has_perm(PERMISSION) and row.state in states.ENDED and found.unreached,
        }


class BroadcastPage(BroadcastView, TemplateView):
    template_name = "dispatch/broadcast.html"

    def get_title(self) -> Words:
        return _("Broadcast: %s") % self.row

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(BroadcastList.title, reverse(PAGE))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.row = self.find()
        row = self.row
        event = Event.objects.filter(broadcast=row.pk).order_by("pk").first()
        noted = AuditEntry.objects.filter(object_type="dispatch.broadcast", object_id=str(row.pk)).order_by("-pk")
        context = {
            **self.progress_of(row),
            "whom": _whom(row, scope=self.scope),
            "channels": _channels(row),
            "sender": _sender(row),
            "posted_by": "".join(registry.panels("event-origin", self.request, instance=event))
            if event and not row.sent_by
            else "",
            "noted": [(entry, _done(entry)) for entry in noted[:_MOST_NOTED]],
            "texts": _texts(row) if self.request.user.has_perm(BODIES) else [],
            "first": row.audience.get(audiences.AGAIN, ""),
        }
        return super().get_context_data(**context, **kwargs)


class BroadcastProgress(FragmentMixin, BroadcastView, TemplateView):
    """The part that polls; it says when there is nothing more to come."""

    template_name = "dispatch/broadcast_progress.html"

    def whole_page(self) -> str:
        return reverse("broadcast", args=[self.kwargs["pk"]])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.find()
        status = STOPS_POLLING if row.state in states.ENDED else 200
        return self.render_to_response(self.progress_of(row), status=status)


class BroadcastDo(BroadcastView):
    """POST only: pause, resume or cancel it."""

    http_method_names = ["post"]
    write_permissions = ("dispatch.change_broadcast",)
    do = ""

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        act, done = {
            "pause": (control.pause, _("It is paused: nothing more of it is sent until somebody resumes it.")),
            "resume": (control.resume, _("It goes on.")),
            "cancel": (control.cancel, _("It is cancelled: nothing more of it is sent.")),
        }[self.do]
        if not self.find().is_whole_within(self.scope):
            raise PermissionDenied
        try:
            act(pk, actor=audit.by_request(request), now=timezone.now())
        except NotAllowedError:
            messages.error(request, _("Its state changed meanwhile, so nothing was done."))
        else:
            messages.success(request, done)
        return redirect("broadcast", pk=pk)


class BroadcastAgain(BroadcastView):
    """POST only: the same to those whom it did not reach."""

    http_method_names = ["post"]
    write_permissions = (PERMISSION,)

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        self.find()
        sender = Sender(audit.by_request(request), f"console:{request.user.pk}")
        try:
            begun = sends.begin_again(pk, sender=sender, within=self.scope, now=timezone.now())
        except OverlapError as overlap:
            words = _("%s is sending it to them already: here is that broadcast.")
            messages.error(request, words % (overlap.other.sent_by or _("Somebody")))
            return redirect("broadcast", pk=overlap.other.pk)
        except RefusedError:
            messages.error(request, _("Its state changed meanwhile, so nothing was done."))
            return redirect("broadcast", pk=pk)
        messages.success(request, _("It is sent again to those whom it did not reach."))
        return redirect("broadcast", pk=begun.id)


def state_badge(row: Broadcast) -> Words:
    return cells.badge(_LEVELS[row.state], row.get_state_display())


def _named(row: Broadcast) -> Words:
    return cells.link(reverse("broadcast", args=[row.pk]), str(row))


def _whom(row: Broadcast, *, scope: GroupScope) -> str:
    """Whom it goes to may name somebody else: it is for those who see all that it reaches."""
    return recipients.words(row.audience) if row.is_whole_within(scope) else _("Some of your users, among others")


def _channels(row: Broadcast) -> str:
    kinds = [kind for kind in TRAITS if kind.value in row.channels]
    return ", ".join(TRAITS[kind].name for kind in kinds) or pgettext("channels", "All active ones")


def _sender(row: Broadcast) -> Words:
    """Who pressed, and from where."""
    return cells.joined(row.sent_by or _("an event"), " ", cells.small(row.sent_from))


def _done(entry: AuditEntry) -> Words:
    words = dict(BROADCAST_STATES)
    state = entry.after.get("state", "")
    return words.get(state, entry.action) if entry.action == Action.CHANGE else _("Sent")


def _texts(row: Broadcast) -> list[tuple[str, Mapping[str, str]]]:
    return [(TRAITS[ChannelKind(name)].name, said) for name, said in row.texts.items()]
