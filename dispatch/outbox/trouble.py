"""What a server's row says of its trouble, and how all lanes write it: pauses, stops, sign-ins, streaks."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from msgspec import Struct

from dispatch.rules import alike, retry
from dispatch.rules.alike import Kind, Refused
from foundation.sql import dialect, statements
from servers.models import Server
from servers.values import Experience, experience
from transports.types import Learned, LearnedKind, Reason, ReasonCode

_STANDING = """SELECT paused_until, recovered_at, trouble_code, unanswered > 0 OR refusals IS NOT NULL, session_limit,
    session_limit_at, unpipelined_at, EXISTS (SELECT 1 FROM dispatch_withheld)
    FROM servers_server WHERE id = %s AND active AND stopped_at IS NULL"""
_SIGN_INS = "SELECT sign_ins_refused, trouble_code FROM servers_server WHERE id = %s"

logger = logging.getLogger(__name__)


class Standing(Struct, frozen=True):
    """How a server stands. `code` is what it is paused for, `streak` whether lost answers or refusals are counted.

    `withholds`: some broadcast or text, of whatever server, may not be sent.
    """

    paused_until: datetime | None
    recovered_at: datetime | None
    code: str
    streak: bool
    experience: Experience
    withholds: bool

    @property
    def probed(self) -> bool:
        """Whether its pause is over and one message has to show whether it goes on."""
        return self.paused_until is not None

    def is_alone(self, now: datetime) -> bool:
        """Whether one lane has to do for the moment."""
        return self.recovered_at is not None and self.recovered_at <= now < self.recovered_at + retry.ALONE


def standing(server_id: int, *, now: datetime) -> Standing | None:
    """How an active server stands; None when it is stopped or not active."""
    found = statements.read(_STANDING, [server_id])
    if not found:
        return None
    paused, recovered, code, streak, limit, limit_at, unpipelined_at, withholds = found[0]
    return Standing(
        _time(paused),
        _time(recovered),
        code,
        bool(streak),
        experience(
            session_limit=limit, session_limit_at=_time(limit_at), unpipelined_at=_time(unpipelined_at), now=now
        ),
        bool(withholds),
    )


def meet(server_id: int, reason: Reason, *, retry_after: timedelta | None, probing: bool, now: datetime) -> None:
    """The server is paused, or stopped until a person acts, as the reason wants it."""
    if reason.code is ReasonCode.CREDENTIALS_REFUSED:
        until = refuse_sign_in(server_id, reason, probing=probing, now=now)
    elif retry.stops_server(reason):
        until = None
        stop(server_id, reason, now=now)
    else:
        until = pause(server_id, reason, retry_after=retry_after, probing=probing, now=now)
    if until:
        noted = (server_id, reason.code.value, until, reason.said)
        logger.warning("server.paused server=%s reason=%s until=%s said=%r", *noted)
    else:
        logger.error("server.stopped server=%s reason=%s said=%r", server_id, reason.code.value, reason.said)


@transaction.atomic
def pause(
    server_id: int, reason: Reason, *, retry_after: timedelta | None, probing: bool, now: datetime
) -> datetime | None:
    """Pause the server, longer with every failure in a row; returns until when, None when it is stopped.

    Lanes that fail while it is paused already have met the same failure: they neither lengthen nor shorten the pause.
    """
    server = Server.objects.select_for_update().get(pk=server_id)
    if server.stopped_at:
        return None
    if not probing and server.paused_until and server.paused_until > now:
        return server.paused_until
    count = server.pause_count + 1 if _goes_on(server, now=now) else 1
    until = now + retry.pause(count, reason=reason, retry_after=retry_after)
    _write(server, reason, now=now, paused_until=until, pause_count=count)
    return until


@transaction.atomic
def stop(server_id: int, reason: Reason, *, now: datetime) -> bool:
    """Stop the server until a person acts; True when it was not stopped before."""
    server = Server.objects.select_for_update().get(pk=server_id)
    if server.stopped_at:
        return False
    _write(server, reason, now=now, stopped_at=now)
    return True


@transaction.atomic
def refuse_sign_in(server_id: int, reason: Reason, *, probing: bool, now: datetime) -> datetime | None:
    """Count a refused sign-in: nobody else signs in until the time returned, or, for None, until a person acts.

    One that was on its way when another was refused is not counted.
    """
    server = Server.objects.select_for_update().get(pk=server_id)
    if server.stopped_at:
        return None
    if not probing and server.paused_until and server.paused_until > now:
        return server.paused_until
    refused = server.sign_ins_refused + 1
    wait = retry.sign_in_wait(refused, most=server.sign_ins_after_refusal)
    until = None if wait is None else now + wait
    _write(
        server,
        reason,
        now=now,
        sign_ins_refused=refused,
        pause_count=0,
        paused_until=until,
        stopped_at=now if until is None else None,
    )
    return until


def signed_in(server_id: int, *, now: datetime) -> None:
    """A sign-in worked: whatever was paused or stopped for refused ones goes on."""
    found = statements.read(_SIGN_INS, [server_id])
    if not found or found[0] == (0, ""):
        return
    refused, code = found[0]
    row = Server.objects.filter(pk=server_id)
    if refused:
        row.update(sign_ins_refused=0)
    if code == ReasonCode.CREDENTIALS_REFUSED:
        row.filter(trouble_code=code).update(stopped_at=None, **_recovered(now))


def recovered(server_id: int, *, now: datetime) -> None:
    """The server works again: what waited goes on."""
    Server.objects.filter(pk=server_id, paused_until__isnull=False).update(**_recovered(now))


def probe_again(server_id: int, *, now: datetime) -> None:
    """What tried the server showed nothing, or there was nothing to try it with: whoever comes next probes it."""
    Server.objects.filter(pk=server_id, paused_until__gt=now).update(paused_until=now)


@transaction.atomic
def lose_answer(server_id: int, *, answered_at: datetime | None, now: datetime) -> bool:
    """Count a message without an answer; True when there are too many in a row.

    `answered_at` is when this process last saw a message accepted.
    """
    server = Server.objects.select_for_update().get(pk=server_id)
    between = answered_at is not None and server.unanswered_at is not None and answered_at > server.unanswered_at
    count = 1 if between else server.unanswered + 1
    Server.objects.filter(pk=server_id).update(unanswered=count, unanswered_at=now)
    return count >= retry.LOST_IN_A_ROW


@transaction.atomic
def refuse(server_id: int, words: str, refused: Refused, *, accepted_at: datetime | None, now: datetime) -> Kind:
    """Count a refusal of a message; returns those alike, it included.

    `accepted_at` is when this process last saw a message accepted.
    """
    server = Server.objects.select_for_update().get(pk=server_id)
    known = alike.since(server.refusals, accepted_at)
    lasting = server.trouble_code == ReasonCode.REFUSED_ALIKE
    found = alike.counted(known, words, refused, now=now, lasting=lasting)
    Server.objects.filter(pk=server_id).update(refusals=found)
    return found[words]


def end_streaks(server_id: int) -> None:
    """A message was accepted: lost answers and refusals before it say nothing any more."""
    Server.objects.filter(Q(unanswered__gt=0) | Q(refusals__isnull=False), pk=server_id).update(
        unanswered=0, unanswered_at=None, refusals=None
    )


@transaction.atomic
def learn(server_id: int, learned: Learned, *, now: datetime) -> None:
    """Keep what a connection found out; of two limits that lanes found at the same time the smaller one."""
    row = Server.objects.filter(pk=server_id)
    if learned.kind is LearnedKind.NO_PIPELINING:
        row.update(unpipelined_at=now, unpipelined_reply=learned.reply)
        return
    server = row.select_for_update().get()
    known = server.experience(now)
    if not known.session_limit or learned.value < known.session_limit:
        row.update(session_limit=learned.value, session_limit_at=now, session_limit_reply=learned.reply)


def _goes_on(server: Server, *, now: datetime) -> bool:
    """Whether trouble now is that which the server was in already."""
    return bool(server.paused_until or server.stopped_at) or retry.is_relapse(server.recovered_at, now=now)


def _write(server: Server, reason: Reason, *, now: datetime, **fields: Any) -> None:
    fields |= {"trouble_code": reason.code.value, "trouble_detail": reason.detail}
    if server.troubled_at is None or not _goes_on(server, now=now):
        fields |= {"troubled_at": now, "told_at": None}
    Server.objects.filter(pk=server.pk).update(**fields)


def _recovered(now: datetime) -> dict[str, Any]:
    """When it was in trouble, and whether that was reported, stays: it may relapse."""
    return {
        "paused_until": None,
        "recovered_at": now,
        "trouble_code": "",
        "trouble_detail": "",
        "sign_ins_refused": 0,
    }


def _time(value: Any) -> datetime | None:
    return dialect.read_time(value) if value else None
