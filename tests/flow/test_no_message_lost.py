"""Workers die and the broker forgets; the peer's own ledger tells what arrived."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.db.models import F

from dispatch.models import Delivery, Worker
from dispatch.sending import reaping
from dispatch.upkeep import sweep
from simulators.mailbox import read_ledger
from tests import waiting
from tests.db import world

pytestmark = pytest.mark.flow

MANY = 5_000
KILLS = 5
LANES = 2


def test_nothing_is_lost_when_workers_are_killed_and_the_broker_forgets(start_worker, smtp, broker_url, tmp_path):
    ledger = tmp_path / "ledger"
    server = world.smtp_server(port=smtp.port, connections=LANES)
    accepted = world.many_deliveries(MANY, server=server)
    moments = sorted(random.sample(range(200, MANY - 500), KILLS))

    for number, moment in enumerate(moments):
        worker = start_worker("drain", XMNOTIFY_SMTP_PORTS="any")
        sweep.wake_where_due(now=datetime.now(UTC))
        waiting.until(lambda moment=moment: count(ledger) >= moment, report=states)
        worker.kill()
        worker.wait()
        if number == 2:
            empty(broker_url)
        let_pass(timedelta(minutes=10))
        bury()
        sweep.sweep(now=datetime.now(UTC))

    start_worker("drain", XMNOTIFY_SMTP_PORTS="any")
    waiting.until(lambda: finished(accepted), report=states, every=0.5)

    arrived = Counter(message_id.partition("@")[0].strip("<") for message_id, _ in read_ledger(ledger))
    doubles = sum(times - 1 for times in arrived.values())
    print(f"accepted {len(accepted)}, arrived {len(arrived)}, kills {KILLS}, doubles {doubles}")
    assert {str(delivery_id) for delivery_id in accepted} == set(arrived)
    assert Delivery.objects.filter(state="sent").count() == MANY
    assert doubles <= KILLS * LANES  # the one that each connection had handed over without a reply


def states():
    return Counter(Delivery.objects.values_list("state", "reason_code"))


def finished(accepted):
    """Whether all are sent; if not, what the beat does comes next, with the waits between tries cut short."""
    if Delivery.objects.filter(state="sent").count() == len(accepted):
        return True
    let_pass(timedelta(minutes=10))
    sweep.sweep(now=datetime.now(UTC))
    return False


def let_pass(span):
    """As if `span` had passed for what waits."""
    Delivery.objects.filter(state="due").update(due_at=F("due_at") - span)


def bury():
    """What the sweep does with workers that stay silent."""
    for worker in Worker.objects.all():
        reaping.free_worker(worker.pk, now=datetime.now(UTC))


def count(ledger):
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def empty(broker_url):
    redis.Redis.from_url(broker_url.replace("redis+socket", "unix")).flushall()
