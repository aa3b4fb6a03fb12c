"""The drain against a scripted channel: whom a fault costs a try, and whom not."""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from dispatch.intake import accept
from dispatch.models import Delivery, DeliveryText, Lane
from dispatch.outbox import deliveries, lanes
from dispatch.sending import compose, drain, pace, share
from dispatch.wakeup import workers
from servers.models import Server, SmtpServer
from tests.db import world
from tests.db.dispatch import flow
from transports.fake import FakeConnection
from transports.types import Deferred, Reason, ReasonCode, Recipient, Scope, Sent

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(5)]


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=1)


@pytest.fixture
def five(server):
    """Five mails that wait for the server."""
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)


def answers(channel, fates):
    """The channel does to each address what `fates` says, and takes the rest."""
    channel.answer = lambda wire, to: fates.get(to.address) or Sent(provider_id=str(wire.key))


def row(address):
    return Delivery.objects.get(address=address)


def repaired(server):
    """The server is not at rest nor stopped any more."""
    Server.objects.filter(pk=server.pk).update(paused_until=None, stopped_at=None, pause_count=0)


def test_what_the_peer_takes_is_sent_once_with_one_attempt(server, five, channel, clock):
    assert flow.send(server, clock) == 5
    assert flow.states() == {"sent": 5}
    assert channel.connections == 1
    assert flow.send(server, clock) == 0
    assert len(channel.handed_over) == 5
    assert {delivery.tries for delivery in Delivery.objects.all()} == {1}
    assert flow.log(row(PEOPLE[0]).pk) == [(1, "sent", "")]


def test_one_refused_or_deferred_recipient_does_not_touch_the_others(server, five, channel, clock):
    answers(channel, {PEOPLE[1]: flow.UNKNOWN_USER, PEOPLE[2]: flow.GREYLISTED})
    flow.send(server, clock)
    assert flow.states() == {"sent": 3, "failed": 1, "due": 1}
    failed, later = row(PEOPLE[1]), row(PEOPLE[2])
    assert (failed.reason_code, failed.reason_detail) == ("address_unknown", "550 5.1.1 no such user")
    assert clock.now() + timedelta(minutes=1) <= later.due_at <= clock.now() + timedelta(seconds=72)
    assert later.attempts.get().next_try_at == later.due_at


def test_retries_are_the_servers_and_the_last_one_fails(five, channel, clock, server):
    SmtpServer.objects.update(retries=2)
    answers(channel, dict.fromkeys(PEOPLE, flow.GREYLISTED))
    for tries in (1, 2, 3):
        clock.pass_time(timedelta(hours=1))
        flow.send(server, clock)
        assert set(Delivery.objects.values_list("tries", flat=True)) == {tries}
    assert flow.states() == {"failed": 5}
    assert flow.log(row(PEOPLE[0]).pk) == [(number, "deferred", "greylisted") for number in (1, 2, 3)]


def test_a_server_that_can_not_be_reached_costs_one_message_a_try(server, five, channel, clock, wake_ups):
    channel.refusals.append(flow.REFUSED)
    wake_ups.clear()
    flow.send(server, clock)
    assert sorted(Delivery.objects.values_list("tries", flat=True)) == [0, 0, 0, 0, 1]
    assert flow.states() == {"due": 5}
    assert wake_ups == []
    resting = Server.objects.get()
    assert resting.paused_until == clock.now() + timedelta(seconds=15)
    assert (resting.trouble_code, resting.trouble_detail) == ("connection_refused", "connection refused")


def test_a_server_rests_longer_after_each_failed_probe(server, five, channel, clock):
    rests = []
    for _ in range(7):
        channel.refusals.append(flow.REFUSED)
        flow.send(server, clock)
        until = Server.objects.get().paused_until
        rests.append((until - clock.now()).total_seconds())
        clock.go_to(until)
    assert rests == [15, 30, 60, 120, 300, 300, 300]


