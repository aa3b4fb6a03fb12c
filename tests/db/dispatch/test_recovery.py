"""What a drain could not write, and what a dead process left: what is known is not lost, and charged once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError

from console.kit.registry import Level
from dispatch.models import Attempt, Delivery, Lane, Worker
from dispatch.outbox import deliveries, lanes, trouble
from dispatch.sending import journal, reaping, recovery
from dispatch.sending.journal import Journal
from dispatch.wakeup import workers
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow
from transports.types import Sent
from xmnotify.operations import readiness

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(5)]
FAULTS = [OperationalError, InterfaceError, InternalError, DatabaseError]
"""Restarted or locked; a connection that is closed; read-only; whatever else."""


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=1, connections=1)


@pytest.fixture
def five(server):
    world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)


@pytest.fixture
def failing(monkeypatch):
    """`failing("settle", times=2)`: so often that statement fails; `after=True`: once it is committed."""

    def fail(name, *, times=1, error=OperationalError, after=False, home=deliveries):
        honest, left = getattr(home, name), [times]

        def statement(*args, **named):
            if left[0]:
                left[0] -= 1
                if after:
                    honest(*args, **named)
                raise error
            return honest(*args, **named)

        monkeypatch.setattr(home, name, statement)

    return fail


def sent_once(channel):
    keys = [wire.key for wire in channel.handed_over]
    return len(keys) == len(set(keys))


def is_free(server):
    return not Lane.objects.filter(server=server).exclude(lease=None).exists()


@pytest.mark.parametrize("error", FAULTS)
def test_outcomes_that_could_not_be_written_are_written_later(server, five, channel, clock, failing, error):
    failing("settle", times=3, error=error)
    flow.send(server, clock)
    assert not recovery.write_remainders(clock=clock)
    assert not is_free(server)
    assert not recovery.write_remainders(clock=clock)
    assert recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": 5}
    assert set(Delivery.objects.values_list("tries", "attempt_count")) == {(1, 1)}
    assert Attempt.objects.count() == 5
    assert sent_once(channel)
    assert is_free(server)


def test_what_was_written_though_nobody_heard_of_it_is_not_written_again(server, five, channel, clock, failing):
    failing("settle", after=True)
    flow.send(server, clock)
    assert recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": 5}
    assert Attempt.objects.count() == 5
    assert is_free(server)


def test_nothing_more_is_sent_once_a_result_could_not_be_written(server, five, channel, clock, failing):
    failing("settle")

    def answer(wire, to):
        clock.pass_time(timedelta(seconds=2))  # a slow peer: each result is written when it is there
        return Sent()

    channel.answer = answer
    flow.send(server, clock)
    sent = len(channel.handed_over)
    assert sent < 5
    recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": sent, "due": 5 - sent}
    assert set(Delivery.objects.filter(state="due").values_list("tries", "attempt_count")) == {(0, 0)}
    channel.answer = lambda wire, to: Sent()
    flow.send(server, clock)
    assert flow.states() == {"sent": 5}
    assert sent_once(channel)


@pytest.mark.parametrize("after", [False, True], ids=["undone", "committed"])
@pytest.mark.parametrize("name", ["claim_due", "begin"])
def test_what_was_not_handed_over_is_charged_nothing(server, five, channel, clock, failing, name, after):
    failing(name, after=after)
    flow.send(server, clock)
    assert channel.handed_over == []
    recovery.write_remainders(clock=clock)
    assert flow.states() == {"due": 5}
    assert set(Delivery.objects.values_list("tries", "attempt_count", "lapsed")) == {(0, 0, False)}
    assert is_free(server)


def test_a_lane_that_could_not_be_released_is_released_later(server, five, channel, clock, failing, wake_ups):
    failing("release", home=lanes)
    flow.send(server, clock)
    assert not is_free(server)
    wake_ups.clear()
    recovery.write_remainders(clock=clock)
    assert is_free(server)
    assert wake_ups == [server.pk]
    assert flow.states() == {"sent": 5}


def test_an_outcome_is_known_though_the_trouble_that_it_tells_of_could_not_be_written(
    server, five, channel, clock, failing
):
    channel.answer = lambda wire, to: flow.SHUTTING_DOWN
    failing("pause", home=trouble)
    flow.send(server, clock)
    recovery.write_remainders(clock=clock)
    assert Attempt.objects.values_list("outcome", "code").get() == ("deferred", "service_unavailable")
    assert sorted(Delivery.objects.values_list("tries", flat=True)) == [0, 0, 0, 0, 1]


def test_a_worker_that_is_told_to_stop_keeps_what_it_knows(server, five, channel, clock, failing):
    failing("settle")
    flow.send(server, clock, stopping=lambda: len(channel.handed_over) == 3)
    recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": 3, "due": 2}
    assert is_free(server)


def test_an_answer_that_got_lost_waits_for_a_person_though_the_write_failed(server, channel, clock, failing):
    world.template(recipient="", on_unknown="hold")
    world.device()
    flow.post_to(*PEOPLE)
    channel.answer = lambda wire, to: flow.NO_ANSWER if to.address == PEOPLE[2] else Sent()
    failing("settle")
    flow.send(server, clock)
    recovery.write_remainders(clock=clock)
    assert flow.states() == {"sent": 2, "held": 1, "due": 2}


def test_rows_that_were_taken_back_meanwhile_are_left_alone(server, five, channel, clock, failing):
    failing("settle")
    flow.send(server, clock)
    lease = Lane.objects.get(server=server).lease
    deliveries.give_back_all(lease)
    recovery.write_remainders(clock=clock)
    assert flow.states() == {"due": 5}
    assert not Attempt.objects.exists()


def test_what_one_server_waits_with_stops_no_other(server, five, channel, clock, failing):
    failing("settle")
    flow.send(server, clock)
    Server.objects.update(active=False)
    other = world.smtp_server(name="Other", connections=1)
    flow.deliveries(3, server_id=other.pk)
    flow.send(other, clock)
    assert flow.states(server=other) == {"failed": 3} or flow.states(server=other) == {"sent": 3}


class TestADeadProcess:
    """It claimed eight, began six, handed four over, and heard of two."""

    @pytest.fixture
    def left(self, server, clock, folder):
        worker = Worker.objects.create(id=uuid4(), name="machine:1", started_at=world.NOW)
        held = lanes.take(server.pk, limits=server.limits(), worker=worker.pk, now=clock.now())
        ids = flow.deliveries(8, server_id=server.pk, hold_unknown=True)
        claims = flow.claim(server.pk, lease=held.lease)
        flow.begin(claims[:6], lease=held.lease)
        kept = Journal(folder, worker=worker.pk)
        kept.taken(held.lease)
        kept.handing_over(held.lease, ids[:4])
        kept.outcomes(held.lease, [flow.settled(claims[0], Sent("id")), flow.settled(claims[1], flow.GREYLISTED)])
        return kept

    @pytest.fixture
    def folder(self, settings, tmp_path):
        settings.XMNOTIFY_JOURNAL = tmp_path / "journal"
        return settings.XMNOTIFY_JOURNAL

    def test_is_settled_as_its_journal_says(self, left, folder, server, wake_ups):
        wake_ups.clear()
        assert recovery.look(now=world.NOW) == 0
        assert flow.states() == {"claimed": 8}
        left.close()
        assert recovery.look(now=world.NOW) == 8
        found = Delivery.objects.order_by("id").values_list("state", "reason_code", "tries", "attempt_count", "lapsed")
        assert list(found) == [
            ("sent", "", 1, 1, False),
            ("due", "greylisted", 1, 1, False),
            ("held", "lease_lapsed", 1, 1, True),
            ("held", "lease_lapsed", 1, 1, True),
            ("due", "", 0, 0, False),
            ("due", "", 0, 0, False),
            ("due", "", 0, 0, True),
            ("due", "", 0, 0, True),
        ]
        assert is_free(server)
        assert wake_ups == [server.pk]
        assert list(folder.iterdir()) == []
        assert not Worker.objects.exists()

    def test_is_taken_back_by_the_sweep_as_its_journal_says_though_it_lives(self, left, server):
        """As one that was stopped."""
        (lease,) = Lane.objects.exclude(lease=None).values_list("lease", flat=True)
        assert reaping.reap([lease], now=world.NOW) == 8
        assert flow.states() == {"sent": 1, "due": 5, "held": 2}
        left.close()

    def test_without_a_journal_leaves_all_that_was_begun_unknown(self, left, folder, server):
        left.close()
        for path in folder.iterdir():
            path.unlink()
        (lease,) = Lane.objects.exclude(lease=None).values_list("lease", flat=True)
        assert reaping.reap([lease], now=world.NOW) == 8
        assert flow.states() == {"held": 6, "due": 2}

    def test_is_looked_at_again_while_the_database_does_not_take_it(self, left, folder, failing):
        left.close()
        failing("settle")
        with pytest.raises(OperationalError):
            recovery.look(now=world.NOW)
        assert len(list(folder.iterdir())) == 1
        recovery.look(now=world.NOW)
        assert flow.states() == {"sent": 1, "due": 5, "held": 2}

    def test_has_an_outcome_of_an_earlier_try_that_counts_no_more(self, server, clock, folder):
        """Too many recipients: settled as due, claimed again under the same lease, begun, and killed."""
        held = lanes.take(server.pk, limits=server.limits(), worker=uuid4(), now=clock.now())
        flow.deliveries(1, server_id=server.pk)
        (claim,) = flow.claim(server.pk, lease=held.lease)
        flow.begin([claim], lease=held.lease)
        kept = Journal(folder, worker=uuid4())
        kept.taken(held.lease)
        kept.handing_over(held.lease, [claim.id])
        first = flow.settled(claim, flow.GREYLISTED)
        kept.outcomes(held.lease, [first])
        deliveries.settle([first], lease=held.lease, server_id=server.pk, server_name="Mail")
        Delivery.objects.update(due_at=world.NOW)
        (claim,) = flow.claim(server.pk, lease=held.lease)
        flow.begin([claim], lease=held.lease)
        kept.close()
        recovery.look(now=world.NOW)
        assert Delivery.objects.values_list("state", "tries", "attempt_count").get() == ("due", 1, 1)
        assert Attempt.objects.count() == 1


def test_the_drain_notes_what_it_hands_over_before_it_does(server, five, channel, clock, settings):
    noted = []

    def answer(wire, to):
        (lease,) = Lane.objects.exclude(lease=None).values_list("lease", flat=True)
        said = journal.testimony(settings.XMNOTIFY_JOURNAL, [lease])[lease]
        noted.append((said[Delivery.objects.get(address=to.address).pk], len(said)))
        return Sent()

    channel.answer = answer
    flow.send(server, clock)
    assert noted == [(None, count) for count in range(1, 6)]


def test_a_bug_while_it_is_sent_leaves_what_was_not_handed_over_as_it_was(server, five, channel, clock):
    def answer(wire, to):
        if to.address == PEOPLE[1]:
            raise ZeroDivisionError
        return Sent()

    channel.answer = answer
    flow.send(server, clock)
    tried = dict(Delivery.objects.values_list("address", "attempt_count"))
    assert [tried[address] for address in PEOPLE] == [1, 1, 0, 0, 0]


def test_health_names_a_worker_without_a_journal(worker_without_journal):
    (finding,) = [found for found in readiness.findings() if found.subject == "Journal"]
    assert finding.level is Level.ERROR
    assert "machine:1" in finding.words


@pytest.fixture
def worker_without_journal(settings, tmp_path, monkeypatch, clock):
    (tmp_path / "journal").write_text("no folder")
    settings.XMNOTIFY_JOURNAL = tmp_path / "journal"
    monkeypatch.setattr(recovery._mine, "journal", None)
    Worker.objects.create(id=workers.this_id(), name="machine:1", started_at=world.NOW)
    recovery._look_once(clock)


def test_a_probe_that_a_kill_cut_short_is_made_again_at_once(server, clock, settings, tmp_path):
    settings.XMNOTIFY_JOURNAL = tmp_path / "journal"
    Server.objects.update(paused_until=world.NOW - timedelta(seconds=1), pause_count=1)
    flow.deliveries(1, server_id=server.pk)
    held = lanes.take(server.pk, limits=server.limits(), worker=uuid4(), now=clock.now())
    assert held.probing
    kept = Journal(settings.XMNOTIFY_JOURNAL, worker=uuid4())
    kept.taken(held.lease, probing=held.probing)
    kept.close()
    assert lanes.take(server.pk, limits=server.limits(), worker=uuid4(), now=clock.now()) is None
    recovery.look(now=clock.now())
    assert lanes.take(server.pk, limits=server.limits(), worker=uuid4(), now=clock.now()).probing


def test_a_probe_whose_end_could_not_be_written_is_made_again_at_once_by_the_clock_of_its_drain(
    server, five, channel, clock, failing
):
    Server.objects.update(paused_until=clock.now() - timedelta(seconds=1), pause_count=1)
    failing("settle")
    flow.send(server, clock)
    assert Server.objects.get().paused_until > clock.now()
    assert recovery.write_remainders(clock=clock)
    assert Server.objects.get().paused_until == clock.now()
