"""How many events a key may post, and to whom."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from api.access import keys, rate
from api.kit.callers import ApiScope
from api.kit.problems import ProblemError
from api.models import ApiKey
from dispatch.models import Delivery, Event
from tests.db import world
from tests.db.world import NOW

pytestmark = pytest.mark.django_db
JAILBROKEN = {"type": "device.jailbroken", "device": {"serial": "S1"}}


@pytest.fixture(autouse=True)
def _another_process():
    """Tokens of a key that a test before had under the same number."""
    rate._shares.clear()


def batch(count):
    return {"events": [JAILBROKEN] * count}


def caller(*, per_second, burst, name="limited"):
    text = keys.create(name, scopes=[ApiScope.EVENTS], rate_limit=per_second, burst=burst)
    return keys.check(text, now=NOW)


def spent(who, *, events=1, now=NOW):
    """How many of that kind go through one after the other; at most a thousand."""
    for count in range(1000):
        try:
            rate.spend(who, events=events, now=now)
        except ProblemError:
            return count
    return 1000


def test_a_key_has_a_limit_unless_it_is_said_otherwise():
    keys.create("mine", scopes=[ApiScope.EVENTS])
    key = ApiKey.objects.get()
    assert (key.rate_limit, key.burst, key.known_recipients_only) == (1_000, 50_000, False)


def test_what_is_over_the_limit_is_429_with_a_time_to_wait_and_nothing_is_taken(api, problem, small_world, monkeypatch):
    monkeypatch.setattr("api.kit.operation.timezone", SimpleNamespace(now=lambda: NOW))
    limited = api(ApiScope.EVENTS, rate_limit=5, burst=7)
    assert limited.post("/events/batch", batch(5)).status_code == 202
    refused = limited.post("/events/batch", batch(6))
    problem(refused, 429)
    assert 1 <= int(refused["Retry-After"]) <= 2
    assert Event.objects.count() == 5
    assert [limited.post("/events", JAILBROKEN).status_code for _ in range(2)] == [202, 202]
    problem(limited.post("/events", JAILBROKEN), 429)
    assert Event.objects.count() == 7


def test_a_burst_goes_through_then_so_many_a_second():
    who = caller(per_second=10, burst=25)
    assert spent(who) == 25
    assert spent(who, now=NOW + timedelta(seconds=1)) == 10
    assert spent(who, now=NOW + timedelta(seconds=100)) == 25


def test_all_processes_share_the_tokens():
    who = caller(per_second=10, burst=25)
    rate.spend(who, events=1, now=NOW)
    rate._shares.clear()  # another process, which finds what the first one has not taken out
    assert spent(who) == 25 - 11


def test_a_clock_that_is_behind_makes_no_tokens():
    who = caller(per_second=10, burst=10)
    assert spent(who) == 10
    assert spent(who, now=NOW - timedelta(hours=1)) == 0
    assert spent(who, now=NOW + timedelta(seconds=1)) == 10


def test_a_batch_above_the_burst_is_let_in_when_the_bucket_is_full_and_owed_afterwards():
    who = caller(per_second=10, burst=20)
    rate.spend(who, events=100, now=NOW)
    for seconds, goes in ((7, False), (8.1, True)):
        assert (spent(who, now=NOW + timedelta(seconds=seconds)) > 0) is goes


def test_no_limit_is_no_limit():
    assert spent(caller(per_second=0, burst=1), events=1000) == 1000


def test_a_key_is_made_with_limits_by_command(capsys):
    call_command("create_api_key", "mine", scopes="events", rate=5, burst=10, known_recipients=True)
    key = ApiKey.objects.get()
    assert (key.rate_limit, key.burst, key.known_recipients_only) == (5, 10, True)
    with pytest.raises(CommandError, match="--burst"):
        call_command("create_api_key", "other", scopes="events", burst=0)


def test_an_event_has_at_most_100_further_recipients(api, problem, small_world):
    def with_recipients(mails, numbers):
        return JAILBROKEN | {
            "recipients": {
                "smtp": [f"a{number}@example.com" for number in range(mails)],
                "sms": [f"+49301234{number:04}" for number in range(numbers)],
            }
        }

    caller_ = api(ApiScope.EVENTS)
    problem(caller_.post("/events", with_recipients(101, 0)), 422, "recipients.smtp")
    problem(caller_.post("/events", with_recipients(60, 41)), 422, "recipients", "too_many")
    assert caller_.post("/events", with_recipients(100, 0)).status_code == 202
    assert Delivery.objects.count() == 101


def test_a_key_may_be_kept_to_the_addresses_of_known_users_and_devices(api, problem, small_world):
    world.device(serial="S2", phone_number="+49301234567")
    kept = api(ApiScope.EVENTS, known_recipients_only=True)
    answer = kept.post("/events", JAILBROKEN | {"recipients": {"smtp": ["U1@Example.com"], "sms": ["+49 30 1234567"]}})
    assert answer.status_code == 202, answer.content
    outside = {"recipients": {"smtp": ["u1@example.com", "b@example.com"]}}
    problem(kept.post("/events", JAILBROKEN | outside), 422, "recipients.smtp.1", "outside")
    numbers = {"recipients": {"sms": ["+49301234568"]}}
    problem(kept.post("/events", JAILBROKEN | numbers), 422, "recipients.sms.0", "outside")
    audience = {"type": "device.jailbroken", "audience": {"all": [{"field": "platform", "op": "is", "value": "iOS"}]}}
    problem(kept.post("/events", audience | outside), 422, "recipients.smtp.1", "outside")
    assert api(ApiScope.EVENTS).post("/events", JAILBROKEN | outside).status_code == 202