def test_a_probe_takes_one_message_and_its_success_lets_the_rest_go(server, five, channel, clock, wake_ups):
    channel.refusals.append(flow.REFUSED)
    flow.send(server, clock)
    assert flow.send(server, clock) == 0
    clock.pass_time(timedelta(seconds=15))
    wake_ups.clear()
    assert flow.send(server, clock) == 1
    assert wake_ups == [server.pk]
    assert Server.objects.get().paused_until is None
    assert Server.objects.get().trouble_code == ""
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "due": 1}
    assert Counter(Delivery.objects.values_list("tries", flat=True)) == {1: 5}


def test_a_message_that_is_refused_while_probing_shows_that_the_server_lives(server, five, channel, clock):
    channel.refusals.append(flow.REFUSED)
    flow.send(server, clock)
    clock.pass_time(timedelta(seconds=15))
    answers(channel, {PEOPLE[1]: flow.UNKNOWN_USER})
    flow.send(server, clock)
    assert Server.objects.get().paused_until is None


def test_results_may_come_in_any_order(server, five, channel, clock, monkeypatch):
    in_turn = FakeConnection.send
    monkeypatch.setattr(FakeConnection, "send", lambda self, wires, **_: reversed(list(in_turn(self, wires))))
    answers(channel, {PEOPLE[0]: flow.UNKNOWN_USER})
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "failed": 1}
    assert row(PEOPLE[0]).state == "failed"
    for address in PEOPLE[1:]:
        assert row(address).provider_id == str(row(address).pk)


def test_who_did_not_get_a_turn_goes_again_uncharged(server, five, channel, clock):
    SmtpServer.objects.update(max_recipients=5)
    reason = Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.RECIPIENT, "421 go away", reply="421")
    not_in_turn = Deferred(reason, charged=False)
    answers(channel, {PEOPLE[2]: Deferred(reason), PEOPLE[3]: not_in_turn, PEOPLE[4]: not_in_turn})
    stopping = iter([False] * 3)
    flow.send(server, clock, stopping=lambda: next(stopping, True))
    assert {address: row(address).tries for address in PEOPLE} == dict(zip(PEOPLE, [1, 1, 1, 0, 0], strict=True))
    assert flow.states() == {"sent": 2, "due": 3}
    assert Server.objects.get().paused_until is None
    answers(channel, {})
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "due": 1}
    assert {row(address).tries for address in PEOPLE} == {1}


def test_a_server_that_shuts_down_in_the_middle_costs_nobody_else_a_try(server, five, channel, clock):
    answers(channel, {PEOPLE[2]: flow.SHUTTING_DOWN})
    flow.send(server, clock)
    assert {address: row(address).tries for address in PEOPLE} == dict(zip(PEOPLE, [1, 1, 1, 0, 0], strict=True))
    assert flow.states() == {"sent": 2, "due": 3}
    assert Delivery.objects.filter(state="due", tries=0, attempt_count=0).count() == 2


def test_a_lost_answer_is_sent_again_over_a_new_connection(server, five, channel, clock):
    answers(channel, {PEOPLE[4]: flow.NO_ANSWER})
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "due": 1}
    flow.post_to("late@example.com")
    answers(channel, {})
    clock.pass_time(timedelta(minutes=2))
    flow.send(server, clock)
    assert flow.states() == {"sent": 6}
    assert row(PEOPLE[4]).tries == 2


def in_turn(results):
    return results


@pytest.mark.parametrize("order", [in_turn, reversed])
def test_the_next_batch_does_not_go_over_a_connection_that_lost_an_answer(
    server, five, channel, clock, monkeypatch, order
):
    """Whichever of the results tells of the loss."""
    send = FakeConnection.send
    monkeypatch.setattr(FakeConnection, "send", lambda self, wires, **how: iter(order(list(send(self, wires, **how)))))
    monkeypatch.setattr("dispatch.sending.pace.MOST_CLAIMED", 2)
    answers(channel, {PEOPLE[1]: flow.NO_ANSWER})
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "due": 1}
    assert channel.connections == 2
    assert [row(address).tries for address in PEOPLE] == [1] * 5


