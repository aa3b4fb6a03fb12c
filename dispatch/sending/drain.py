"""The loop: claim, connect, render, begin, send, settle. No Celery, no HTTP, no SQL of its own."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import Error
from msgspec import Struct, field

from dispatch.outbox import deliveries, lanes, trouble, withheld
from dispatch.outbox.deliveries import Claim
from dispatch.rules import retry
from dispatch.rules.clock import Clock
from dispatch.rules.settlement import Settlement
from dispatch.sending import compose, heartbeat, recovery, share
from dispatch.sending.journal import Journal
from dispatch.sending.settle import judged
from dispatch.sending.streaks import Streaks
from dispatch.wakeup import wake_ups, workers
from foundation.secrets import SecretUnreadableError
from foundation.sql import statements
from servers import factory, queries
from servers.models import Server
from servers.values import Experience, Limits
from transports.types import (
    Channel,
    Connection,
    Deferred,
    Learned,
    LearnedKind,
    Outcome,
    Reason,
    ReasonCode,
    Rejected,
    Result,
    Scope,
    Unknown,
    Wire,
)

FIRST_CLAIM = 50
LEAST_CLAIMED = 10
MOST_CLAIMED = 200
GROUP = 200
CALLED = 2
CALL_EVERY = 1.0  # seconds
AHEAD = 2.0  # seconds of work that a lane claims at a time
LONGEST = timedelta(seconds=30)
SETTLE_AFTER = timedelta(seconds=1)
LONGEST_TURN = timedelta(seconds=5)
"""A lane whose turn under the rate limit is further away than this ends: fewer lanes will do."""

logger = logging.getLogger(__name__)


class _Silent(Exception):  # noqa: N818 - no error
    """No sign of life was written for so long that what is held here may be another worker's by now."""


class Work(Struct):
    """What one drain holds while it runs.

    `open` are its claims without an outcome, `handed_over` those of them that the peer may have, `done` the outcomes
    that are not written yet. `stranded`: the database did not take something, so nothing more is begun.
    """

    server: Server
    limits: Limits
    channel: Channel
    held: lanes.Held
    streaks: Streaks
    journal: Journal
    place: share.Place
    clock: Clock
    stopping: Callable[[], bool]
    connection: Connection | None = None
    open: dict[UUID, Claim] = field(default_factory=dict)
    handed_over: set[UUID] = field(default_factory=set)
    done: list[Settlement] = field(default_factory=list)
    stranded: bool = False
    down: bool = False
    shed: bool = False
    settled: int = 0
    ends_at: float = 0.0
    calls_at: float = 0.0
    renewed_at: float = 0.0
    learned: set[Learned] = field(default_factory=set)
    withholds: bool = False

    @property
    def server_id(self) -> int:
        return self.server.pk

    @property
    def lease(self) -> UUID:
        return self.held.lease

    def must_end(self) -> bool:
        late = self.clock.monotonic() > self.ends_at
        return self.down or self.stranded or late or self.stopping() or not self.surely_holds()

    def surely_holds(self) -> bool:
        """Whether the lane was renewed so lately that what is handed over now is answered within the lease.

        A process that was stopped, or whose machine slept, may have lost it meanwhile.
        """
        most = self.limits.lease - self.limits.timeout
        return self.clock.elapsed() - self.renewed_at < most.total_seconds()


def drain(server_id: int, *, clock: Clock, stopping: Callable[[], bool]) -> int:
    """Send what is due for one server through one lane; returns how many tries it settled.

    Ends when nothing is due, the server is paused or stopped, the worker is stopping, after 30 s, or when this process
    has more lanes of the server than its share. It wakes again if more is due and nobody else would know: where it
    ended early, or a wake-up meanwhile found no free lane or was turned away here.
    """
    with share.of_server(server_id) as place:
        work = _work(server_id, place=place, clock=clock, stopping=stopping) if place else None
        if work is None:
            return 0
        _drain(work)
        turned_away = work.place.was_last()
    unheard = turned_away or work.held.was_last
    early = work.held.probing or work.shed or work.must_end()
    if not (work.down or work.stranded) and (unheard or early) and deliveries.any_due(server_id, now=clock.now()):
        wake_ups.wake(server_id)
    return work.settled


