"""Many at the same moment, for real: threads with connections of their own, on a database that others see."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from dispatch.broadcasts import control, planning
from dispatch.intake import accept, sends
from dispatch.models import Attempt, Broadcast, Delivery, DeliveryText, Event, Lane, Removed, Worker
from dispatch.outbox import deliveries, interventions, lanes, removal, store
from dispatch.rules.clock import SystemClock
from dispatch.rules.settlement import AttemptRecord, Settlement
from dispatch.sending import reaping, recovery
from dispatch.sending.drain import drain
from dispatch.sending.journal import Journal
from dispatch.upkeep import clocks, retention, sweep
from dispatch.upkeep.reaper import Reaper
from foundation.audit import Actor
from foundation.sql import locks
from servers.carriers import edits
from servers.models import CarrierGateway, Server, SmsGateway
from servers.values import ServerKind
from tests import waiting
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW
from tests.hand_clock import HandClock
from transports.fake import FakeChannel
from transports.types import ChannelKind, Sent

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4
LEASE, WORKER = uuid4(), uuid4()
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one lock for all that is written"
)


def at_once(*jobs):
    """Run all at the same moment; their answers in order, the first error raised."""
    start = threading.Barrier(len(jobs))

    def run(job):
        try:
            start.wait(timeout=waiting.PATIENCE)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def many(count, *, server_id):
    happened = flow.event()
    store.add(
        [flow.planned(number, event_id=happened.pk, server_id=server_id) for number in range(count)],
        now=NOW,
    )


def test_four_workers_claim_5000_rows_and_none_twice():
    many(5000, server_id=1)

    def work():
        claimed = []
        while claims := flow.claim(1, most=100):
            claimed += [claim.id for claim in claims]
        return claimed

    taken = Counter(key for claimed in at_once(*[work] * WORKERS) for key in claimed)
    taken.update(claim.id for claim in flow.claim(1, most=5000))  # what all others had locked at the last look
    assert len(taken) == 5000
    assert set(taken.values()) == {1}


def test_four_workers_send_1000_mails_and_none_twice(channel):
    server = world.smtp_server(max_recipients=1, connections=WORKERS)
    world.template(recipient="", message="Hello")
    world.device()
    now = SystemClock().now()
    addresses = [f"user{number}@example.com" for number in range(1000)]
    flow.post_to(*addresses, now=now)
    clock = SystemClock()
    at_once(*[lambda: drain(server.pk, clock=clock, stopping=lambda: False)] * WORKERS)
    drain(server.pk, clock=clock, stopping=lambda: False)
    assert Counter(to.address for wire in channel.handed_over for to in wire.to) == Counter(addresses)
    assert flow.states() == {"sent": 1000}
    assert Attempt.objects.count() == 1000


def test_a_server_has_no_more_lanes_than_connections_over_all_workers():
    server = world.smtp_server(connections=2)
    limits = server.limits()
    held = at_once(*[lambda: lanes.take(server.pk, limits=limits, worker=WORKER, now=NOW)] * 8)
    assert sum(lane is not None for lane in held) == 2
    assert lanes.take(server.pk, limits=limits, worker=WORKER, now=NOW) is None
    assert lanes.take(server.pk, limits=limits, worker=WORKER, now=NOW + 2 * limits.lease) is None
    assert lanes.free([lane.lease for lane in held if lane]) == 2
    assert lanes.take(server.pk, limits=limits, worker=WORKER, now=NOW)


def test_only_one_worker_probes_a_server_that_was_down():
    server = world.smtp_server(connections=8)
    Server.objects.update(paused_until=NOW, pause_count=1)
    held = at_once(*[lambda: lanes.take(server.pk, limits=server.limits(), worker=WORKER, now=NOW)] * 8)
    assert [lane.probing for lane in held if lane] == [True]


def test_a_rate_limit_holds_over_all_workers():
    server = world.smtp_server()
    waits = at_once(*[lambda: lanes.reserve(server.pk, 5, rate=10, most=timedelta(hours=1), now=NOW)] * 8)
    assert sorted(wait.total_seconds() for wait in waits) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


def test_two_sweeps_take_each_lost_delivery_back_once():
    server = world.smtp_server()
    many(300, server_id=server.pk)
    lease = uuid4()
    claims = flow.claim(server.pk, most=300, lease=lease)
    flow.begin(claims[:200], lease=lease)
    reaped = at_once(*[lambda: reaping.reap([lease], now=NOW)] * 2)
    assert sum(reaped) == 300
    assert flow.states() == {"due": 300}
    assert Attempt.objects.count() == 200
    assert Counter(Delivery.objects.values_list("attempt_count", "tries")) == {(1, 0): 200, (0, 0): 100}


def test_a_sweep_and_the_worker_that_comes_too_late_write_one_attempt_each():
    server = world.smtp_server()
    many(200, server_id=server.pk)
    lease = uuid4()
    claims = flow.claim(server.pk, lease=lease)
    flow.begin(claims, lease=lease)
    settlements = [
        Settlement(
            id=claim.id,
            state="sent",
            tries=1,
            attempt_count=1,
            sent_at=NOW,
            attempt=AttemptRecord(started_at=NOW, duration_ms=1, outcome="sent"),
        )
        for claim in claims
    ]
    settled, reaped = at_once(
        lambda: deliveries.settle(settlements, lease=lease, server_id=server.pk, server_name="Mail"),
        lambda: reaping.reap([lease], now=NOW + flow.LEASE),
    )
    assert settled + reaped == 200
    assert Attempt.objects.count() == 200
    outcomes = Counter(Attempt.objects.values_list("outcome", flat=True))
    assert (outcomes["sent"], outcomes["unknown"]) == (settled, reaped)


def test_the_same_event_posted_20_times_in_parallel_is_one_event():
    world.smtp_server()
    world.template(recipient="")
    world.device()
    recipients = {ChannelKind.SMTP: ["a@example.com", "b@example.com"]}

    def post():
        return flow.post(recipients=recipients, idempotency_key="once", body_hash="h")

    answers = at_once(*[post] * 20)
    assert len({answer.id for answer in answers}) == 1
    assert {(answer.deliveries, answer.skipped) for answer in answers} == {(2, 0)}
    assert [answer.replayed for answer in answers].count(False) == 1
    assert Event.objects.count() == 1
    assert Delivery.objects.count() == 2
    with pytest.raises(accept.ConflictError):
        flow.post(recipients=recipients, idempotency_key="once", body_hash="another")


def test_a_tarpit_server_does_not_slow_another_one(monkeypatch):
    tarpit, quick = FakeChannel(), FakeChannel()
    stuck, go_on = threading.Event(), threading.Event()

    def hang(wire, to):
        stuck.set()
        assert go_on.wait(timeout=waiting.PATIENCE)
        return Sent()

    tarpit.answer = hang
    slow_server = world.smtp_server(name="Tarpit")
    server = SmsGateway.objects.create(kind="sms", name="Quick", active=True, key="k", virtual_number="1")
    channels = {slow_server.pk: tarpit, server.pk: quick}
    monkeypatch.setattr("servers.factory.build_channel", lambda chosen, **_: channels[chosen.pk])
    version = world.template(recipient="").current_id
    happened = flow.event()
    for server_id, kind in ((slow_server.pk, ServerKind.SMTP), (server.pk, ServerKind.SMS)):
        rows = [
            flow.planned(
                number, event_id=happened.pk, server_id=server_id, server_kind=kind, template_version_id=version
            )
            for number in range(50)
        ]
        store.add(rows, now=NOW)

    def slow():
        return drain(slow_server.pk, clock=HandClock(NOW), stopping=lambda: False)

    def fast():
        assert stuck.wait(timeout=waiting.PATIENCE)
        try:
            return drain(server.pk, clock=HandClock(NOW), stopping=lambda: False)
        finally:
            go_on.set()

    monkeypatch.setattr(SmsGateway, "limits", lambda self: slow_server.limits())
    held_up, sent = at_once(slow, fast)
    assert sent == 50
    assert held_up == 50


@on_postgresql
@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("due", lambda ids: interventions.cancel_all(ids, now=NOW)),
        ("expired", lambda ids: interventions.retry_all(ids, now=NOW)),
        ("held", lambda ids: interventions.mark_sent_all(ids, now=NOW)),
        ("due", lambda ids: deliveries.expire(ids, now=NOW + timedelta(days=4))),
        ("due", lambda ids: sweep.expire(now=NOW + timedelta(days=4))),
        ("due", lambda ids: deliveries.reroute(ServerKind.SMTP, source=1, target=2)),
        ("claimed", lambda ids: deliveries.renew(ids, lease=LEASE, lease_until=NOW)),
        ("claimed", lambda ids: reaping.reap([LEASE], now=NOW)),
    ],
    ids=["cancel", "retry", "mark sent", "expire", "sweep", "reroute", "renew", "reap"],
)
def test_a_change_of_many_waits_for_none_that_is_being_written(state, act):
    ids = flow.deliveries(50, server_id=1)
    leased = {"lease": LEASE, "lease_until": NOW} if state == "claimed" else {}
    Delivery.objects.update(state=state, reason_code="known", **leased)

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=ids[20])
        assert at_once(impatiently(lambda: act(ids))) == [49]
    assert act(ids) in {1, 50}


def test_a_sweep_that_finds_all_it_looks_for_being_written_ends(monkeypatch):
    flow.deliveries(3, server_id=1)
    monkeypatch.setattr(sweep, "CHUNK", 3)
    monkeypatch.setattr(deliveries, "expire", lambda ids, *, now: 0)
    assert sweep.expire(now=NOW + timedelta(days=4)) == 0


def impatiently(act):
    """One that fails where it would wait for another's lock."""

    def run():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        return act()

    return run