def test_a_lost_answer_waits_for_a_person_where_the_template_says_so(server, channel, clock):
    world.template(recipient="", on_unknown="hold")
    world.device()
    flow.post_to(*PEOPLE)
    answers(channel, {PEOPLE[0]: flow.NO_ANSWER})
    flow.send(server, clock)
    assert flow.states() == {"held": 1, "sent": 4}
    assert row(PEOPLE[0]).reason_code == "no_answer"


def test_a_bug_in_a_transport_sends_nobody_twice_whose_answer_was_there(server, five, channel, clock):
    def answer(wire, to):
        if to.address == PEOPLE[2]:
            raise ZeroDivisionError
        return Sent()

    channel.answer = answer
    flow.send(server, clock)
    assert [row(address).state for address in PEOPLE] == ["sent", "sent", "due", "due", "due"]
    assert flow.log(row(PEOPLE[2]).pk) == [(1, "unknown", "internal_error")]
    assert flow.log(row(PEOPLE[0]).pk) == [(1, "sent", "")]


def test_a_connection_that_answers_nothing_ends_the_drain(server, five, channel, clock, monkeypatch, wake_ups):
    monkeypatch.setattr(FakeConnection, "send", lambda self, wires, **_: iter(()))
    wake_ups.clear()
    flow.send(server, clock)
    assert wake_ups == []
    assert flow.states() == {"due": 5}


def test_a_text_that_can_not_be_made_fails_that_message_alone(server, five, channel, clock, monkeypatch):
    honest = compose.draft
    bad = row(PEOPLE[3]).pk

    def draft(claim, *, known):
        if claim.id == bad:
            raise KeyError("a bug of ours")
        return honest(claim, known=known)

    monkeypatch.setattr(compose, "draft", draft)
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "failed": 1}
    assert row(PEOPLE[3]).reason_code == "template_error"
    assert "a bug of ours" not in row(PEOPLE[3]).reason_detail


def test_what_the_channel_can_not_prepare_fails_alone_before_anything_is_sent(server, five, channel, clock):
    Delivery.objects.filter(address=PEOPLE[0]).update(address="")
    flow.send(server, clock)
    assert flow.states() == {"sent": 4, "failed": 1}
    assert len(channel.handed_over) == 4


def test_a_stopping_worker_gives_back_what_it_has_not_begun(server, five, channel, clock, wake_ups):
    stops = iter([False, True])
    wake_ups.clear()
    assert flow.send(server, clock, stopping=lambda: next(stops, True)) == 0
    assert flow.states() == {"due": 5}
    assert set(Delivery.objects.values_list("tries", "lapsed")) == {(0, False)}
    assert wake_ups == [server.pk]


def test_a_drain_ends_after_30_seconds_and_wakes_again(server, channel, clock, wake_ups, monkeypatch):
    monkeypatch.setattr("dispatch.sending.pace.MOST_CLAIMED", 1)
    SmtpServer.objects.update(connections=1)
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)
    wake_ups.clear()

    def slow(wire, to):
        clock.pass_time(timedelta(seconds=12))
        return Sent()

    channel.answer = slow
    assert flow.send(server, clock) == 3
    assert wake_ups == [server.pk]


@pytest.fixture
def beats(monkeypatch):
    """The heart of the drain, to be made to beat by hand."""
    hearts = []

    @contextmanager
    def by_hand(renew, *, every):
        hearts.append((renew, every))
        yield

    monkeypatch.setattr("dispatch.sending.drain.heartbeat.beating", by_hand)
    return hearts


def test_lane_and_leases_are_held_while_a_slow_server_takes_its_time(server, five, channel, clock, beats):
    """30 s a mail with a beat every third of the lease of 120 s: five of them outlast the lease."""
    monotonic = clock.monotonic()
    clock.monotonic = lambda: monotonic

    def slow(wire, to):
        clock.pass_time(timedelta(seconds=30))
        beats[0][0]()
        assert not Delivery.objects.filter(state="claimed", lease_until__lte=clock.now()).exists()
        assert Lane.objects.get(lease__isnull=False).lease_until > clock.now()
        return Sent()

    channel.answer = slow
    assert flow.send(server, clock) == 5
    assert beats[0][1] == server.limits().lease / 3


