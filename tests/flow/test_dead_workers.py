"""Workers on one machine and on several die, stand still and lose threads; what they held goes on, and once.

How long it took is printed; docs/decisions/outbox-and-lanes.md has what was seen.
"""

import signal
import time
from collections import Counter

import pytest
from django.utils import timezone

from dispatch.models import Delivery, Lane, SweepRecord, Worker
from dispatch.upkeep import sweep
from dispatch.wakeup import workers
from simulators.mailbox import read_ledger
from tests import waiting
from tests.db import world
from xmnotify.operations import readiness

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]
MANY = 3000
TIMEOUT = 600
"""Seconds that the server may take: a lease lasts 21 minutes, longer than anything waits here."""


@pytest.fixture
def server(smtp):
    return world.smtp_server(port=smtp.port, connections=1, timeout=TIMEOUT)


@pytest.fixture
def machine(start_worker, tmp_path):
    """Starts a worker on a machine of its own: no other one sees its journal."""

    def start(name, queue="drain", **how):
        var = tmp_path / name
        var.mkdir(exist_ok=True)
        return start_worker(
            queue, pool="solo" if queue == "control" else "threads", XMNOTIFY_VAR=str(var), **ANY_PORT, **how
        )

    return start


ANY_PORT = {"XMNOTIFY_SMTP_PORTS": "any"}
LOOKS = 10
"""A dead worker's lanes are free after so many looks of the sweep, one every two seconds."""


@pytest.fixture
def begin(machine, server, smtp):
    """Starts a worker on a machine and returns it in the middle of its work."""

    def start(name="first", **how):
        world.many_deliveries(MANY, server=server)
        worker = machine(name, **how)
        sweep.wake_where_due(now=timezone.now())
        waiting.until(lambda: smtp.inbox.count > MANY // 20, report=states)
        return worker

    return start


def states():
    return Counter(Delivery.objects.values_list("state", "reason_code"))


def finished():
    """Everything but what was handed over without a reply, which is tried again a minute later."""
    return (
        Delivery.objects.filter(state="sent").count()
        + Delivery.objects.exclude(attempt_count=0).filter(state="due").count()
        == MANY
    )


def doubles(tmp_path):
    """How often a message came once more; none is missing but those that are due again."""
    arrived = Counter(message_id for message_id, _ in read_ledger(tmp_path / "ledger"))
    assert len(arrived) >= MANY - Delivery.objects.filter(state="due").count()
    return sum(times - 1 for times in arrived.values())


def looks():
    """How often the sweep has looked so far."""
    record = SweepRecord.objects.first()
    return record.count if record else 0


def await_looks(number):
    until = looks() + number
    waiting.until(lambda: looks() >= until)


def kill(process):
    """Returns what waits until nothing of it is held any more, and says how long that took."""
    process.kill()
    process.wait()
    at, (lease,) = time.monotonic(), Lane.objects.exclude(lease=None).values_list("lease", flat=True)

    def until_free():
        rows = Delivery.objects.filter(lease=lease)
        waiting.until(lambda: not (Lane.objects.filter(lease=lease).exists() or rows.exists()), report=states)
        print(f"free after {time.monotonic() - at:.1f} s")

    return until_free


def test_a_killed_workers_messages_go_on_long_before_its_lease_is_over(begin, machine, tmp_path):
    machine("third", "control")
    until_free = kill(begin())
    start = looks()
    until_free()
    assert looks() - start <= LOOKS
    assert len(workers.lost()) == 1
    machine("second")
    waiting.until(finished, report=states)
    assert doubles(tmp_path) == 0


def test_on_the_same_machine_another_worker_takes_them_up_without_any_sweep(begin, machine, tmp_path):
    both = {process.pid: process for process in (machine("first"), begin("first"))}
    holder = Worker.objects.get(lanes__lease__isnull=False)
    kill(both[int(holder.name.rpartition(":")[2])])()
    waiting.until(finished, report=states)
    assert doubles(tmp_path) == 0
    assert not Worker.objects.filter(pk=holder.pk).exists()


def test_a_stopped_worker_is_replaced_told_of_and_doubles_nothing_when_it_goes_on(begin, machine, tmp_path):
    begun = begin()
    begun.send_signal(signal.SIGSTOP)
    machine("second")
    machine("third", "control")
    waiting.until(workers.lost, report=states)
    waiting.until(finished, report=states)
    begun.send_signal(signal.SIGCONT)
    waiting.until(lambda: not workers.lost())
    assert begun.poll() is None
    assert doubles(tmp_path) <= 1  # the one that was being handed over


def test_a_control_worker_that_was_stopped_takes_nobody_for_dead_and_is_told_of_meanwhile(begin, machine, tmp_path):
    control = machine("third", "control")
    await_looks(2)
    control.send_signal(signal.SIGSTOP)
    begun = begin()
    waiting.until(lambda: "sweep" in causes())
    control.send_signal(signal.SIGCONT)
    waiting.until(lambda: "sweep" not in causes())
    await_looks(LOOKS)
    assert workers.lost() == []
    assert begun.poll() is None
    waiting.until(finished, report=states)
    assert doubles(tmp_path) == 0


def causes():
    return [cause.check.code for cause in readiness.causes()]


@pytest.mark.parametrize("thread", ["beat", "pulse"])
def test_a_control_worker_of_which_a_thread_dies_goes_on_sweeping(machine, dying, thread):
    """Each of the two looks after the other."""
    machine("third", "control", program=("tests.flow.dying", str(dying)))
    await_looks(2)
    dying.write_text(thread)
    waiting.until(lambda: not dying.read_text())
    await_looks(LOOKS)
    assert workers.lost() == []


def test_a_worker_whose_pulse_dies_at_work_doubles_nothing(begin, machine, dying, tmp_path):
    begin(program=("tests.flow.dying", str(dying)))
    dying.write_text("pulse")
    waiting.until(lambda: not dying.read_text())
    machine("third", "control")
    waiting.until(finished, report=states)
    waiting.until(lambda: not workers.lost())
    assert Worker.objects.count() == 2
    assert doubles(tmp_path) == 0


def test_an_idle_worker_whose_pulse_dies_gets_it_back_with_a_canary(machine, dying):
    machine("first", program=("tests.flow.dying", str(dying)))
    waiting.until(Worker.objects.exists)
    dying.write_text("pulse")
    waiting.until(lambda: not dying.read_text())
    before = Worker.objects.get()
    machine("third", "control")
    waiting.until(lambda: Worker.objects.filter(pk=before.pk, pulse__gt=before.pulse).exists())


@pytest.fixture
def dying(tmp_path):
    """A file that names the thread which is to end."""
    file = tmp_path / "dying"
    file.write_text("")
    return file


def test_a_worker_that_ends_in_order_leaves_no_row(begin):
    begun = begin()
    begun.send_signal(signal.SIGTERM)
    begun.wait(waiting.PATIENCE)
    assert not Worker.objects.exists()
    assert not Lane.objects.exclude(lease=None).exists()