@pytest.fixture
def dead(settings, tmp_path):
    """A dead process that claimed three and handed over two, of which one was taken; the ids of the three."""
    settings.XMNOTIFY_JOURNAL = tmp_path / "journal"
    server = world.smtp_server()
    worker = Worker.objects.create(id=WORKER, name="machine:1", started_at=NOW)
    held = lanes.take(server.pk, limits=server.limits(), worker=worker.pk, now=NOW)
    ids = flow.deliveries(3, server_id=server.pk, hold_unknown=True)
    claims = flow.claim(server.pk, lease=held.lease)
    flow.begin(claims, lease=held.lease)
    kept = Journal(settings.XMNOTIFY_JOURNAL, worker=worker.pk)
    kept.taken(held.lease)
    kept.handing_over(held.lease, ids[:2])
    kept.outcomes(held.lease, [flow.settled(claims[0], Sent("id"))])
    kept.close()
    return ids


@on_postgresql
def test_what_a_dead_process_held_and_somebody_just_writes_is_taken_back_as_its_journal_says_at_the_next_look(dead):
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=dead[0])
        at_once(impatiently(lambda: recovery.look(now=NOW)))
    assert flow.states() == {"claimed": 1, "held": 1, "due": 1}
    assert Lane.objects.exclude(lease=None).count() == 1
    assert recovery.look(now=NOW) == 1
    assert flow.states() == {"sent": 1, "held": 1, "due": 1}
    assert not Lane.objects.exclude(lease=None).exists()
    assert not Worker.objects.exists()


