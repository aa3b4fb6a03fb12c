"""What the console says of the flow: messages that wait too long."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console import registry
from console.registry import Button, Entry, Finding, Level, Section
from dispatch import queries, withheld
from dispatch.models import Withheld
from servers.models import Server


def findings() -> Iterator[Finding]:
    now = timezone.now()
    rows = Withheld.objects.select_related("broadcast", "template_version__template")
    for one in rows.filter(decision="").order_by("pk"):
        yield _withheld(one)
    for name, since in queries.waiting_long(now=now):
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
    return Finding(str(one), words, Level.WARNING, banner=True, buttons=buttons)


def _counted(number: int) -> str:
    return _("%d or more") % number if number >= withheld.CHUNK else str(number)


def of_server(server: Server) -> Iterator[str]:
    """How many messages wait for a server that is about to be deleted."""
    waiting = queries.waiting_for(server)
    if waiting:
        yield (
            ngettext(
                "%d message waits for it. It goes out through the next server of its type that becomes active.",
                "%d messages wait for it. They go out through the next server of its type that becomes active.",
                waiting,
            )
            % waiting
        )


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
    registry.add_impact("servers.Server", source=of_server)