def test_a_drain_whose_lane_was_lost_ends(server, five, channel, clock, beats):
    def steal(wire, to):
        Lane.objects.update(lease=uuid4())
        beats[0][0]()
        return Sent()

    channel.answer = steal
    assert flow.send(server, clock) == 1
    assert flow.states() == {"sent": 1, "due": 4}


def test_a_drain_ends_after_its_time_in_the_middle_of_a_group_and_the_rest_is_untouched(server, five, channel, clock):
    def slow(wire, to):
        clock.pass_time(timedelta(seconds=16))
        return Sent()

    channel.answer = slow
    assert flow.send(server, clock) == 2
    assert sorted(Delivery.objects.values_list("state", "tries")) == [("due", 0)] * 3 + [("sent", 1)] * 2


def test_a_stopping_worker_ends_its_drain_after_the_message_at_hand(server, five, channel, clock):
    def sent(wire, to):
        stopping.append(True)
        return Sent()

    stopping = []
    channel.answer = sent
    assert flow.send(server, clock, stopping=lambda: bool(stopping)) == 1
    assert flow.states() == {"sent": 1, "due": 4}


def test_what_was_claimed_too_long_ago_is_not_begun(server, five, channel, clock):
    """Connecting took so long that less than one timeout of the lease is left."""
    connect = channel.connect

    def slow():
        clock.pass_time(timedelta(seconds=91))
        return connect()

    channel.connect = slow
    flow.send(server, clock)
    assert channel.handed_over == []
    assert set(Delivery.objects.values_list("tries", flat=True)) == {0}


def test_the_text_of_the_first_try_is_the_text_of_every_try(server, channel, clock):
    person = world.person()
    world.device(owner=person)
    world.template(subject="Hello ${user.displayname}")
    flow.post()
    answers(channel, {person.mail: flow.GREYLISTED})
    flow.send(server, clock)
    person.displayname = "Somebody Else"
    person.save()
    answers(channel, {})
    clock.pass_time(timedelta(minutes=2))
    flow.send(server, clock)
    first, second = channel.handed_over
    assert first.payload == second.payload
    assert b"User One" in second.payload
    assert first.key == second.key == Delivery.objects.get().pk
    assert DeliveryText.objects.count() == 1


def test_an_event_outlives_what_it_told_of_a_user(server, channel, clock):
    """What the event supplied is frozen with it; what it did not supply is read when the first try begins."""
    person = world.person()
    world.device(owner=person)
    world.template(message="${user.displayname} ${device.model}")
    flow.post(device=accept.SubjectIn("serial", "S1", {"model": "supplied"}))
    person.displayname = "Renamed"
    person.save()
    flow.send(server, clock)
    assert channel.handed_over[0].payload.endswith(b"Renamed supplied")


def test_an_unbuildable_channel_leaves_the_lane_free(server, five, monkeypatch, clock):
    def fail(server, **_):
        raise KeyError(server)

    monkeypatch.setattr("servers.factory.build_channel", fail)
    with pytest.raises(KeyError):
        flow.send(server, clock)
    monkeypatch.undo()
    limits = SmtpServer.objects.get().limits()
    held = [
        lanes.take(server.pk, limits=limits, worker=workers.this_id(), now=clock.now()) for _ in range(limits.lanes)
    ]
    assert None not in held


def test_a_timeout_of_the_server_sets_the_lease(server):
    SmtpServer.objects.update(timeout=45)
    assert SmtpServer.objects.get().limits().lease == timedelta(seconds=150)


