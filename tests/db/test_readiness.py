"""What tells an operator's machinery, and the Health page, whether this installation works."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from dispatch.models import SweepRecord, Worker
from dispatch.upkeep import clocks
from dispatch.wakeup import broker_watch, liveness
from dispatch.wakeup.broker_watch import BrokerTrouble
from foundation.sql.trouble import WORDS, Trouble
from tests.db import world
from xmnotify.operations import readiness

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=2)


@pytest.fixture
def _well(monkeypatch):
    world.all_is_well(monkeypatch)


@pytest.fixture
def ready(client):
    """Status and lines of /readyz, and the status with ?all=1."""

    def ask():
        answer, strict = client.get("/readyz"), client.get("/readyz?all=1")
        assert answer.content == strict.content
        return answer.status_code, answer.content.decode().splitlines(), strict.status_code

    return ask


def ill(ready, admin_client):
    """The one cause of an installation that stores events but does not work as it should; Health says the same."""
    status, lines, strict = ready()
    assert (status, len(lines), strict) == (200, 1, 503)
    cause, words = lines[0].split(": ", 1)
    assert cause == "degraded"
    page = admin_client.get("/settings/health/").content.decode().replace("&#x27;", "'")
    assert words in page
    return words


@pytest.mark.usefixtures("_well")
def test_an_installation_in_which_all_is_well_is_ready(ready):
    assert ready() == (200, ["ok"], 200)


@pytest.mark.usefixtures("_well")
@pytest.mark.parametrize("trouble", list(Trouble))
def test_a_process_that_can_not_store_is_not_ready_whatever_else_is(ready, admin_client, monkeypatch, trouble):
    SweepRecord.objects.all().delete()
    monkeypatch.setattr(readiness, "trouble_with_storing", lambda: trouble)
    words = f"{WORDS[trouble]}."
    assert ready() == (503, [f"not ready: {words}"], 503)
    assert admin_client.get("/healthz").status_code == 200
    for _ in range(2):
        assert words in admin_client.get("/settings/about/").content.decode().replace("&#x27;", "'")


@pytest.mark.usefixtures("_well")
@pytest.mark.parametrize("trouble", list(BrokerTrouble))
def test_a_broker_that_takes_no_wake_ups_is_told(ready, admin_client, monkeypatch, trouble):
    monkeypatch.setattr(broker_watch, "trouble", lambda: trouble)
    assert ill(ready, admin_client) == broker_watch.WORDS[trouble]


@pytest.mark.usefixtures("_well")
def test_a_worker_without_a_journal_is_told(ready, admin_client):
    Worker.objects.create(id=uuid4(), name="machine:1", journal=False, started_at=timezone.now())
    assert ill(ready, admin_client).startswith("machine:1 can't write below XMNOTIFY_VAR/journal.")


@pytest.mark.usefixtures("_well")
def test_workers_that_run_but_hear_nothing_are_told_from_those_that_do_not_run(ready, admin_client, monkeypatch):
    monkeypatch.setattr(liveness, "silent", lambda queues, *, clock: ["drain"])
    assert ill(ready, admin_client).startswith("No worker gives a sign of life")
    Worker.objects.create(id=uuid4(), name="machine:1", started_at=timezone.now())
    assert ill(ready, admin_client).startswith("The workers run, but hear nothing from the broker")


@pytest.mark.usefixtures("_well")
def test_a_lost_worker_is_told_by_name(ready, admin_client):
    Worker.objects.create(id=uuid4(), name="machine:1", lost=True, started_at=timezone.now())
    words = ill(ready, admin_client)
    assert words.startswith("The worker machine:1 gives no sign of life")
    assert "more connections than their limit" in words


@pytest.mark.usefixtures("_well")
def test_several_causes_of_one_check_are_several_lines_and_one_banner(ready, admin_client):
    for number in (1, 2):
        Worker.objects.create(id=uuid4(), name=f"machine:{number}", lost=True, started_at=timezone.now())
    assert [line.split(" gives")[0] for line in ready()[1]] == [f"degraded: The worker machine:{n}" for n in (1, 2)]
    (banner,) = [found for found in readiness.findings() if found.banner]
    assert "machine:1" in banner.words
    assert "machine:2" in banner.words


@pytest.mark.usefixtures("_well")
def test_a_sweep_that_is_silent_is_told(ready, admin_client):
    SweepRecord.objects.all().delete()
    assert ill(ready, admin_client).startswith("Nobody looks after what is due")


@pytest.mark.usefixtures("_well")
@pytest.mark.parametrize(
    ("jump", "words"),
    [(HOURS, "The clock was set forward by 2 hours."), (-HOURS, "The clock was set back by 2 hours.")],
    ids=["forward", "back"],
)
def test_a_clock_that_was_set_is_told(ready, admin_client, jump, words):
    clocks.show_life(jump=jump, now=timezone.now())
    assert ill(ready, admin_client).startswith(words)


@pytest.mark.usefixtures("_well")
def test_a_machine_whose_clock_differs_is_told(ready, admin_client):
    clocks.show_life(jump=timedelta(), now=timezone.now() - HOURS)
    ready()
    clocks.show_life(jump=timedelta(), now=timezone.now() - HOURS)
    assert ill(ready, admin_client) == "The clock of this machine and that of the control worker's differ by 2 hours."


def test_each_check_has_a_code_of_its_own():
    assert len({check.code for check in readiness.CHECKS}) == len(readiness.CHECKS)