@on_postgresql
def test_the_sweep_frees_no_lane_under_which_something_is_left(dead):
    reaper, clock = Reaper(), HandClock(NOW)
    reaper.look(clock=clock)
    clock.pass_time(timedelta(seconds=16))
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=dead[2])
        at_once(impatiently(lambda: reaper.look(clock=clock)))
    assert flow.states() == {"sent": 1, "held": 1, "claimed": 1}
    assert reaper.look(clock=clock) == 2
    assert flow.states() == {"sent": 1, "held": 1, "due": 1}
    assert not Lane.objects.exclude(lease=None).exists()


@on_postgresql
def test_lanes_keep_their_texts_in_one_order():
    """Two that begin the same texts, each in an order of its own, while a third one begins the one in the middle."""
    server = world.smtp_server()
    ids = flow.deliveries(3, server_id=server.pk)
    texts = [deliveries.NewText(pk, "", "Hello", "Hello", "", "", [], [], "") for pk in ids]

    def begin(order):
        return lambda: deliveries.begin([(ids[0], None)], texts=order, lease=LEASE, until=NOW, now=NOW)

    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            deliveries.begin([(ids[0], None)], texts=texts[1:2], lease=LEASE, until=NOW, now=NOW)
            begun = beside.submit(at_once, begin(texts), begin(texts[::-1]))
            waiting.until(lambda: waiting_for_locks() == 2)
            transaction.set_rollback(True)
        begun.result()
    assert DeliveryText.objects.count() == 3