class TestEqualTexts:
    @pytest.fixture
    def server(self):
        return world.smtp_server(max_recipients=2)

    def test_share_one_transaction_for_each_maximum_of_recipients(self, server, five, channel, clock):
        flow.send(server, clock)
        assert [len(wire.to) for wire in channel.handed_over] == [2, 2, 1]
        first, second, alone = channel.handed_over
        assert first.key == second.key
        assert alone.key == Delivery.objects.get(address=alone.to[0].address).pk
        assert flow.states() == {"sent": 5}

    def test_each_recipient_has_a_reply_and_a_row_of_its_own(self, server, five, channel, clock):
        answers(channel, {PEOPLE[0]: flow.UNKNOWN_USER, PEOPLE[3]: flow.GREYLISTED})
        flow.send(server, clock)
        assert {address: row(address).state for address in PEOPLE} == dict(
            zip(PEOPLE, ["failed", "sent", "sent", "due", "sent"], strict=True)
        )

    def test_too_many_recipients_means_the_rest_goes_now_and_uncharged(self, server, five, channel, clock):
        too_many = Deferred(Reason(ReasonCode.TOO_MANY_RECIPIENTS, Scope.RECIPIENT, "452 4.5.3"))
        channel.answer = lambda wire, to: Sent() if to == wire.to[0] else too_many
        flow.send(server, clock)
        assert flow.states() == {"sent": 5}
        assert set(Delivery.objects.values_list("tries", flat=True)) == {1}

    def test_a_server_in_trouble_costs_one_of_them_a_try(self, server, five, channel, clock):
        answers(channel, dict.fromkeys(PEOPLE, flow.SHUTTING_DOWN))
        flow.send(server, clock)
        assert sorted(Delivery.objects.values_list("tries", flat=True)) == [0, 0, 0, 0, 1]

    def test_texts_of_two_events_never_share_one(self, server, five, channel, clock):
        flow.post_to("other@example.com")
        flow.send(server, clock)
        assert (Recipient(channel.handed_over[0].to[0].kind, "other@example.com"),) in [
            wire.to for wire in channel.handed_over
        ]

    def test_unequal_texts_go_alone(self, server, channel, clock, settings):
        settings.XMNOTIFY_ADMIN_MAIL = ["admin@example.com"]
        world.template(recipient="${user.mail};${admin.mail}", message="Your ${device.name} ${user.mail}")
        for number in (1, 2):
            owner = world.person(loginname=f"u{number}", mail=f"u{number}@example.com")
            world.device(serial=f"S{number}", owner=owner)
            flow.post(device=accept.SubjectIn("serial", f"S{number}"))
        flow.send(server, clock)
        assert [len(wire.to) for wire in channel.handed_over] == [2, 2]
        assert len({wire.payload for wire in channel.handed_over}) == 2


class TestRate:
    @pytest.fixture
    def server(self):
        return world.smtp_server(max_recipients=1, rate_limit=2, connections=1)

    def test_a_server_gets_no_more_messages_a_second_than_its_limit(self, server, five, channel, clock):
        sent_at = []
        start = clock.now()

        def answer(wire, to):
            sent_at.append((clock.now() - start).total_seconds())
            return Sent()

        channel.answer = answer
        flow.send(server, clock)
        assert sent_at == [0, 0, 1, 1, 2]

    def test_the_limit_holds_over_all_workers(self, server, five, channel, clock):
        assert lanes.reserve(server.pk, 2, rate=2, now=clock.now(), most=timedelta(seconds=9)) == timedelta(0)
        assert lanes.reserve(server.pk, 2, rate=2, now=clock.now(), most=timedelta(seconds=9)) == timedelta(seconds=1)
        flow.send(server, clock)
        assert clock.slept[0] == 2

    def test_a_turn_too_far_away_is_not_waited_for(self, server, five, channel, clock, wake_ups):
        lanes.reserve(server.pk, 60, rate=2, now=clock.now(), most=timedelta(seconds=9))
        wake_ups.clear()
        assert flow.send(server, clock) == 0
        assert flow.states() == {"due": 5}
        assert set(Delivery.objects.values_list("tries", flat=True)) == {0}
        assert wake_ups == []
        assert clock.slept == []


def test_a_slow_server_is_given_two_seconds_of_work_at_a_time_and_a_quick_one_all_it_takes(
    server, channel, clock, wake_ups
):
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*(f"user{number}@example.com" for number in range(120)))
    claimed = []

    def slow(wire, to):
        claimed.append(Delivery.objects.filter(state="claimed").count())
        clock.pass_time(timedelta(milliseconds=50))
        return Sent()

    channel.answer = slow
    assert flow.send(server, clock) == 120
    assert (claimed[0], max(claimed[50:])) == (50, 40)


