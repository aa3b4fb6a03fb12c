"""Workers on several machines die and stand still; the control worker finds out by their counters alone."""

import signal
from collections import Counter

import pytest
from django.utils import timezone

from dispatch.models import Delivery, Lane, Worker
from dispatch.upkeep import sweep
from dispatch.wakeup import workers
from simulators.mailbox import read_ledger
from tests import waiting
from tests.db import world

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

    def start(name, queue="drain"):
        var = tmp_path / name
        var.mkdir()
        return start_worker(queue, pool="solo" if queue == "control" else "threads", XMNOTIFY_VAR=str(var), **ANY_PORT)

    return start


ANY_PORT = {"XMNOTIFY_SMTP_PORTS": "any"}


@pytest.fixture
def begun(machine, server, smtp):
    """A worker in the middle of its work."""
    world.many_deliveries(MANY, server=server)
    worker = machine("first")
    sweep.wake_where_due(now=timezone.now())
    waiting.until(lambda: smtp.inbox.count > MANY // 20, told=states)
    return worker


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


def test_a_killed_workers_messages_go_on_long_before_its_lease_is_over(begun, machine, server, tmp_path):
    begun.kill()
    begun.wait()
    machine("second")
    machine("third", "control")
    waiting.until(finished, told=states)
    assert doubles(tmp_path) == 0


def test_a_stopped_worker_is_replaced_told_of_and_doubles_nothing_when_it_goes_on(begun, machine, server, tmp_path):
    begun.send_signal(signal.SIGSTOP)
    machine("second")
    machine("third", "control")
    waiting.until(workers.lost, told=states)
    waiting.until(finished, told=states)
    begun.send_signal(signal.SIGCONT)
    waiting.until(lambda: not workers.lost())
    assert begun.poll() is None
    assert doubles(tmp_path) <= 1  # the one that was being handed over


def test_a_worker_that_ends_in_order_leaves_no_row(machine, begun):
    begun.send_signal(signal.SIGTERM)
    begun.wait(waiting.PATIENCE)
    assert not Worker.objects.exists()
    assert not Lane.objects.exclude(lease=None).exists()
