"""A server in trouble, over all its lanes: who signs in, whose answers are lost, and how it goes on after a pause."""

from datetime import timedelta

import pytest

from dispatch.models import Delivery
from dispatch.outbox import lanes, trouble
from dispatch.sending import streaks
from dispatch.upkeep import alerts
from dispatch.wakeup import workers
from servers.models import Server, SmtpServer
from tests.db import world
from tests.db.dispatch import flow
from transports.types import Reason, ReasonCode, Scope, Sent

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(8)]


@pytest.fixture(autouse=True)
def _nothing_remembered():
    streaks.forget()


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=1, authentication=True, username="u", password="p")


@pytest.fixture
def waiting(server):
    """Eight mails that wait for the server."""
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)


def answers(channel, fates):
    channel.answer = lambda wire, to: fates.get(to.address) or Sent(provider_id=str(wire.key))


def stored():
    return SmtpServer.objects.get()


def tries():
    return sorted(Delivery.objects.values_list("tries", flat=True))


def after_the_pause(clock):
    clock.go_to(stored().paused_until)


class TestRefusedSignIn:
    def test_keeps_everybody_from_signing_in_for_a_minute_and_costs_nobody_a_try(self, server, waiting, channel, clock):
        channel.refusals.append(flow.BAD_PASSWORD)
        flow.send(server, clock)
        assert (stored().paused_until, stored().stopped_at) == (clock.now() + timedelta(minutes=1), None)
        assert stored().trouble_code == "credentials_refused"
        assert tries() == [0] * 8
        assert flow.send(server, clock) == 0
        assert flow.states() == {"due": 8}

    def test_is_followed_by_single_sign_ins_after_1_and_15_minutes_and_then_by_none(
        self, server, waiting, channel, clock, wake_ups
    ):
        channel.refusals.extend([flow.BAD_PASSWORD] * 3)
        pauses = []
        while stored().stopped_at is None:
            began = clock.now()
            if stored().paused_until:
                after_the_pause(clock)
            pauses.append((clock.now() - began).total_seconds())
            flow.send(server, clock)
        assert pauses == [0, 60, 900]
        clock.pass_time(timedelta(days=1))
        wake_ups.clear()
        assert flow.send(server, clock) == 0
        assert (channel.connections, len(channel.refusals), wake_ups) == (0, 0, [])
        assert tries() == [0] * 8

    @pytest.mark.parametrize("most", [0, 1, 4])
    def test_is_followed_by_as_many_as_the_setting_says(self, server, waiting, channel, clock, most):
        Server.objects.update(sign_ins_after_refusal=most)
        channel.refusals.extend([flow.BAD_PASSWORD] * 9)
        while stored().stopped_at is None:
            if stored().paused_until:
                after_the_pause(clock)
            flow.send(server, clock)
        assert len(channel.refusals) == 8 - most

    def test_one_spurious_refusal_goes_by_itself(self, server, waiting, channel, clock):
        channel.refusals.append(flow.BAD_PASSWORD)
        flow.send(server, clock)
        after_the_pause(clock)
        flow.send(server, clock)
        flow.send(server, clock)
        assert flow.states() == {"sent": 8}
        assert (stored().sign_ins_refused, stored().trouble_code) == (0, "")

    def test_a_sign_in_that_was_on_its_way_and_works_lifts_it(self, server, waiting, channel, clock):
        connect = channel.connect

        def refused_elsewhere():
            trouble.refuse_sign_in(server.pk, flow.BAD_PASSWORD.reason, probing=False, now=clock.now())
            channel.connect = connect
            return connect()

        channel.connect = refused_elsewhere
        flow.send(server, clock)
        assert flow.states() == {"sent": 8}
        assert (stored().paused_until, stored().sign_ins_refused) == (None, 0)

    def test_a_lane_that_was_taken_before_does_not_sign_in_any_more(self, server, waiting, channel, clock, monkeypatch):
        take = lanes.take

        def taken(*where, **how):
            held = take(*where, **how)
            trouble.refuse_sign_in(server.pk, flow.BAD_PASSWORD.reason, probing=False, now=clock.now())
            return held

        monkeypatch.setattr("dispatch.outbox.lanes.take", taken)
        assert flow.send(server, clock) == 0
        assert channel.connections == 0
        assert flow.states() == {"due": 8}
        assert tries() == [0] * 8

    def test_one_that_was_on_its_way_and_is_refused_too_is_not_counted(self, server, clock):
        for _ in range(2):
            trouble.refuse_sign_in(server.pk, flow.BAD_PASSWORD.reason, probing=False, now=clock.now())
        assert stored().sign_ins_refused == 1

    def test_is_told_of_once_it_has_stopped(self, server, waiting, channel, clock, settings):
        settings.XMNOTIFY_ADMIN_MOBILE = ["+4930123456"]
        world.sms_gateway()
        channel.refusals.extend([flow.BAD_PASSWORD] * 3)
        alerted = []
        for _ in range(3):
            flow.send(server, clock)
            alerted.append(alerts.tell(now=clock.now()))
            if stored().paused_until:
                after_the_pause(clock)
        assert alerted == [0, 0, 1]