def waiting_for_locks():
    """How many connections wait for another's lock at this moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0]


@on_postgresql
def test_what_is_claimed_while_its_person_is_removed_goes_out_as_it_is_and_keeps_no_word_afterwards():
    server = world.smtp_server()
    ids = flow.deliveries(3, server_id=server.pk)
    here = Delivery.objects.filter(pk=ids[1])

    def remove():
        with transaction.atomic():
            removal.of_deliveries(ids, now=NOW)

    with transaction.atomic():
        here.update(state="claimed", lease=LEASE, lease_until=NOW)
        at_once(impatiently(remove))
    assert flow.states() == {"cancelled": 2, "claimed": 1}
    assert sorted(Delivery.objects.values_list("address", flat=True)) == ["", "", "user1@example.com"]
    removal.follow()
    assert here.get().state == "claimed"
    here.update(state="sent", lease=None, lease_until=None, sent_at=NOW)
    removal.follow()
    assert set(Delivery.objects.values_list("address", flat=True)) == {""}
    assert flow.states() == {"cancelled": 2, "sent": 1}
    assert not Removed.objects.exists()


@on_postgresql
def test_what_is_too_old_stays_while_somebody_writes_it():
    flow.deliveries(3, server_id=1)
    Delivery.objects.update(state="sent", sent_at=NOW)
    last = Delivery.objects.order_by("pk").last()
    purge = impatiently(lambda: retention.remove(SystemClock().now() + timedelta(days=1)))
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=last.pk)
        assert at_once(purge) == [2]
        assert at_once(purge) == [0]
    assert list(Delivery.objects.all()) == [last]
    assert purge() == 1
    assert purge() == 1
    assert not Event.objects.exists()


@on_postgresql
def test_a_message_that_a_person_sends_again_is_not_too_old():
    """Between the look for what is too old and its removal."""
    flow.deliveries(1, server_id=1)
    Delivery.objects.update(state="failed", reason_code="address_unknown")
    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            Delivery.objects.update(state="due", reason_code="")
            purged = beside.submit(at_once, lambda: retention.remove(SystemClock().now() + timedelta(days=1)))
            waiting.until(lambda: purged.done() or waiting_for_locks() == 1)
        purged.result()
    assert flow.states() == {"due": 1}


@on_postgresql
def test_a_clock_that_is_set_back_and_an_activation_wait_for_each_other_in_no_circle():
    """Whoever changes several servers in one transaction, in whatever order."""
    first, second = world.smtp_server(), world.smtp_server(name="Other", active=False)
    Server.objects.update(paused_until=NOW + timedelta(hours=1), rate_free_at=NOW + timedelta(hours=1))
    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            Server.objects.filter(pk=second.pk).update(active=False)
            moved = beside.submit(at_once, lambda: clocks.set_back(timedelta(hours=1), now=NOW))
            waiting.until(lambda: waiting_for_locks() == 1)
            Server.objects.filter(pk=first.pk).update(active=False)
        moved.result()
    assert set(Server.objects.values_list("paused_until", "rate_free_at")) == {(NOW, None)}


@on_postgresql
def test_a_carrier_gateway_is_stored_after_whoever_changes_several_gateways():
    first, second = world.sms_gateway(), world.sms_gateway(name="Other", active=False)
    gateway = CarrierGateway(carrier="AT&T", carrier_key="at&t", domain="sms.att.example", country="US")
    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic():
            locks.hold(ServerKind.SMS)
            Server.objects.filter(pk=second.pk).update(active=False)
            kept = beside.submit(at_once, lambda: edits.create(gateway, actor=Actor("somebody")))
            waiting.until(lambda: waiting_for_locks() == 1)
            Server.objects.filter(pk=first.pk).update(active=False)
        kept.result()
    assert CarrierGateway.objects.count() == 1
    assert set(Server.objects.values_list("carriers_revision", flat=True)) == {first.carriers_revision + 1}


@on_postgresql
def test_outcomes_whose_write_ends_in_a_deadlock_are_written_again_and_nothing_is_sent_twice(channel):
    """A person's deletion changes all of their rows, whatever becomes of them: the database ends who waited first."""
    server = world.smtp_server(max_recipients=1, connections=1)
    ids = flow.deliveries(3, server_id=server.pk, template_version_id=world.template(recipient="").current_id)
    sent, held = threading.Event(), threading.Event()

    def answer(wire, to):
        if len(channel.handed_over) == 3:
            sent.set()
            assert held.wait(waiting.PATIENCE)
        return Sent()

    channel.answer = answer
    clock = HandClock(NOW)
    with ThreadPoolExecutor(1) as beside:
        drained = beside.submit(at_once, lambda: drain(server.pk, clock=clock, stopping=lambda: False))
        assert sent.wait(waiting.PATIENCE)
        with transaction.atomic():
            Delivery.objects.select_for_update().get(pk=ids[1])
            held.set()
            waiting.until(lambda: waiting_for_locks() == 1)
            assert Delivery.objects.filter(pk__in=ids).update(person=None) == 3
        assert drained.result() == [0]
    assert flow.states() == {"claimed": 3}
    assert recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": 3}
    assert len(channel.handed_over) == 3
    assert Attempt.objects.count() == 3
    assert not Lane.objects.exclude(lease=None).exists()


