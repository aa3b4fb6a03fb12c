"""CloudEvents 1.0 at the address of events: structured, binary and in batches."""

import base64
import json

import pytest

from dispatch.models import Event

pytestmark = pytest.mark.django_db
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENT = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/mdm/1",
    "type": "device.jailbroken",
    "time": "2026-04-05T17:31:00Z",
    "subject": "S1",
    "datacontenttype": "application/json",
    "comexampleextension1": "value",
    "data": {"device": {"serial": "S1"}, "data": {"a": 1}},
}
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "A234-1234-1234",
    "ce-source": "/mdm/Euro%20%E2%82%AC%20%F0%9F%98%80",
    "ce-type": "device.jailbroken",
    "ce-time": "2026-04-05T17:31:00Z",
    "ce-comexampleextension1": "value",
}


def test_a_structured_event_is_taken_once(api, small_world):
    caller = api("events")
    first = caller.post("/events", EVENT, content_type=f"{STRUCTURED}; charset=UTF-8")
    assert first.status_code == 202
    again = caller.post("/events", EVENT, content_type=STRUCTURED).json()
    assert again == {**first.json(), "replayed": True}
    event = Event.objects.get()
    assert (event.type, event.source, event.payload["data"]) == ("device.jailbroken", "/mdm/1", {"a": 1})
    assert event.occurred_at.isoformat() == "2026-04-05T17:31:00+00:00"


def test_the_key_is_source_and_id_together(api, small_world):
    caller = api("events")
    for change in ({}, {"source": "/mdm/2"}, {"id": "B"}):
        assert not caller.post("/events", {**EVENT, **change}, content_type=STRUCTURED).json()["replayed"]
    assert Event.objects.count() == 3


def test_a_binary_event_is_taken_with_its_headers_decoded(api, small_world):
    caller = api("events")
    first = caller.post("/events", EVENT["data"], headers=BINARY)
    assert first.status_code == 202
    assert caller.post("/events", EVENT["data"], headers=BINARY).json()["replayed"]
    assert Event.objects.get().source == "/mdm/Euro € 😀"


def test_an_attribute_of_a_binary_event_that_is_no_utf_8_is_named(api, small_world, problem):
    problem(api().post("/events", EVENT["data"], headers={**BINARY, "ce-id": "a%ffb"}), 422, "id", "invalid")


def test_binary_and_structured_are_the_same_event(api, small_world):
    caller = api("events")
    caller.post("/events", EVENT, content_type=STRUCTURED)
    answer = caller.post("/events", EVENT["data"], headers={**BINARY, "ce-source": "/mdm/1"})
    assert answer.json()["replayed"]


def test_data_in_base64_is_read(api, small_world):
    event = {name: value for name, value in EVENT.items() if name != "data"}
    event["data_base64"] = base64.b64encode(json.dumps(EVENT["data"]).encode()).decode()
    assert api("events").post("/events", event, content_type=STRUCTURED).json()["deliveries"] == 1


def test_a_batch_takes_the_good_and_reports_the_bad(api, small_world):
    events = [EVENT, {**EVENT, "id": "2", "type": "device.nonsense"}, "x", {**EVENT, "id": "3"}]
    returned = api("events").post("/events", events, content_type=BATCH).json()
    assert (returned["accepted"], returned["rejected"]) == (2, 2)
    fields = [result["error"]["errors"][0]["field"] for result in returned["results"] if "error" in result]
    assert fields == ["type", "body"]


@pytest.mark.parametrize("events", [[], {}, [EVENT] * 1001])
def test_a_batch_has_1_to_1000_events(api, small_world, problem, events):
    problem(api("events").post("/events", events, content_type=BATCH), 422, "body")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"source": None}, "source"),
        ({"time": "2026-04-05T17:31:00"}, "occurred_at"),
        ({"Extension": "x"}, "Extension"),
        ({"data": []}, "data"),
        ({"data": "text"}, "data"),
        ({"data": {"type": "x"}}, "data.type"),
        ({"data": {"sauce": "x"}}, "sauce"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"subject": "a\0b"}, "subject"),
    ],
)
def test_a_wrong_attribute_is_named(api, small_world, problem, change, field):
    problem(api("events").post("/events", {**EVENT, **change}, content_type=STRUCTURED), 422, field)
    assert not Event.objects.exists()


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_required_attribute_is_missed(api, small_world, problem, name):
    event = {key: value for key, value in EVENT.items() if key != name}
    problem(api("events").post("/events", event, content_type=STRUCTURED), 422, name, "required")
    headers = {key: value for key, value in BINARY.items() if key != f"ce-{name}"}
    if name != "specversion":
        problem(api("events").post("/events", EVENT["data"], headers=headers), 422, name, "required")


def test_data_that_is_no_json_is_refused(api, small_world, problem):
    event = {**EVENT, "datacontenttype": "text/xml", "data": "<x/>"}
    problem(api("events").post("/events", event, content_type=STRUCTURED), 415)
    event = {name: value for name, value in EVENT.items() if name != "data"}
    problem(api("events").post("/events", {**event, "data_base64": "!"}, content_type=STRUCTURED), 422, "data_base64")
    problem(api("events").post("/events", {**event, "data_base64": "AAAA"}, content_type=STRUCTURED), 400)


def test_an_idempotency_key_beside_it_is_refused(api, small_world, problem):
    answer = api("events").post("/events", EVENT, content_type=STRUCTURED, headers={"Idempotency-Key": "x"})
    problem(answer, 422, "Idempotency-Key")


def test_the_handshake_of_web_hooks_is_answered(api):
    answer = api("events").send("OPTIONS", "/events", b"", headers={"WebHook-Request-Origin": "mdm.example.com"})
    assert (answer.status_code, answer["WebHook-Allowed-Origin"]) == (204, "mdm.example.com")