class TestLostAnswers:
    def test_three_in_a_row_pause_the_server_and_the_rest_waits_uncharged(self, server, waiting, channel, clock):
        answers(channel, dict.fromkeys(PEOPLE, flow.NO_ANSWER))
        for _ in range(20):
            flow.send(server, clock)
            clock.pass_time(timedelta(seconds=1))
        assert tries() == [0] * 4 + [1] * 4
        assert stored().trouble_code == "answers_lost"
        assert len(channel.handed_over) == 4

    def test_a_server_is_probed_with_one_at_a_time_as_long_as_none_is_answered(self, server, waiting, channel, clock):
        answers(channel, dict.fromkeys(PEOPLE, flow.NO_ANSWER))
        flow.send(server, clock)
        pauses = []
        for _ in range(4):
            pauses.append((stored().paused_until - clock.now()).total_seconds())
            after_the_pause(clock)
            handed = len(channel.handed_over)
            flow.send(server, clock)
            assert len(channel.handed_over) == handed + 1
        assert pauses == [15, 30, 60, 120]

    def test_one_that_is_answered_ends_it(self, server, waiting, channel, clock):
        answers(channel, dict.fromkeys(PEOPLE[:3], flow.NO_ANSWER))
        flow.send(server, clock)
        assert stored().unanswered == 3
        for _ in range(2):
            after_the_pause(clock) if stored().paused_until else None
            flow.send(server, clock)
        assert (stored().unanswered, stored().trouble_code) == (0, "")
        assert flow.states() == {"sent": 5, "due": 3}

    def test_a_refusal_shows_nothing_of_late_answers_and_the_next_is_probed_immediately(
        self, server, waiting, channel, clock, wake_ups
    ):
        fates = dict.fromkeys(PEOPLE[:3], flow.NO_ANSWER) | {PEOPLE[3]: flow.UNKNOWN_USER}
        answers(channel, fates)
        flow.send(server, clock)
        after_the_pause(clock)
        wake_ups.clear()
        flow.send(server, clock)
        assert (stored().trouble_code, stored().paused_until) == ("answers_lost", clock.now())
        assert wake_ups == [server.pk]
        flow.send(server, clock)
        assert stored().paused_until is None

    def test_are_not_counted_over_one_that_was_accepted_between(self, server, waiting, channel, clock):
        answers(channel, dict.fromkeys((PEOPLE[0], PEOPLE[1], PEOPLE[3], PEOPLE[4]), flow.NO_ANSWER))
        flow.send(server, clock)
        assert (stored().unanswered, stored().paused_until) == (0, None)
        assert flow.states() == {"due": 4, "sent": 4}

    def test_are_counted_over_all_lanes(self, server, clock):
        lost = [trouble.lose_answer(server.pk, answered_at=None, now=clock.now()) for _ in range(3)]
        assert lost == [False, False, True]

    def test_what_another_lane_of_the_process_got_accepted_begins_the_count_anew(self, server, clock):
        trouble.lose_answer(server.pk, answered_at=None, now=clock.now())
        trouble.lose_answer(server.pk, answered_at=None, now=clock.now())
        clock.pass_time(timedelta(seconds=2))
        accepted = clock.now() - timedelta(seconds=1)
        assert not trouble.lose_answer(server.pk, answered_at=accepted, now=clock.now())
        assert stored().unanswered == 1

    def test_a_lane_that_accepts_ends_what_another_began_to_count(self, server, waiting, channel, clock, monkeypatch):
        monkeypatch.setattr("dispatch.sending.pace.FIRST_CLAIM", 4)
        monkeypatch.setattr("dispatch.sending.pace.LEAST_CLAIMED", 4)
        trouble.lose_answer(server.pk, answered_at=None, now=clock.now())
        flow.send(server, clock)
        assert (stored().unanswered, stored().unanswered_at) == (0, None)

    def test_no_statement_is_spent_on_a_server_that_answers(
        self, server, waiting, channel, clock, django_assert_num_queries, monkeypatch
    ):
        def fail(*_where, **_how):
            raise AssertionError("written")

        monkeypatch.setattr("dispatch.outbox.trouble.end_streaks", fail)
        assert flow.send(server, clock) == 8

    def test_pause_a_gateway_too(self, channel, clock, settings):
        gateway = world.sms_gateway(virtual_number="14155550100")
        world.sms_template()
        for number in range(8):
            owner = world.person(loginname=f"p{number}", mobile=f"+1415555013{number}")
            world.device(serial=f"S{number}", owner=owner)
            flow.post(device=flow.accept.SubjectIn("serial", f"S{number}"))
        channel.answer = lambda wire, to: flow.NO_ANSWER
        flow.send(gateway, clock)
        assert Server.objects.get().trouble_code == "answers_lost"
        assert len(channel.handed_over) == 3

    def test_are_told_of(self, server, waiting, channel, clock, settings):
        settings.XMNOTIFY_ADMIN_MOBILE = ["+4930123456"]
        world.sms_gateway()
        answers(channel, dict.fromkeys(PEOPLE, flow.NO_ANSWER))
        flow.send(server, clock)
        assert [alerts.tell(now=clock.now()) for _ in range(2)] == [1, 0]