def _work(server_id: int, *, place: share.Place, clock: Clock, stopping: Callable[[], bool]) -> Work | None:
    """What the drain of an active server holds; None without a free lane, or beyond the share of this process."""
    server = queries.settings_of(server_id)
    if server is None or place.is_beyond(_share(server.limits())):
        return None
    limits = server.limits()
    held = lanes.take(server_id, limits=limits, worker=workers.this_id(), now=clock.now())
    if held is None:
        return None
    try:
        channel = factory.build_channel(server, experience=held.standing.experience)
    except SecretUnreadableError as error:
        lanes.release(held)
        reason = Reason(ReasonCode.SECRET_UNREADABLE, Scope.SERVER, str(error))
        _stop_or_pause(server_id, reason, retry_after=None, probing=held.probing, now=clock.now())
        return None
    except BaseException:
        lanes.release(held)
        raise
    standing = held.standing
    streaks = Streaks(server_id, server.name, limits, code=standing.code, counting=standing.streak)
    work = Work(server, limits, channel, held, streaks, recovery.own_journal(), place, clock, stopping)
    work.journal.taken(work.lease, probing=held.probing)
    work.withholds = standing.withholds
    work.ends_at, work.renewed_at = clock.monotonic() + LONGEST.total_seconds(), clock.elapsed()
    return work


def _share(limits: Limits) -> int:
    return share.share(limits.lanes, workers=workers.live())


def _drain(work: Work) -> None:
    try:
        with heartbeat.beating(partial(_renew, work), every=work.limits.lease / 3):
            _rounds(work)
    except Error as error:
        _strand(work, error)
    except _Silent:
        logger.warning("drain.silent server=%s", work.server_id)
        work.down = True
    except Exception:
        logger.exception("drain.fault server=%s", work.server_id)
        work.down = True
    except BaseException:
        _disconnect(work)  # the process ends: what it holds is taken back by another one
        raise
    _disconnect(work)
    _note_unanswered(work)
    _end(work)


def _end(work: Work) -> None:
    """Leave nothing claimed, and the lane; what the database does not take now it gets as soon as it does."""
    claims = bool(work.open) or work.stranded
    remainder = recovery.Remainder(work.held, work.server.name, work.done, claims)
    if not work.stranded:
        try:
            work.settled += remainder.write()
        except Error as error:
            _strand(work, error)
            remainder.claims = True
    if work.stranded:
        recovery.keep(remainder, clock=work.clock)
    work.open.clear()


def _strand(work: Work, error: Error) -> None:
    logger.warning("drain.stranded server=%s error=%s", work.server_id, type(error).__name__)
    work.stranded = True
    statements.drop_connection()


@contextmanager
def _despite_the_database(work: Work) -> Iterator[None]:
    """Where the database fails in the block, what was handed over still gets its outcome, and nothing more is sent."""
    try:
        yield
    except Error as error:
        _strand(work, error)


def _rounds(work: Work) -> None:
    most = 1 if work.held.probing else _batch(FIRST_CLAIM, limits=work.limits)
    while not work.must_end():
        now = work.clock.now()
        until = now + work.limits.lease
        claims = deliveries.claim_due(work.server_id, most=most, lease=work.lease, lease_until=until, now=now)
        if not claims:
            if work.held.probing:
                trouble.probe_again(work.server_id, now=now)
            return
        work.open = {claim.id: claim for claim in claims}
        if (
            len(claims) == most
            and not work.held.probing
            and not work.held.standing.is_alone(now)
            and work.limits.lanes > 1
        ):
            _call_others(work)
        few = len(claims) < most
        if work.withholds:
            claims = withheld.put_aside(claims, lease=work.lease)
            work.open = {claim.id: claim for claim in claims}
            if not claims:
                continue
        started = work.clock.monotonic()
        _send_claims(claims, work=work)
        if work.stranded:
            return
        most = _batch(_for_a_while(len(claims), since=started, clock=work.clock), limits=work.limits)
        if work.held.probing:
            _end_probe(work)
            return
        work.shed = work.place.is_beyond(_share(work.limits))
        done = few and not deliveries.any_due(work.server_id, now=work.clock.now())  # cheaper than to claim in vain
        if work.shed or done or not _may_go_on(work):
            return


def _end_probe(work: Work) -> None:
    """One message was tried: the server goes on, unless its trouble was seen again or nothing was."""
    if work.down:
        return
    if work.streaks.has_recovered():
        trouble.recovered(work.server_id, now=work.clock.now())
    else:
        trouble.probe_again(work.server_id, now=work.clock.now())


def _may_go_on(work: Work) -> bool:
    standing = lanes.look(work.held, now=work.clock.now())
    if standing is None:
        return False
    work.streaks.heed(standing)
    work.withholds = standing.withholds
    return True


