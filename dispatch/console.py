"""What the flow adds to the pages of others: its entries, what is wrong with it, tests of templates, past events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import registry, times
from console.kit.registry import Button, Entry, Finding, Level, Section
from devices import limits
from devices.models import Group
from devices.scope import EVERYBODY, GroupScope
from dispatch.dashboard import figures
from dispatch.log import names, reasons, search, trial_views
from dispatch.models import Broadcast, Event, Withheld
from dispatch.outbox import withheld
from dispatch.rules.plan import event_values
from dispatch.upkeep import alerts
from servers.models import Server
from templates_app.texts import preview

_RECENT = 10


def register() -> None:
    registry.add_entry(
        Entry("dashboard", gettext_lazy("Dashboard"), Section.ANALYZE, permission="dispatch.view_delivery", order=0)
    )
    registry.add_entry(
        Entry(
            "delivery-log", gettext_lazy("Delivery log"), Section.ANALYZE, permission="dispatch.view_delivery", order=20
        )
    )
    registry.add_health(findings)
    registry.add_health(alerts.findings)
    registry.add_impact("servers.Server", source=of_server)
    registry.add_panel("template-editor", source=trial_views.panel, order=20)
    registry.add_panel("device", source=lambda request, row: _deliveries(request, device=row.pk))
    registry.add_panel("group", source=_to_group)
    registry.add_panel("user", source=lambda request, row: _deliveries(request, person=row.pk))
    preview.add_events(HappenedEvents())


def _deliveries(request: HttpRequest, **subject: int) -> str:
    """The newest of a device or user, with why those were not sent that were not."""
    wanted = search.Wanted(**{f"{name}_id": pk for name, pk in subject.items()})  # type: ignore[arg-type]
    link = {"user" if name == "person" else name: pk for name, pk in subject.items()}
    more = f"{reverse('delivery-log')}?{urlencode(link)}"
    return _newest(request, wanted, scope=limits.of_user(request.user), more=more)


def _newest(request: HttpRequest, wanted: search.Wanted, *, scope: GroupScope, more: str = "") -> str:
    if not request.user.has_perm("dispatch.view_delivery"):
        return ""
    found = search.page(wanted, scope=scope)
    named = names.of(found.rows)
    senders = Broadcast.objects.in_bulk({row.broadcast_id for row in found.rows if row.broadcast_id})
    context = {
        "deliveries": [(row, named[row.pk], row.broadcast_id and senders.get(row.broadcast_id)) for row in found.rows],
        "more": more if found.after else "",
    }
    return render_to_string("dispatch/deliveries_panel.html", context, request)


def _to_group(request: HttpRequest, group: Group) -> str:
    """The newest to the users of a group."""
    return _newest(request, search.Wanted(), scope=GroupScope(frozenset({group.pk})))


def findings() -> Iterator[Finding]:
    now = timezone.now()
    rows = Withheld.objects.select_related("broadcast", "template_version__template")
    for one in rows.filter(decision="").exclude(code="").order_by("pk"):
        yield _withheld(one) if one.code == withheld.CODE else _failing(one)
    for name, since in figures.waiting_long(now=now):
        words = _("A message has waited for this server for %s.") % timesince(since, now, depth=1)
        yield Finding(name, words, Level.WARNING, banner=True)


def _withheld(one: Withheld) -> Finding:
    """A broadcast or a text that a server refused message after message, with what can be done about the rest."""
    waiting = withheld.count(one)
    words = ngettext(
        "%(server)s refused one message after the other with the same words: “%(words)s”. %(count)s message waits.",
        "%(server)s refused one message after the other with the same words: “%(words)s”. %(count)s messages wait.",
        waiting,
    ) % {"server": one.server_name, "words": one.words, "count": _counted(waiting)}
    buttons = tuple(
        Button(decision.label, reverse("withheld", args=[one.pk, decision.value]), "dispatch.change_delivery")
        for decision in (Withheld.Decision.SEND, Withheld.Decision.CANCEL)
    )
    return Finding(str(one), words, Level.WARNING, banner=True, buttons=buttons, of_everybody=True)


def _failing(one: Withheld) -> Finding:
    """A broadcast that paused itself."""
    words = _("It paused itself, because too many messages failed for one reason: %s") % reasons.words(one.code)
    page = reverse("broadcast", args=[one.broadcast_id])
    return Finding(str(one), words, Level.WARNING, banner=True, url=page, link=_("View"))


def _counted(number: int) -> str:
    return _("%d or more") % number if number >= withheld.CHUNK else str(number)


def of_server(server: Server) -> Iterator[str]:
    """How many messages wait for a server that is about to be deleted."""
    waiting = figures.waiting_for(server, scope=EVERYBODY)
    if waiting:
        yield (
            ngettext(
                "%d message waits for it. It goes out through the next server of its type that becomes active.",
                "%d messages wait for it. They go out through the next server of its type that becomes active.",
                waiting,
            )
            % waiting
        )


class HappenedEvents:
    """The latest events of a type; their secrets are never read."""

    def recent(self, type_code: str, *, scope: GroupScope) -> Sequence[tuple[str, str]]:
        rows = (
            Event.objects.within(scope)
            .filter(type=type_code)
            .select_related("person", "device")
            .order_by("-id")[:_RECENT]
        )
        return [(str(row.pk), _words(row)) for row in rows]

    def values(self, event_id: str, *, scope: GroupScope) -> Mapping[str, Any] | None:
        try:
            row = Event.objects.within(scope).filter(pk=UUID(event_id)).first()
        except ValueError:
            return None
        if row is None:
            return None
        supplied = event_values(
            event_id=row.pk, type_code=row.type, source=row.source, occurred_at=row.occurred_at, payload=row.payload
        )
        return {**supplied, **{name: row.payload[name] for name in ("user", "device") if row.payload.get(name)}}


def _words(event: Event) -> str:
    about = event.device or event.person or event.source
    return f"{times.exact(event.occurred_at)} {about}"
