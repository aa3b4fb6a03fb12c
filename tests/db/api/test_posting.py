"""Events come in over HTTP: alone and in batches, once however often they are posted."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from api.models import ApiKey
from devices import queries
from devices.models import Device, Person
from dispatch.intake import accept as ingest
from dispatch.intake import reception
from dispatch.intake.turn import Turn
from dispatch.models import Delivery, Event
from dispatch.outbox import store as intake
from tests import waiting
from tests.db import world

pytestmark = pytest.mark.django_db
JAILBROKEN = {"type": "device.jailbroken", "device": {"serial": "S1"}}


def test_an_accepted_event_is_stored_with_its_deliveries(api, small_world):
    answer = api("events").post("/events", {**JAILBROKEN, "source": "mdm.example.com"})
    assert answer.status_code == 202
    returned = answer.json()
    assert answer["Location"] == returned["status_url"] == f"/api/v1/events/{returned['id']}"
    assert (returned["deliveries"], returned["skipped"], returned["replayed"]) == (1, 0, False)
    assert returned["notes"][0] == "Template 'Jailbroken' is sent by smtp."
    event = Event.objects.get(pk=returned["id"])
    assert event.pk.version == 7
    assert event.source == "mdm.example.com"
    delivery = Delivery.objects.get(event=event)
    assert (delivery.state, delivery.address, delivery.address_name) == ("due", "u1@example.com", "User One")


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_woken_for_the_server_of_a_delivery(api, small_world, wake_ups):
    api("events").post("/events", JAILBROKEN)
    assert wake_ups == [Delivery.objects.get().server_id]


def test_what_is_skipped_is_counted_apart(api, small_world):
    Person.objects.update(mail="")
    returned = api("events").post("/events", JAILBROKEN).json()
    assert (returned["deliveries"], returned["skipped"]) == (0, 1)
    assert Delivery.objects.get().state == "skipped"


def test_every_field_reaches_the_event(api, small_world):
    expires = (timezone.now() + timedelta(hours=1)).isoformat()
    body = {
        "type": "device.jailbroken",
        "source": "mdm",
        "occurred_at": "2026-01-02T03:04:05+01:00",
        "device": {"serial": "S1"},
        "user": {"loginname": "U1"},
        "template": "Jailbroken",
        "channels": ["smtp"],
        "recipients": {"smtp": ["security@example.com"]},
        "reasons": {"allowlist_blocklist_apps_name": ["Words"]},
        "data": {"app": {"name": "Words\r\nwith"}},
        "expires_at": expires,
    }
    returned = api("events").post("/events", body).json()
    event = Event.objects.get(pk=returned["id"])
    assert event.payload["data"] == body["data"]
    assert event.payload["reasons"] == body["reasons"]
    assert event.occurred_at.isoformat() == "2026-01-02T02:04:05+00:00"
    assert event.template.name == "Jailbroken"
    assert set(event.deliveries.values_list("address", flat=True)) == {"u1@example.com", "security@example.com"}
    assert {row.expires_at.isoformat() for row in event.deliveries.all()} == {
        timezone.datetime.fromisoformat(expires).isoformat()
    }


def test_an_event_for_administrators_needs_no_subject(api, small_world, settings):
    settings.XMNOTIFY_ADMIN_MAIL = ["admin@example.com"]
    world.template(name="License", type_code="system.license_expiring", recipient="${admin.mail}")
    returned = api("events").post("/events", {"type": "system.license_expiring"}).json()
    assert returned["deliveries"] == 1


def test_an_unknown_type_is_answered_with_the_known_ones(api, small_world, problem):
    returned = problem(api("events").post("/events", {"type": "device.nonsense"}), 422, "type", "unknown")
    assert "device.jailbroken" in returned["detail"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("subject", "field"),
    [
        ({"device": {"serial": "S9"}}, "device.serial"),
        ({"device": {"imei": "9"}}, "device.imei"),
        ({"device": {"id": "not-a-uuid"}}, "device.id"),
        ({"user": {"loginname": "nobody"}}, "user.loginname"),
    ],
)
def test_an_unknown_subject_is_named(api, small_world, problem, subject, field):
    problem(api().post("/events", {"type": "device.jailbroken", **subject}), 422, field, "unknown")
    assert not Event.objects.exists()


def test_a_subject_is_found_by_each_of_its_keys(api, small_world):
    device = Device.objects.get()
    Device.objects.update(imei="350")
    for key in ({"serial": "S1"}, {"imei": "350"}, {"id": str(device.uid)}):
        assert api("events").post("/events", {"type": "device.jailbroken", "device": key}).json()["deliveries"] == 1
    for key in ({"loginname": "U1"}, {"id": str(device.person.uid).upper()}):
        assert api("events").post("/events", {"type": "device.jailbroken", "user": key}).json()["deliveries"] == 1


def test_what_an_event_tells_of_a_device_is_kept_with_the_scope_devices(api, small_world):
    body = {
        "type": "device.jailbroken",
        "user": {"loginname": "new", "mail": "new@example.com", "displayname": "New"},
        "device": {"serial": "S2", "user": "new", "os_version": "17.1", "properties": {"TEL_NUMBER": "1"}},
    }
    assert api("events", "devices").post("/events", body).json()["deliveries"] == 1
    device = Device.objects.get(serial="S2")
    assert (device.person.loginname, device.os_version, device.properties) == ("new", "17.1", {"TEL_NUMBER": "1"})
    assert Delivery.objects.get().address == "new@example.com"


def test_without_that_scope_it_counts_for_the_event_alone(api, small_world):
    body = {
        "type": "device.jailbroken",
        "user": {"loginname": "new", "mail": "new@example.com", "displayname": "New"},
        "device": {"serial": "S2", "os_version": "17.1"},
    }
    assert api("events").post("/events", body).json()["deliveries"] == 1
    assert not Device.objects.filter(serial="S2").exists()
    assert not Person.objects.filter(loginname="new").exists()
    event = Event.objects.get()
    assert event.payload["user"]["displayname"] == "New"
    assert event.payload["device"]["osVersion"] == "17.1"
    assert Delivery.objects.get().address == "new@example.com"


def test_a_refused_event_keeps_nothing_of_what_it_told(api, small_world, problem):
    body = {
        "type": "device.jailbroken",
        "device": {"serial": "S2", "os_version": "17.1"},
        "recipients": {"smtp": ["no address"]},
    }
    problem(api().post("/events", body), 422, "recipients.smtp.0", "invalid")
    assert not Device.objects.filter(serial="S2").exists()


def test_a_wrong_field_of_a_told_device_is_named(api, small_world, problem):
    body = {"type": "device.jailbroken", "device": {"serial": "S2", "model": "x\r\ny"}}
    problem(api().post("/events", body), 422, "device.model", "control_character")
    problem(api("events").post("/events", body), 422, "device.model", "control_character")


# Idempotency


def test_a_replay_gets_the_first_answer(api, small_world):
    caller = api("events")
    first = caller.post("/events", JAILBROKEN, headers={"Idempotency-Key": "k1"})
    again = caller.post(
        "/events", '{"device":{"serial":"S1"}, "type":"device.jailbroken"}', headers={"Idempotency-Key": "k1"}
    )
    assert again.status_code == first.status_code == 202
    assert again.json() == {**first.json(), "replayed": True}
    assert again["Location"] == first["Location"]
    assert Event.objects.count() == Delivery.objects.count() == 1


def test_a_replay_is_answered_although_its_device_is_gone(api, small_world):
    caller = api("events")
    first = caller.post("/events", JAILBROKEN, headers={"Idempotency-Key": "k1"}).json()
    Device.objects.all().delete()
    assert caller.post("/events", JAILBROKEN, headers={"Idempotency-Key": "k1"}).json()["id"] == first["id"]


def test_the_same_key_with_another_body_is_a_conflict(api, small_world, problem):
    caller = api("events")
    caller.post("/events", JAILBROKEN, headers={"Idempotency-Key": "k1"})
    answer = caller.post("/events", {**JAILBROKEN, "source": "other"}, headers={"Idempotency-Key": "k1"})
    problem(answer, 409, "Idempotency-Key", "conflict")


def test_two_api_keys_do_not_share_idempotency_keys(api, small_world):
    for caller in (api("events"), api("events")):
        assert not caller.post("/events", JAILBROKEN, headers={"Idempotency-Key": "k1"}).json()["replayed"]
    assert Event.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
def test_a_bad_idempotency_key_is_refused(api, small_world, problem, key):
    problem(api().post("/events", JAILBROKEN, headers={"Idempotency-Key": key}), 422, "Idempotency-Key", "invalid")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("supplied", [{}, {"os_version": "18.0"}])
def test_20_equal_posts_at_once_make_one_event(api, small_world, supplied):
    caller = api()
    body = {**JAILBROKEN, "device": {"serial": "S1", **supplied}}
    answers = []
    start = threading.Barrier(20)

    def post():
        try:
            start.wait(timeout=waiting.PATIENCE)
            answers.append(caller.post("/events", body, headers={"Idempotency-Key": "once"}))
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(not answer.json()["replayed"] for answer in answers) == 1
    assert Event.objects.count() == Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_events_posted_while_others_are_taken_in_are_taken_in_together(api, small_world, monkeypatch):
    caller, taken = api("events"), []
    origin = f"key:{ApiKey.objects.get().pk}"
    counter = reception._counters.setdefault(origin, reception._Counter())

    def accept_all(posted, **named):
        taken.append(len(posted))
        return accept(posted, **named)

    def post(source):
        try:
            return caller.post("/events", {**JAILBROKEN, "source": source}).json()["id"]
        finally:
            connection.close()

    accept = ingest.accept_all
    monkeypatch.setattr(ingest, "accept_all", accept_all)
    monkeypatch.setattr(reception, "PATIENCE", waiting.PATIENCE)
    with ThreadPoolExecutor(3) as pool:
        with counter.busy:
            posted = [pool.submit(post, source) for source in "abc"]
            waiting.until(lambda: len(counter.waiting) == 3)
        ids = [each.result(timeout=waiting.PATIENCE) for each in posted]
    assert taken == [3]
    assert [Event.objects.get(pk=each).source for each in ids] == ["a", "b", "c"]


class CountedTurn(Turn):
    """`requests` counts those who want it."""

    def __init__(self):
        super().__init__()
        self.requests = threading.Semaphore(0)

    def take(self):
        self.requests.release()
        return super().take()


@pytest.mark.django_db(transaction=True)
def test_batches_that_come_at_once_are_planned_one_after_the_other(api, small_world, monkeypatch):
    caller, turn, planning, most = api("events"), CountedTurn(), [], []
    storing, in_pairs = [], threading.Barrier(2)

    def find(*args, **named):
        planning.append(1)
        most.append(len(planning))
        if len(most) == 1:
            assert all(turn.requests.acquire(timeout=waiting.PATIENCE) for _ in range(4))
        found = find_targets(*args, **named)
        planning.pop()
        return found

    def store(*args, **named):
        if connection.vendor == "postgresql":
            in_pairs.wait(timeout=waiting.PATIENCE)
        storing.append(1)
        assert len(storing) == 1 or connection.vendor == "postgresql"
        stored = intake_store(*args, **named)
        storing.pop()
        return stored

    find_targets, intake_store = queries.find_targets, intake.store
    monkeypatch.setattr("devices.queries.find_targets", find)
    monkeypatch.setattr("dispatch.outbox.store.store", store)
    monkeypatch.setattr("dispatch.intake.reception.taking_in", turn)
    monkeypatch.setattr("dispatch.intake.accept.taking_in", turn)

    def post():
        try:
            return caller.post("/events/batch", {"events": [JAILBROKEN] * 3}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = [each.result(timeout=waiting.PATIENCE) for each in [pool.submit(post) for _ in range(4)]]
    assert statuses == [202] * 4
    assert most == [1, 1, 1, 1]
    assert Event.objects.count() == 12


@pytest.mark.parametrize("body", [JAILBROKEN, {"events": [JAILBROKEN] * 50}], ids=["alone", "batch"])
def test_taking_events_in_costs_few_statements_however_many_they_are(
    api, small_world, body, django_assert_max_num_queries
):
    caller = api("events")
    path = "/events/batch" if "events" in body else "/events"
    caller.post(path, body)  # what is read once a process
    with django_assert_max_num_queries(8):
        assert caller.post(path, body).status_code == 202


@pytest.fixture
def vanishing(monkeypatch):
    """The device with this serial is deleted once an event was found to be about it and before that is stored."""

    def of(serial):
        def find(*args, **named):
            found = find_targets(*args, **named)
            Device.objects.filter(serial=serial).delete()
            return found

        find_targets = queries.find_targets
        monkeypatch.setattr("devices.queries.find_targets", find)

    return of


@pytest.mark.django_db(transaction=True)
def test_a_device_deleted_in_the_same_moment_is_named_as_unknown(api, small_world, vanishing, problem):
    vanishing("S1")
    problem(api("events").post("/events", JAILBROKEN), 422, "device.serial", "unknown")
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("others", [1, 30])
def test_a_batch_does_without_the_device_deleted_in_the_same_moment(api, small_world, vanishing, wake_ups, others):
    world.device(serial="S2", owner=world.person(loginname="u2"))
    vanishing("S1")
    events = [JAILBROKEN, *[{**JAILBROKEN, "device": {"serial": "S2"}}] * others]
    returned = api("events").post("/events/batch", {"events": events}).json()
    assert (returned["accepted"], returned["rejected"]) == (others, 1)
    assert returned["results"][0]["error"]["errors"][0]["field"] == "device.serial"
    assert Event.objects.count() == Delivery.objects.count() == others
    assert len(wake_ups) == 1


# Batches


@pytest.mark.parametrize("count", [1, 3, 30], ids=["alone", "few", "many"])
def test_what_events_supplied_is_stored_to_the_letter(api, small_world, count):
    said = "a\tb\nc\r\\N \\t \x7f\u2028\u00a0é😀\"'%s {}"
    supplied = [{"said": said, "kinds": [1, True, 1.0, None, {}]}, {"said": said, "kinds": [True, 1, 0, False, []]}]
    events = [
        {**JAILBROKEN, "source": f"C:\\N {number % 7}", "data": supplied[number % 2], "reasons": {"r": [said]}}
        for number in range(count)
    ]
    answer = api("events").post("/events/batch", {"events": events}).json()
    assert answer["accepted"] == count
    found = Event.objects.in_bulk([result["id"] for result in answer["results"]])
    for event, result in zip(events, answer["results"], strict=True):
        stored = found[UUID(result["id"])]
        assert stored.source == event["source"]
        assert json.dumps(stored.payload["data"], sort_keys=True) == json.dumps(event["data"], sort_keys=True)
        assert stored.payload["reasons"] == event["reasons"]
        assert [row.address for row in stored.deliveries.all()] == ["u1@example.com"]


def test_a_batch_takes_the_good_and_reports_the_bad(api, small_world):
    bad = [
        {"type": "device.nonsense"},
        {**JAILBROKEN, "device": {"serial": "S9"}},
        {**JAILBROKEN, "sauce": "x"},
        {**JAILBROKEN, "data": {"x": "a\0b"}},
        "text",
        {**JAILBROKEN, "expires_at": "2020-01-01T00:00:00Z"},
    ]
    answer = api("events").post("/events/batch", {"events": [JAILBROKEN, *bad, JAILBROKEN]})
    assert answer.status_code == 202
    returned = answer.json()
    assert (returned["accepted"], returned["rejected"]) == (2, 6)
    assert [result["index"] for result in returned["results"]] == list(range(8))
    assert UUID(returned["results"][0]["id"])
    assert (returned["results"][0]["deliveries"], returned["results"][0]["skipped"]) == (1, 0)
    fields = [result["error"]["errors"][0]["field"] for result in returned["results"][1:7]]
    assert fields == ["type", "device.serial", "sauce", "data.x", "body", "expires_at"]
    assert Event.objects.count() == 2


def test_a_batch_of_bad_events_is_refused(api, small_world, problem):
    answer = api("events").post("/events/batch", {"events": [{"type": "x"}, {"type": "y"}]})
    returned = problem(answer, 422)
    assert (returned["accepted"], returned["rejected"], len(returned["results"])) == (0, 2, 2)


def test_1001_events_are_refused_and_none_is_taken(api, small_world, problem):
    problem(api("events").post("/events/batch", {"events": [JAILBROKEN] * 1001}), 422, "events")
    assert not Event.objects.exists()


def test_1000_events_are_taken(api, small_world):
    returned = api("events").post("/events/batch", {"events": [JAILBROKEN] * 1000}).json()
    assert (returned["accepted"], returned["rejected"]) == (1000, 0)
    assert Delivery.objects.filter(state="due").count() == 1000


def test_a_large_batch_is_stored_as_it_was_posted(api, small_world):
    awkward = ["tab\t", "line\nend\r", "back\\slash \\N \\.", "über 😀", "'\"", ""]
    events = [{**JAILBROKEN, "source": f"n\\{n}", "data": {"text": awkward[n % len(awkward)]}} for n in range(30)]
    results = api("events").post("/events/batch", {"events": events}).json()["results"]
    stored = Event.objects.in_bulk([result["id"] for result in results])
    found = [stored[UUID(result["id"])] for result in results]
    assert [(each.source, each.payload["data"]) for each in found] == [(e["source"], e["data"]) for e in events]
    assert {each.received_at for each in found} == set(Delivery.objects.values_list("due_at", flat=True))
    whom = Delivery.objects.values_list("event_id", "person_id", "device_id", "address", "state")
    expected = [(each.pk, each.person_id, each.device_id, "u1@example.com", "due") for each in found]
    assert sorted(whom) == sorted(expected)


def test_each_event_of_a_batch_has_its_own_idempotency_key(api, small_world):
    caller = api("events")
    items = [{**JAILBROKEN, "idempotency_key": "a"}, {**JAILBROKEN, "idempotency_key": "b"}]
    first = caller.post("/events/batch", {"events": items}).json()["results"]
    doubled = [*items, {**JAILBROKEN, "idempotency_key": "c"}, {**JAILBROKEN, "idempotency_key": "c"}]
    other = {**JAILBROKEN, "source": "other", "idempotency_key": "a"}
    again = caller.post("/events/batch", {"events": [*doubled, other]}).json()["results"]
    assert [result["id"] for result in again[:2]] == [result["id"] for result in first]
    assert [result["replayed"] for result in again[:4]] == [True, True, False, True]
    assert again[2]["id"] == again[3]["id"]
    assert again[4]["error"]["status"] == 409
    assert Event.objects.count() == 3


def test_a_batch_may_create_a_device_and_use_it_in_the_next_event(api, small_world):
    events = [
        {**JAILBROKEN, "device": {"serial": "S2", "user": "u1"}},
        {**JAILBROKEN, "device": {"serial": "S2"}},
        {**JAILBROKEN, "device": {"serial": "S3", "user": "nobody"}},
    ]
    returned = api("events", "devices").post("/events/batch", {"events": events}).json()
    assert (returned["accepted"], returned["rejected"]) == (2, 1)
    assert returned["results"][2]["error"]["errors"][0]["field"] == "device.user"
    assert not Device.objects.filter(serial="S3").exists()