def _call_others(work: Work) -> None:
    """There is more than this lane took. Each lane calls two, so all are busy soon and few are called in vain."""
    if work.clock.monotonic() < work.calls_at:
        return
    work.calls_at = work.clock.monotonic() + CALL_EVERY
    free = lanes.count_free(work.server_id, limits=work.limits)
    wake_ups.wake_more(work.server_id, lanes=min(CALLED, free))


def _for_a_while(count: int, *, since: float, clock: Clock) -> int:
    """What this server takes in AHEAD, so that a slow one leaves work for the other lanes."""
    seconds = clock.monotonic() - since
    return MOST_CLAIMED if seconds * MOST_CLAIMED <= AHEAD * count else int(AHEAD * count / seconds)


def _batch(wanted: int, *, limits: Limits) -> int:
    """With a rate limit a second's worth at most, so that waiting for a turn fits in the lease."""
    batch = min(MOST_CLAIMED, max(LEAST_CLAIMED, wanted))
    return min(batch, max(1, int(limits.rate))) if limits.rate else batch


def _send_claims(claims: Sequence[Claim], *, work: Work) -> None:
    groups = [claims[start : start + GROUP] for start in range(0, len(claims), GROUP)]
    for group in groups:
        if work.must_end() or not _connect(work):
            break
        _send_group(group, work=work)
    _give_back(work.open, work=work)


def _connect(work: Work) -> bool:
    """Open the connection if there is none. A failure is charged to one delivery alone; the others wait.

    Nobody signs in where another lane was refused since this one was taken.
    """
    if work.connection:
        return True
    if work.server.signs_in and lanes.look(work.held, now=work.clock.now()) is None:
        work.down = True
        return False
    started = work.clock.monotonic()
    opened = work.channel.connect()
    if not isinstance(opened, Deferred):
        work.connection = opened
        if work.server.signs_in:
            trouble.signed_in(work.server_id, now=work.clock.now())
        return True
    duration = timedelta(seconds=work.clock.monotonic() - started)
    first = next(iter(work.open.values()))
    _trouble(opened.reason, retry_after=opened.retry_after, work=work)
    _give_back([other for other in work.open if other != first.id], work=work)
    if _begin([(first, first.text_id)], texts=(), work=work):
        _note([_judge(first, opened, duration=duration, work=work)], work=work)
        _settle(work)
    return False


def _send_group(group: Sequence[Claim], *, work: Work) -> None:
    known = compose.sources(group)
    drafts, refused = [], []
    for claim in group:
        made = _draft(claim, known=known)
        if isinstance(made, Reason):
            refused.append((claim, made))
        else:
            drafts.append(made)
    ready: list[tuple[compose.Envelope, Wire]] = []
    for envelope in compose.envelopes(drafts, known=known, limits=work.limits):
        wire = _prepare(envelope, channel=work.channel)
        if isinstance(wire, Rejected):
            refused.extend((claim, wire.reason) for claim in envelope.claims)
        else:
            ready.append((envelope, wire))
    if not _wait_for_turn(sum(len(envelope.claims) for envelope, _ in ready), work=work):
        work.down = True
        return
    texts = [envelope.new_text for envelope, _ in ready if envelope.new_text]
    pairs: list[tuple[Claim, UUID | None]]
    pairs = [(claim, envelope.message.key) for envelope, _ in ready for claim in envelope.claims]
    pairs += [(claim, claim.text_id) for claim, _ in refused]
    begun = _begin(pairs, texts=texts, work=work)
    if len(begun) < len(pairs):
        refused = [(claim, reason) for claim, reason in refused if claim.id in begun]
        ready = [(envelope, wire) for envelope, wire in ready if all(claim.id in begun for claim in envelope.claims)]
    _note([_judge(claim, Rejected(reason), work=work) for claim, reason in refused], work=work)
    _exchange(ready, work=work)


def _draft(claim: Claim, *, known: compose.Sources) -> compose.Draft | Reason:
    try:
        return compose.draft(claim, known=known)
    except SecretUnreadableError as error:
        return Reason(ReasonCode.SECRET_UNREADABLE, Scope.MESSAGE, str(error))
    except Exception as error:
        logger.exception("render.fault delivery=%s", claim.id)
        return Reason(ReasonCode.TEMPLATE_ERROR, Scope.MESSAGE, f"the text could not be made ({type(error).__name__})")


def _prepare(envelope: compose.Envelope, *, channel: Channel) -> Wire | Rejected:
    try:
        return channel.prepare(envelope.message, tuple(claim.to for claim in envelope.claims))
    except Exception as error:
        logger.exception("prepare.fault delivery=%s", envelope.claims[0].id)
        detail = f"the message could not be made ({type(error).__name__})"
        return Rejected(Reason(ReasonCode.INTERNAL_ERROR, Scope.MESSAGE, detail))


