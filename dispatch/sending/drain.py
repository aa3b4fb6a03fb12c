"""The loop: claim, connect, render, begin, send, settle. No Celery, no HTTP, no SQL of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import Error

from dispatch.outbox import deliveries, lanes, trouble, withheld
from dispatch.outbox.deliveries import Claim
from dispatch.rules.clock import Clock
from dispatch.sending import heartbeat, pace, recovery, share
from dispatch.sending.exchange import Exchange
from dispatch.sending.holding import Holding, SilentError
from dispatch.sending.session import Session
from dispatch.sending.streaks import Streaks
from dispatch.wakeup import wake_ups, workers
from foundation.secrets import SecretUnreadableError
from servers import factory, queries
from servers.models import Server
from servers.values import Limits
from transports.types import Channel, Reason, ReasonCode, Scope

GROUP = 200
CALLED = 2
CALL_EVERY = 1.0  # seconds
LONGEST = timedelta(seconds=30)

logger = logging.getLogger(__name__)


def drain(server_id: int, *, clock: Clock, stopping: Callable[[], bool]) -> int:
    """Send what is due for one server through one lane; returns how many tries it settled.

    Ends when nothing is due, the server is paused or stopped, the worker is stopping, after 30 s, or when this process
    has more lanes of the server than its share. It wakes again if more is due and nobody else would know: where it
    ended early, or a wake-up meanwhile found no free lane or was turned away here.
    """
    with share.of_server(server_id) as place:
        ours = _begin(server_id, place=place, clock=clock, stopping=stopping) if place else None
        if place is None or ours is None:
            return 0
        ours.run()
        turned_away = place.was_last()
    if ours.leaves_work(turned_away=turned_away):
        wake_ups.wake(server_id)
    return ours.settled


class Drain:
    """One lane of a server at work: it holds a lease, the claims under it and a connection, until it has ended."""

    def __init__(
        self,
        server: Server,
        channel: Channel,
        lane: lanes.Held,
        *,
        place: share.Place,
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        limits, standing = server.limits(), lane.standing
        self._holding = Holding(
            server.name,
            limits,
            lane,
            recovery.own_journal(),
            clock,
            stopping,
            ends_at=clock.monotonic() + LONGEST.total_seconds(),
            renewed_at=clock.elapsed(),
        )
        self._session = Session(server, channel, standing.experience)
        self._streaks = Streaks(server.pk, server.name, limits, code=standing.code, counting=standing.streak)
        self._exchange = Exchange(self._holding, self._session, self._streaks)
        self._place, self._clock = place, clock
        self._withholds = standing.withholds
        self._shed = False
        self._calls_at = 0.0
        self._holding.journal.taken(lane.lease, probing=lane.probing)

    @property
    def settled(self) -> int:
        return self._holding.settled

    def run(self) -> None:
        """Go on until it must end; leaves neither lane nor claims."""
        holding = self._holding
        try:
            with heartbeat.beating(holding.renew, every=holding.limits.lease / 3):
                self._rounds()
        except Error as error:
            holding.strand(error)
        except SilentError:
            logger.warning("drain.silent server=%s", holding.server_id)
            holding.down = True
        except Exception:
            logger.exception("drain.fault server=%s", holding.server_id)
            holding.down = True
        except BaseException:
            self._session.close()  # the process ends: what it holds is taken back by another one
            raise
        self._session.close()
        holding.note_unanswered()
        holding.end()

    def leaves_work(self, *, turned_away: bool) -> bool:
        """Whether something is due of which nobody else would know, now that it has ended."""
        holding, lane = self._holding, self._holding.lane
        unheard = turned_away or lane.was_last
        early = lane.probing or self._shed or holding.must_end()
        if holding.down or holding.stranded or not (unheard or early):
            return False
        return deliveries.any_due(holding.server_id, now=self._clock.now())

    def _rounds(self) -> None:
        holding = self._holding
        most = 1 if holding.lane.probing else pace.first(holding.limits)
        while not holding.must_end():
            claims = holding.claim(most)
            if not claims:
                if holding.lane.probing:
                    trouble.probe_again(holding.server_id, now=self._clock.now())
                return
            if len(claims) == most:
                self._call_others()
            few = len(claims) < most
            claims = self._put_aside(claims)
            if not claims:
                continue
            started = self._clock.monotonic()
            self._send(claims)
            if holding.stranded:
                return
            seconds = self._clock.monotonic() - started
            most = pace.following(len(claims), seconds=seconds, limits=holding.limits)
            if holding.lane.probing:
                self._end_probe()
                return
            self._shed = self._place.is_beyond(_share(holding.limits))
            done = few and not deliveries.any_due(holding.server_id, now=self._clock.now())  # cheaper than to claim
            if self._shed or done or not self._may_go_on():
                return

    def _put_aside(self, claims: list[Claim]) -> list[Claim]:
        """Those that may be sent: some broadcast or text may wait for a person."""
        if not self._withholds:
            return claims
        left = withheld.put_aside(claims, lease=self._holding.lane.lease)
        self._holding.keep(left)
        return left

    def _send(self, claims: Sequence[Claim]) -> None:
        for start in range(0, len(claims), GROUP):
            if self._holding.must_end() or not self._exchange.connect():
                break
            self._exchange.send(claims[start : start + GROUP])
        self._holding.give_back(self._holding.open)

    def _end_probe(self) -> None:
        """One message was tried: the server goes on, unless its trouble was seen again or nothing was."""
        if self._holding.down:
            return
        if self._streaks.has_recovered():
            trouble.recovered(self._holding.server_id, now=self._clock.now())
        else:
            trouble.probe_again(self._holding.server_id, now=self._clock.now())

    def _may_go_on(self) -> bool:
        standing = lanes.look(self._holding.lane, now=self._clock.now())
        if standing is None:
            return False
        self._streaks.heed(standing)
        self._withholds = standing.withholds
        return True

    def _call_others(self) -> None:
        """There is more than this lane took. Each lane calls two, so all are busy soon and few are called in vain."""
        lane, limits = self._holding.lane, self._holding.limits
        if lane.probing or lane.standing.is_alone(self._clock.now()) or limits.lanes == 1:
            return
        if self._clock.monotonic() < self._calls_at:
            return
        self._calls_at = self._clock.monotonic() + CALL_EVERY
        free = lanes.count_free(lane.server_id, limits=limits)
        wake_ups.wake_more(lane.server_id, lanes=min(CALLED, free))


def _begin(server_id: int, *, place: share.Place, clock: Clock, stopping: Callable[[], bool]) -> Drain | None:
    """The drain of an active server; None without a free lane, or beyond the share of this process."""
    server = queries.settings_of(server_id)
    if server is None or place.is_beyond(_share(server.limits())):
        return None
    lane = lanes.take(server_id, limits=server.limits(), worker=workers.this_id(), now=clock.now())
    if lane is None:
        return None
    try:
        channel = factory.build_channel(server, experience=lane.standing.experience)
    except SecretUnreadableError as error:
        lanes.release(lane)
        reason = Reason(ReasonCode.SECRET_UNREADABLE, Scope.SERVER, str(error))
        trouble.meet(server_id, reason, retry_after=None, probing=lane.probing, now=clock.now())
        return None
    except BaseException:
        lanes.release(lane)
        raise
    return Drain(server, channel, lane, place=place, clock=clock, stopping=stopping)


def _share(limits: Limits) -> int:
    return share.share(limits.lanes, workers=workers.live())