class TestAfterAPause:
    @pytest.fixture
    def well_again(self, server, waiting, channel, clock):
        """It was down for 15 s and answered its probe."""
        SmtpServer.objects.update(connections=4)
        channel.refusals.append(flow.REFUSED)
        flow.send(server, clock)
        after_the_pause(clock)
        flow.send(server, clock)
        return stored()

    def test_one_lane_works_for_ten_seconds_then_all(self, well_again, clock):
        limits = well_again.limits()
        first = lanes.take(well_again.pk, limits=limits, worker=workers.this_id(), now=clock.now())
        assert lanes.take(well_again.pk, limits=limits, worker=workers.this_id(), now=clock.now()) is None
        clock.pass_time(timedelta(seconds=10))
        assert lanes.take(well_again.pk, limits=limits, worker=workers.this_id(), now=clock.now()) is not None
        lanes.release(first)

    def test_the_one_lane_calls_no_others_in_vain_and_hears_who_called_meanwhile(
        self, well_again, channel, clock, wake_ups, monkeypatch
    ):
        monkeypatch.setattr("dispatch.sending.pace.FIRST_CLAIM", 2)
        monkeypatch.setattr("dispatch.sending.pace.LEAST_CLAIMED", 2)
        wake_ups.clear()
        held = lanes.take(well_again.pk, limits=well_again.limits(), worker=workers.this_id(), now=clock.now())
        lanes.release(held)
        assert held.was_last
        flow.send(well_again, clock)
        assert wake_ups == []

    def test_a_relapse_within_a_minute_goes_on_with_the_next_longer_pause(self, server, well_again, channel, clock):
        pauses = []
        for later in (59, 59, 60):
            clock.pass_time(timedelta(seconds=later))
            trouble.pause(server.pk, flow.REFUSED.reason, retry_after=None, probing=False, now=clock.now())
            pauses.append((stored().paused_until - clock.now()).total_seconds())
            after_the_pause(clock)
            trouble.recovered(server.pk, now=clock.now())
        assert pauses == [30, 60, 15]

    def test_a_relapse_is_the_same_trouble(self, server, well_again, clock):
        began = stored().troubled_at
        trouble.stop(server.pk, Reason(ReasonCode.ACCOUNT_SUSPENDED, Scope.SERVER), now=clock.now())
        assert stored().troubled_at == began

    def test_later_trouble_is_another_and_told_anew(self, server, well_again, clock):
        Server.objects.update(told_at=clock.now())
        clock.pass_time(timedelta(minutes=2))
        trouble.stop(server.pk, Reason(ReasonCode.ACCOUNT_SUSPENDED, Scope.SERVER), now=clock.now())
        assert (stored().troubled_at, stored().told_at) == (clock.now(), None)


def test_a_stopped_server_keeps_the_reason_it_was_stopped_for(server, clock):
    trouble.stop(server.pk, Reason(ReasonCode.ACCOUNT_SUSPENDED, Scope.SERVER), now=clock.now())
    assert trouble.pause(server.pk, flow.REFUSED.reason, retry_after=None, probing=False, now=clock.now()) is None
    assert trouble.refuse_sign_in(server.pk, flow.BAD_PASSWORD.reason, probing=False, now=clock.now()) is None
    assert (stored().trouble_code, stored().paused_until) == ("account_suspended", None)
