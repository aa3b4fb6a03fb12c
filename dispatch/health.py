"""What the console says of the flow: silent workers, messages that wait too long."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console import registry
from console.registry import Entry, Finding, Level, Section
from dispatch import broker_watch, doorbell, liveness, queries, workers
from servers.models import Server

_QUEUES = (doorbell.DRAIN_QUEUE, "control")


def findings() -> Iterator[Finding]:
    now = timezone.now()
    if trouble := broker_watch.trouble():
        yield Finding(_("Broker"), broker_watch.WORDS[trouble], Level.ERROR, banner=True)
    if liveness.silent(_QUEUES, now=now):
        words = _("They give no sign of life, so nothing is sent. Start the workers, the beat and the broker.")
        yield Finding(_("Workers"), words, Level.ERROR, banner=True)
    else:
        yield Finding(_("Workers"), _("They answer through the queue."), Level.OK)
    if names := workers.without_journal():
        words = _(
            "%s can't write below XMNOTIFY_VAR/journal. Should it die, what it was sending may go out twice. Give it a "
            "writable folder on a local disk with free space, and restart it."
        )
        yield Finding(_("Journal"), words % ", ".join(names), Level.ERROR)
    for name, since in queries.waiting_long(now=now):
        words = _("A message has waited for this server for %s.") % timesince(since, now, depth=1)
        yield Finding(name, words, Level.WARNING, banner=True)


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