def _wait_for_turn(count: int, *, work: Work) -> bool:
    """Keep to the server's rate; False when other lanes have booked all turns for a while to come."""
    if not work.limits.rate or not count:
        return True
    wait = lanes.reserve(work.server_id, count, rate=work.limits.rate, most=LONGEST_TURN, now=work.clock.now())
    if wait:
        work.clock.sleep(wait.total_seconds())
    return wait is not None


def _begin(pairs: Sequence[tuple[Claim, UUID | None]], *, texts: Sequence[deliveries.NewText], work: Work) -> set[UUID]:
    """Count the tries that our lease still covers for more than one timeout; the others go back, if still ours."""
    now = work.clock.now()
    begun = deliveries.begin(
        [(claim.id, text_id) for claim, text_id in pairs],
        texts=texts,
        lease=work.lease,
        until=now + work.limits.timeout,
        now=now,
    )
    if len(begun) < len(pairs):
        _give_back([claim.id for claim, _ in pairs if claim.id not in begun], work=work)
    return begun


def _exchange(whole: Sequence[tuple[compose.Envelope, Wire]], *, work: Work) -> None:
    """Send the wires; settle their results in groups, a moment after the replies, and whatever happens then."""
    assert work.connection is not None
    waiting, lost = {id(wire): envelope for envelope, wire in whole}, False
    last = work.clock.monotonic()

    def handing_over(wire: Wire, to: Sequence[int]) -> None:
        if not (workers.surely_live() and work.surely_holds()):
            raise _Silent
        ids = [waiting[id(wire)].claims[position].id for position in to]
        work.journal.handing_over(work.lease, ids)
        work.handed_over.update(ids)

    if whole:
        for wire, result in work.connection.send(_until_the_end(whole, work=work), handing_over=handing_over):
            _take(waiting.pop(id(wire)).claims, result, work=work)
            lost = lost or any(isinstance(outcome, Unknown) for outcome in result.outcomes)
            if work.clock.monotonic() - last > SETTLE_AFTER.total_seconds():
                _settle(work)
                last = work.clock.monotonic()
    _note_unanswered(work)
    _settle(work)
    with _despite_the_database(work):
        _learn(work.connection.learned, work=work)
    if whole and len(waiting) == len(whole) and not work.must_end():
        raise RuntimeError("the connection answered for no message at all")
    if lost or waiting:
        left = [claim.id for envelope in waiting.values() for claim in envelope.claims if claim.id in work.open]
        _give_back(left, work=work)
        _disconnect(work)


def _until_the_end(whole: Sequence[tuple[compose.Envelope, Wire]], *, work: Work) -> Iterator[Wire]:
    """The wires, as long as there is time: a slow server must not keep a worker from stopping."""
    for _, wire in whole:
        if work.must_end():
            return
        yield wire


def _take(claims: Sequence[Claim], result: Result, *, work: Work) -> None:
    """Judge one wire. When the server itself is in trouble, only the first recipient is charged with it.

    Who did not get a turn is given back with all that is still open once the claims are through. What the peer may have
    taken is noted before the database hears of the trouble; what it refused is compared with what it refused before.
    """
    settlements = []
    found: Deferred | Rejected | None = None
    outcomes: Sequence[Outcome] = result.outcomes
    with _despite_the_database(work):
        outcomes = work.streaks.weigh(claims, outcomes, now=work.clock.now())
    for claim, outcome in zip(claims, outcomes, strict=True):
        if isinstance(outcome, Deferred) and not outcome.charged:
            continue
        if isinstance(outcome, Deferred | Rejected) and outcome.reason.scope is Scope.SERVER:
            if found:
                continue
            found = outcome
        settlements.append(_judge(claim, outcome, duration=result.duration, dialogue=result.dialogue, work=work))
    _note(settlements, work=work)
    _note_not_acted_upon(claims, work=work)
    with _despite_the_database(work):
        work.streaks.see(result.outcomes, now=work.clock.now())
        if work.streaks.trouble and not work.down:
            _trouble(work.streaks.trouble, retry_after=None, work=work)
        if work.streaks.withholds:
            work.ends_at = -math.inf  # what is claimed has to be looked at anew
        if found:
            _trouble(found.reason, retry_after=found.retry_after if isinstance(found, Deferred) else None, work=work)