@pytest.fixture
def broadcast(monkeypatch):
    """To three users, planned."""
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", lambda broadcast_id: None)
    world.smtp_server()
    world.template(name="Closed", message="We are closed.")
    for number in range(3):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
    begun = _press(now=timezone.now())
    _plan(begun.id)
    return begun.id


def _press(*, now):
    everybody = {"all": [{"field": "user.loginname", "op": "is_set"}]}
    send_in = sends.SendIn(template="Closed", audience=everybody)
    return sends.begin(send_in, sender=sends.Sender(actor=Actor("ada"), origin="test"), now=now, repeats=False)


def _plan(broadcast_id):
    planning.plan(broadcast_id, clock=SystemClock(), stopping=lambda: False)


def _tried(job, *refusals):
    """Whether it was done."""

    def run():
        try:
            job()
        except refusals:
            return False
        return True

    return run


def test_of_several_who_send_the_same_at_once_one_does_and_the_others_are_asked(broadcast):
    later = timezone.now() + timedelta(hours=1)
    done = at_once(*[_tried(lambda: _press(now=later), sends.OverlapError)] * 3)
    assert sorted(done) == [False, False, True]
    assert Broadcast.objects.count() == 2


def test_several_who_resume_at_once_send_nothing_twice(broadcast):
    control.pause(broadcast, actor=Actor("ada"), now=NOW)
    resume = _tried(lambda: control.resume(broadcast, actor=Actor("ada"), now=NOW), control.NotAllowedError)
    assert sorted(at_once(*[resume] * 5)) == [False] * 4 + [True]
    at_once(*[lambda: _plan(broadcast)] * 2)
    assert flow.states() == {"due": 3}


def test_pausing_and_cancelling_at_once_ends_it(broadcast):
    pause = _tried(lambda: control.pause(broadcast, actor=Actor("ada"), now=NOW), control.NotAllowedError)
    cancel = _tried(lambda: control.cancel(broadcast, actor=Actor("bob"), now=NOW), control.NotAllowedError)
    assert at_once(pause, cancel)[1]
    sweep.sweep(now=NOW)
    assert flow.states() == {"cancelled": 3}
    assert Broadcast.objects.get().state == "cancelled"
