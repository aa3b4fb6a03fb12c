"""Somebody sets the clock of a real control worker, and starts it anew meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.models import Delivery, SweepRecord
from servers.models import Server
from tests import waiting
from tests.db import world
from tests.db.dispatch import flow
from xmnotify.operations import readiness

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]
HOURS = 2 * 3600


@pytest.fixture
def clock(tmp_path):
    """A file with the seconds that the control worker's wall clock is off."""
    file = tmp_path / "offset"
    file.write_text("0")
    return file


@pytest.fixture
def control(start_worker, clock, tmp_path):
    program = ("tests.flow.shifted", str(clock))
    return lambda: start_worker("control", pool="solo", program=program, XMNOTIFY_VAR=str(tmp_path))


def sweeps():
    record = SweepRecord.objects.first()
    return record.count if record else 0


def await_sweeps(number=4):
    """A sweep comes with every third look at the latest."""
    start = sweeps()
    waiting.until(lambda: sweeps() >= start + number)


def jumped():
    record = SweepRecord.objects.first()
    return record.jumped_seconds if record else 0


def banners():
    """What Health says of it, once this process has seen that the sweep lives, by whatever clock."""
    waiting.until(_told)
    return _told()


def _told():
    return [cause.words for cause in readiness.causes() if cause.check.code == "clock"]


def test_a_clock_set_forward_expires_nothing_and_is_told_of_until_it_is_set_right(control, clock):
    server = world.smtp_server()
    control()
    await_sweeps(1)
    now = timezone.now()
    flow.deliveries(3, server_id=server.pk, now=now, expires_at=now + timedelta(hours=1))
    clock.write_text(str(HOURS))
    waiting.until(lambda: abs(jumped() - HOURS) < 10)
    await_sweeps()
    assert banners() == [
        "The clock was set forward by 2 hours. In case it is wrong now, no message expires for 15 minutes."
    ]
    assert flow.states() == {"due": 3}
    clock.write_text("0")
    waiting.until(lambda: jumped() == 0)
    await_sweeps()
    assert flow.states() == {"due": 3}


@pytest.mark.parametrize("restarted", [False, True], ids=["while it runs", "over a restart"])
def test_a_clock_set_back_keeps_no_sweep_no_retry_and_no_expiry_from_coming(control, clock, restarted):
    server = world.smtp_server()
    clock.write_text(str(HOURS))
    worker = control()
    await_sweeps(1)
    ahead = timezone.now() + timedelta(seconds=HOURS)
    Server.objects.update(paused_until=ahead + timedelta(seconds=15))
    later = ahead + timedelta(days=1)
    (retried, over) = flow.deliveries(2, server_id=server.pk, now=timezone.now(), expires_at=later)
    flow.try_at(retried, ahead, again_at=ahead + timedelta(minutes=1))
    Delivery.objects.filter(pk=over).update(expires_at=timezone.now())
    if restarted:
        worker.kill()
        worker.wait()
    clock.write_text("0")
    if restarted:
        control()
    waiting.until(lambda: jumped() < -HOURS + 600)
    await_sweeps()
    assert banners() == ["The clock was set back by 2 hours. What was planned before has been moved."]
    assert Server.objects.get().paused_until < timezone.now() + timedelta(minutes=1)
    assert Delivery.objects.get(pk=retried).due_at < timezone.now() + timedelta(minutes=10)
    assert Delivery.objects.get(pk=over).state == "expired"
