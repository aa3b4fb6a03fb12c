"""How far a broadcast is, counted from its deliveries, and why it stands still when it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct

from console.kit import times
from devices.scope import GroupScope
from dispatch.broadcasts import control
from dispatch.models import Attempt, Broadcast, Delivery, DeliveryQuerySet, Priority, Withheld
from dispatch.outbox.indexes import in_state
from dispatch.rules import states
from dispatch.rules.clock import SystemClock
from dispatch.rules.states import BroadcastState, DeliveryState
from dispatch.wakeup import liveness, wake_ups
from servers import health
from servers.models import Server
from servers.queries import child

RATED = timedelta(minutes=1)
STILL = timedelta(seconds=60)
"""Without progress for so long, the page says why."""


class Failures(Struct, frozen=True):
    """How many failed or were skipped for one reason."""

    state: str
    code: str
    number: int


class Pause(Struct, frozen=True):
    """Why it is paused: `code` is the reason for which too much failed, or "" where a person paused it."""

    code: str
    words: str
    server: str
    since: datetime


class Progress(Struct, frozen=True):
    """`counts` has every state. `rate` is messages a second over the last minute, `left` how long the rest takes at it.

    `still` says why nothing has moved for a minute; "" while something does, or nothing should.
    """

    counts: Mapping[str, int]
    rate: float
    left: timedelta | None
    failures: Sequence[Failures]
    pause: Pause | None
    still: str

    @property
    def planned(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many are in a final state."""
        return sum(self.counts[state] for state in states.FINAL)

    @property
    def taken(self) -> int:
        return sum(self.counts[state] for state in states.TAKEN)

    @property
    def unreached(self) -> int:
        return sum(self.counts[state] for state in states.UNSUCCESSFUL)


def of(row: Broadcast, *, scope: GroupScope, now: datetime) -> Progress:
    """Of its deliveries to those in the scope."""
    rows = control.deliveries(row).within(scope)
    lately = Q(sent_at__gt=now - RATED)
    found = {
        state: (number, recent, last)
        for state, number, recent, last in rows.values_list("state").annotate(
            number=Count("*"), recent=Count("id", filter=lately), last=Max("sent_at")
        )
    }
    counts = {state.value: found.get(state.value, (0,))[0] for state in DeliveryState}
    recent = sum(each[1] for each in found.values())
    rate = recent / min(RATED, max(now - row.created_at, timedelta(seconds=1))).total_seconds()
    waiting = sum(counts[state] for state in states.UNDERWAY)
    moving = row.state in states.UNDECIDED
    last_sent = max((each[2] for each in found.values() if each[2]), default=row.created_at)
    return Progress(
        counts=counts,
        rate=rate,
        left=timedelta(seconds=round(waiting / rate)) if moving and rate else None,
        failures=_failures(rows),
        pause=_pause(row),
        still=_still(row, rows=rows, last_sent=last_sent, now=now) if moving else "",
    )


def _failures(rows: QuerySet[Delivery]) -> list[Failures]:
    found = (
        rows.filter(state__in=states.UNSUCCESSFUL)
        .values_list("state", "reason_code")
        .annotate(number=Count("*"))
        .order_by("-number", "reason_code")
    )
    return [Failures(*each) for each in found]


def _pause(row: Broadcast) -> Pause | None:
    if row.state != BroadcastState.PAUSED:
        return None
    waits = Withheld.objects.filter(broadcast=row.pk).first()
    return Pause(waits.code, waits.words, waits.server_name, waits.since) if waits else None


def _still(row: Broadcast, *, rows: DeliveryQuerySet, last_sent: datetime, now: datetime) -> str:
    """Why nothing has moved for a minute."""
    if now - max(last_sent, row.created_at) < STILL or now - _last_failed(rows, since=last_sent) < STILL:
        return ""
    if liveness.silent([wake_ups.DRAIN_QUEUE], clock=SystemClock()):
        return _("No worker is running: start one, and it goes on by itself.")
    if row.state == BroadcastState.PLANNING:
        return _("Its recipients are still being planned.")
    due = rows.filter(in_state(DeliveryState.DUE))
    servers = list(due.values_list("server", "server_kind").annotate(number=Count("*"), first=Min("due_at")))
    names = Server.objects.in_bulk([server for server, *_rest in servers if server])
    causes = [_cause(names.get(server), kind=kind, first=first, now=now) for server, kind, _number, first in servers]
    if held := rows.filter(state=DeliveryState.HELD).count():
        causes.append(ngettext("%d message is held for a person.", "%d messages are held for a person.", held) % held)
    return " ".join(causes)


def _last_failed(rows: DeliveryQuerySet, *, since: datetime) -> datetime:
    """When the last one was tried of those that failed."""
    failed = rows.filter(state__in=control.FAILED)
    tried = Attempt.objects.filter(delivery__in=failed, started_at__gt=since)
    last: datetime | None = tried.aggregate(last=Max("started_at"))["last"]
    return last or since


def _cause(server: Server | None, *, kind: str, first: datetime, now: datetime) -> str:
    """Why what is due of it does not go out over this server; `first` is when the first of it is due."""
    if server is None:
        return _("No %s server is active: activate one, and it goes on by itself.") % Server.Kind(kind).label
    names = {"server": server.name, "why": health.trouble(server)}
    if not server.active:
        return _("“%(server)s” is not active any more; its messages move to the active server.") % names
    if server.stopped_at:
        return _("“%(server)s” has stopped: %(why)s") % names
    if server.paused_until and server.paused_until > now:
        return _("“%(server)s” is paused: %(why)s Next at %(time)s.") % {**names, "time": _clock(server.paused_until)}
    if first > now:
        return _("All that is left is tried again later over “%(server)s”. Next at %(time)s.") % {
            **names,
            "time": _clock(first),
        }
    return _in_turn(server, now=now)


def _in_turn(server: Server, *, now: datetime) -> str:
    names = {"server": server.name, "rate": child(server).limits().rate}
    if names["rate"] and server.rate_free_at and server.rate_free_at > now:
        words = _("“%(server)s” takes %(rate)s a second at most. Next at %(time)s.")
        return words % {**names, "time": _clock(server.rate_free_at)}
    first = Delivery.objects.filter(in_state(DeliveryState.DUE), server=server.pk, priority__lt=Priority.BROADCAST)
    if first.filter(due_at__lte=now).exists():
        return _("Other messages go out before it over “%(server)s”.") % names
    return _("It waits for its turn over “%(server)s”.") % names


def _clock(at: datetime) -> str:
    return times.exact(at, upto="second")
