"""What follows from one outcome."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.rules.retry import PAUSES, STOPPING, Finish, GiveUp, Hold, RetryAt, WaitForServer, judge, pause
from servers.values import WAITS, Limits
from transports.types import Deferred, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = Limits(timeout=timedelta(seconds=30), max_attempts=6)
LATER = Reason(ReasonCode.TEMPORARY, Scope.MESSAGE)
DOWN = Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER)
TOO_FAST = Reason(ReasonCode.THROTTLED, Scope.SERVER)
LOST = Unknown(Reason(ReasonCode.NO_ANSWER, Scope.MESSAGE))

reasons = st.builds(Reason, code=st.sampled_from(ReasonCode), scope=st.sampled_from(Scope))
moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))
outcomes = st.one_of(
    st.builds(Sent),
    st.builds(Deferred, reason=reasons, retry_after=st.none() | moments),
    st.builds(Rejected, reason=reasons),
    st.builds(Unknown, reason=reasons),
)
limits = st.builds(
    Limits,
    timeout=st.just(timedelta(seconds=30)),
    max_attempts=st.integers(1, 101),
    waits=st.lists(moments, min_size=1, max_size=6).map(tuple),
)
fractions = st.floats(0, 1)


def decide(outcome, *, tries=1, limits=LIMITS, jitter=0.0, **fields):
    return judge(outcome, tries=tries, limits=limits, now=NOW, jitter=jitter, **fields)


@given(outcome=outcomes, tries=st.integers(1, 200), limits=limits, jitter=fractions, hold=st.booleans())
def test_a_later_try_is_never_in_the_past_nor_sooner_than_the_peer_asked(outcome, tries, limits, jitter, hold):
    verdict = decide(outcome, tries=tries, limits=limits, jitter=jitter, hold_unknown=hold)
    if isinstance(verdict, RetryAt):
        assert verdict.at >= NOW
        if verdict.charged and isinstance(outcome, Deferred) and outcome.retry_after:
            assert verdict.at >= NOW + outcome.retry_after


@given(outcome=outcomes, limits=limits, jitter=fractions, over=st.integers(0, 5), hold=st.booleans())
def test_no_charged_try_follows_the_last_one(outcome, limits, jitter, over, hold):
    verdict = decide(outcome, tries=limits.max_attempts + over, limits=limits, jitter=jitter, hold_unknown=hold)
    assert not (isinstance(verdict, RetryAt) and verdict.charged)


@given(outcome=outcomes, limits=limits, jitter=fractions)
def test_a_message_that_never_goes_through_ends_after_exactly_its_tries(outcome, limits, jitter):
    if isinstance(decide(outcome, limits=limits), Finish | WaitForServer | Hold):
        return
    tries = 1
    while isinstance(verdict := decide(outcome, tries=tries, limits=limits, jitter=jitter), RetryAt):
        if not verdict.charged:
            return
        tries += 1
    assert isinstance(verdict, GiveUp)
    assert tries == (1 if isinstance(outcome, Rejected) else limits.max_attempts)


@given(outcome=outcomes)
def test_the_reason_of_the_verdict_is_the_reason_of_the_outcome(outcome):
    verdict = decide(outcome)
    if isinstance(outcome, Sent):
        assert verdict == Finish(outcome.provider_id)
    else:
        assert verdict.reason == outcome.reason


@pytest.mark.parametrize(
    ("tries", "wait"),
    list(enumerate([*WAITS, timedelta(hours=3), timedelta(hours=3)], start=1)),
)
def test_the_waits_are_1_5_and_15_minutes_then_1_and_3_hours_then_3_hours_each(tries, wait):
    assert tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180)) == WAITS
    generous = Limits(timeout=timedelta(seconds=30), max_attempts=100)
    assert decide(Deferred(LATER), tries=tries, limits=generous) == RetryAt(NOW + wait, LATER)
    longest = decide(Deferred(LATER), tries=tries, limits=generous, jitter=1.0)
    assert longest == RetryAt(NOW + wait * 1.2, LATER)


def test_the_peers_retry_after_can_lengthen_a_wait_and_not_shorten_it():
    assert decide(Deferred(LATER, timedelta(hours=2))) == RetryAt(NOW + timedelta(hours=2), LATER)
    assert decide(Deferred(LATER, timedelta(seconds=1))) == RetryAt(NOW + timedelta(minutes=1), LATER)


def test_an_unknown_outcome_is_tried_again_or_held_as_the_template_says():
    assert decide(LOST) == RetryAt(NOW + timedelta(minutes=1), LOST.reason)
    assert decide(LOST, hold_unknown=True) == Hold(LOST.reason)
    assert decide(LOST, tries=6) == GiveUp(LOST.reason)
    assert decide(LOST, tries=6, hold_unknown=True) == Hold(LOST.reason)


def test_a_try_that_is_not_charged_is_followed_by_another_however_many_there_were():
    verdict = decide(LOST, tries=6, charged=False)
    assert verdict == RetryAt(NOW + timedelta(hours=3), LOST.reason, charged=False)


def test_too_many_recipients_means_now_and_costs_nothing():
    reason = Reason(ReasonCode.TOO_MANY_RECIPIENTS, Scope.RECIPIENT)
    assert decide(Deferred(reason), tries=6) == RetryAt(NOW, reason, charged=False)


@pytest.mark.parametrize("code", sorted(STOPPING))
@pytest.mark.parametrize("made", [Deferred, Rejected])
def test_what_only_a_person_can_mend_waits_for_one_whatever_it_cost(code, made):
    reason = Reason(code, Scope.SERVER)
    assert decide(made(reason), tries=100) == WaitForServer(reason)


@pytest.mark.parametrize("code", sorted(STOPPING))
def test_the_same_said_of_one_message_stops_no_server(code):
    assert decide(Rejected(Reason(code, Scope.MESSAGE))) == GiveUp(Reason(code, Scope.MESSAGE))


def test_a_server_rests_longer_each_time_but_never_over_five_minutes_unless_it_asks():
    assert [pause(count, reason=DOWN).total_seconds() for count in range(1, 8)] == [15, 30, 60, 120, 300, 300, 300]
    assert pause(1, reason=DOWN, retry_after=timedelta(hours=1)) == timedelta(hours=1)
    assert pause(5, reason=DOWN, retry_after=timedelta(seconds=1)) == PAUSES[-1]


def test_a_server_that_only_asks_for_less_rests_as_short_as_it_says_and_costs_no_try():
    second = timedelta(seconds=1)
    rests = [pause(count, reason=TOO_FAST, retry_after=second).total_seconds() for count in (1, 2, 3, 8, 9, 10_000)]
    assert rests == [1, 2, 4, 128, 256, 300]
    assert pause(1, reason=TOO_FAST) == PAUSES[0]
    assert pause(20, reason=TOO_FAST, retry_after=timedelta(hours=1)) == timedelta(hours=1)
    verdict = judge(Deferred(TOO_FAST, retry_after=second), tries=99, limits=LIMITS, now=NOW, jitter=1.0)
    assert verdict == RetryAt(NOW + second, TOO_FAST, charged=False)