def test_a_lane_beyond_the_share_of_its_process_ends_and_wakes_others(server, channel, clock, wake_ups, monkeypatch):
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*(f"user{number}@example.com" for number in range(60)))
    SmtpServer.objects.update(connections=1)
    wake_ups.clear()
    shares = iter([1, 0])
    with monkeypatch.context() as another_began:
        another_began.setattr("dispatch.sending.share.share", lambda lanes, *, workers: next(shares))
        assert flow.send(server, clock) == 50
        assert wake_ups == [server.pk]
    with share.of_server(server.pk):
        assert flow.send(server, clock) == 0
    assert flow.send(server, clock) == 10
    assert wake_ups == [server.pk]


def test_a_lane_that_finds_more_than_it_takes_calls_two_others_while_any_is_free(server, channel, clock, wake_ups):
    SmtpServer.objects.update(connections=4)
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*(f"user{number}@example.com" for number in range(60)))
    heard = []

    def answer(wire, to):
        heard.append(len(wake_ups))
        return Sent()

    wake_ups.clear()
    channel.answer = answer
    assert flow.send(server, clock) == 60
    assert (heard[0], wake_ups) == (2, [server.pk] * 2)
    for _ in range(3):
        lanes.take(server.pk, limits=server.limits(), worker=workers.this_id(), now=clock.now())
    assert lanes.count_free(server.pk, limits=server.limits()) == 1


def test_a_lane_calls_others_once_a_second(server, channel, clock, wake_ups):
    SmtpServer.objects.update(connections=4)
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*(f"user{number}@example.com" for number in range(pace.FIRST_CLAIM + 2 * pace.MOST_CLAIMED)))
    wake_ups.clear()

    def answer(wire, to):
        if Delivery.objects.filter(state="due").count() == pace.MOST_CLAIMED and not clock.slept:
            clock.sleep(drain.CALL_EVERY)
        return Sent()

    channel.answer = answer
    flow.send(server, clock)
    assert wake_ups == [server.pk] * 4


@pytest.fixture
def late(monkeypatch):
    """One more event comes just after a lane found nothing more; what is given is called then."""

    def come(heard):
        any_due = deliveries.any_due
        came = []

        def and_then(*where, **how):
            found = any_due(*where, **how)
            if not found and not came:
                came.append(flow.post_to("late@example.com"))
                heard()
            return found

        monkeypatch.setattr("dispatch.sending.drain.deliveries.any_due", and_then)

    return come


@pytest.mark.parametrize(("connections", "woken_again"), [(1, True), (2, False)])
def test_a_wake_up_that_found_no_free_lane_is_answered_by_whoever_released_the_last(
    server, five, channel, clock, wake_ups, late, connections, woken_again
):
    SmtpServer.objects.update(connections=connections)
    wake_ups.clear()
    sent = []
    late(lambda: sent.append(flow.send(server, clock)))
    assert flow.send(server, clock) == 5
    assert sent == [0 if woken_again else 1]
    assert wake_ups == [server.pk] * woken_again


def test_a_wake_up_that_is_still_to_be_heard_is_not_repeated(server, five, channel, clock, wake_ups, late):
    SmtpServer.objects.update(connections=2)
    wake_ups.clear()
    late(lambda: None)
    assert flow.send(server, clock) == 5
    assert wake_ups == []
    assert flow.states() == {"sent": 5, "due": 1}


def test_the_first_lane_that_is_released_saw_the_others_taken(server, clock):
    SmtpServer.objects.update(connections=3)
    limits = SmtpServer.objects.get().limits()
    held = [lanes.take(server.pk, limits=limits, worker=workers.this_id(), now=clock.now()) for _ in range(3)]
    for lane in held:
        lanes.release(lane)
    assert [lane.was_last for lane in held] == [True, False, False]