def _trouble(reason: Reason, *, retry_after: timedelta | None, work: Work) -> None:
    work.down = True
    _stop_or_pause(work.server_id, reason, retry_after=retry_after, probing=work.held.probing, now=work.clock.now())


def _stop_or_pause(
    server_id: int, reason: Reason, *, retry_after: timedelta | None, probing: bool, now: datetime
) -> None:
    """The server is paused, or stopped until a person acts."""
    if reason.code is ReasonCode.CREDENTIALS_REFUSED:
        until = trouble.refuse_sign_in(server_id, reason, probing=probing, now=now)
    elif retry.stops_server(reason):
        until = None
        trouble.stop(server_id, reason, now=now)
    else:
        until = trouble.pause(server_id, reason, retry_after=retry_after, probing=probing, now=now)
    if until:
        told = (server_id, reason.code.value, until, reason.said)
        logger.warning("server.paused server=%s reason=%s until=%s said=%r", *told)
    else:
        logger.error("server.stopped server=%s reason=%s said=%r", server_id, reason.code.value, reason.said)


def _learn(found: Sequence[Learned], *, work: Work) -> None:
    """Keep what the connection found out of its server, for all lanes and for the next connection of this one."""
    new = [each for each in found if each not in work.learned]
    if not new:
        return
    for each in new:
        trouble.learn(work.server_id, each, now=work.clock.now())
        logger.warning("server.learned server=%s kind=%s value=%d", work.server_id, each.kind.value, each.value)
    work.learned.update(new)
    limits = [each.value for each in work.learned if each.kind is LearnedKind.SESSION_LIMIT]
    single = any(each.kind is LearnedKind.NO_PIPELINING for each in work.learned)
    known = work.held.standing.experience
    heeded = Experience(min(limits, default=known.session_limit), single or known.no_pipelining)
    work.channel = factory.build_channel(work.server, experience=heeded)


def _judge(
    claim: Claim, outcome: Outcome, *, work: Work, duration: timedelta = timedelta(), dialogue: str = ""
) -> Settlement:
    now = work.clock.now()
    return judged(
        claim,
        outcome,
        limits=work.limits,
        now=now,
        started_at=now - duration,
        duration=duration,
        dialogue=dialogue,
        jitter=random.random,
    )


def _note(settlements: Sequence[Settlement], *, work: Work) -> None:
    """Keep what became of some until it is written; of what the peer may have, also beyond this process."""
    answered = [each for each in settlements if each.id in work.handed_over]
    if answered:
        work.journal.outcomes(work.lease, answered)
    for each in settlements:
        work.open.pop(each.id, None)
        work.handed_over.discard(each.id)
    work.done.extend(settlements)


def _note_not_acted_upon(claims: Sequence[Claim], *, work: Work) -> None:
    """What was handed over and has no outcome though the peer has replied did not get its turn."""
    ids = [claim.id for claim in claims if claim.id in work.handed_over]
    if ids:
        work.journal.back(work.lease, ids)
        work.handed_over.difference_update(ids)


def _note_unanswered(work: Work) -> None:
    """A fault of ours: what was handed over has an unknown outcome, the rest goes back untouched."""
    reason = Reason(ReasonCode.INTERNAL_ERROR, Scope.MESSAGE, "an internal error while it was being sent")
    lost = [claim for claim in work.open.values() if claim.id in work.handed_over]
    _note([_judge(claim, Unknown(reason), work=work) for claim in lost], work=work)


def _settle(work: Work) -> None:
    """Write what became of some; what the database does not take stays noted."""
    if not work.done or work.stranded:
        return
    with _despite_the_database(work):
        work.settled += deliveries.settle(
            work.done, lease=work.lease, server_id=work.server_id, server_name=work.server.name
        )
        work.journal.settled(work.lease, [each.id for each in work.done])
        work.done = []


def _give_back(ids: Iterable[UUID], *, work: Work) -> None:
    given = list(ids)
    if not given or work.stranded:
        return
    deliveries.give_back(given, lease=work.lease)
    for delivery_id in given:
        work.open.pop(delivery_id, None)


def _renew(work: Work) -> None:
    """One beat: the lane and what is claimed are ours for another lease. A lost lane ends the drain."""
    now = work.clock.now()
    held = [*work.open, *(each.id for each in work.done)]
    deliveries.renew(held, lease=work.lease, lease_until=now + work.limits.lease)
    if not lanes.renew(work.held, limits=work.limits, now=now):
        work.down = True
    else:
        work.renewed_at = work.clock.elapsed()


def _disconnect(work: Work) -> None:
    if work.connection:
        work.connection.close()
        work.connection = None
