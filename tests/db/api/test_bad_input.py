"""Whatever is sent, the answer is a problem that names the field, and nothing is half-stored."""

import json
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from api.kit.callers import ApiScope
from api.models import ApiKey
from devices.models import Device
from dispatch.models import Delivery, Event

pytestmark = pytest.mark.django_db
JAILBROKEN = {"type": "device.jailbroken", "device": {"serial": "S1"}}


@pytest.fixture(autouse=True)
def _nothing_is_stored(small_world):
    yield
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()
    assert Device.objects.count() == 1


def deep(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"type": "device.jailbroken",}',
        b"{'type': 'x'}",
        b'{"type": "a\nb"}',
        b'\xef\xbb\xbf{"type": "device.jailbroken"}',
        b'{"type": "device.jailbroken", "source": "\xff"}',
        b'{"type": "device.jailbroken", "source": "\xed\xa0\x80"}',
        b'{"type": "device.jailbroken", "type": "device.jailbroken"}',
        b'{"type": "device.jailbroken", "data": {"a": 1, "a": 2}}',
        '{"type": "device.jailbroken"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_400(api, problem, raw):
    problem(api().post("/events", raw), 400)
    problem(api().post("/events/batch", raw), 400)
    problem(api().put("/devices/S1", raw), 400)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": 1}, "type"),
        ({"type": None}, "type"),
        ({"type": ""}, "type"),
        ({"type": "x" * 65}, "type"),
        ({"type": "device.jailbroken\r\nBcc: x"}, "type"),
        ({"type": "device.jailbroken\n"}, "type"),
        ({"sauce": "x"}, "sauce"),
        ({"audience": {"all": []}}, "audience"),
        ({"source": "a\r\nb"}, "source"),
        ({"source": "x" * 256}, "source"),
        ({"template": "a\nb"}, "template"),
        ({"template": "no such"}, "template"),
        ({"device": "S1"}, "device"),
        ({"device": {}}, "device"),
        ({"device": {"model": "x"}}, "device"),
        ({"device": {"serial": "S1", "serail": "x"}}, "device.serail"),
        ({"device": {"serial": "S1\r\nX"}}, "device.serial"),
        ({"user": {"loginname": "u1", "displayname": "a\r\nb"}}, "user.displayname"),
        ({"device": {"serial": "S\u200b1"}}, "device.serial"),
        ({"device": {"serial": "S 1"}}, "device.serial"),
        ({"device": {"imei": "35\u00ad1"}}, "device.imei"),
        ({"device": {"serial": "S1", "user": "u\u200b1"}}, "device.user"),
        ({"user": {"loginname": "u\n1"}}, "user.loginname"),
        ({"user": {"loginname": "u\u200b1"}}, "user.loginname"),
        ({"user": {"loginname": "Ada\u00a0Lovelace"}}, "user.loginname"),
        ({"user": {"loginname": "\u200b"}}, "user"),
        ({"recipients": {"smtp": ["a\u200bda@example.com"]}}, "recipients.smtp.0"),
        ({"recipients": {"smtp": ["ada@exam\u00adple.com"]}}, "recipients.smtp.0"),
        ({"recipients": {"smtp": ["ada\u202e@example.com"]}}, "recipients.smtp.0"),
        ({"recipients": {"sms": ["+49151\u200b12345678"]}}, "recipients.sms.0"),
        ({"recipients": {"sms": ["+49151\t12345678"]}}, "recipients.sms.0"),
        ({"channels": []}, "channels"),
        ({"channels": ["fax"]}, "channels.0"),
        ({"recipients": {"smtp": ["a@example.com\r\nBcc: b@example.com"]}}, "recipients.smtp.0"),
        ({"recipients": {"smtp": ["a@example.com", "a b"]}}, "recipients.smtp.1"),
        ({"recipients": {"smtp": ["a@example.com;b@example.com"]}}, "recipients.smtp.0"),
        ({"recipients": {"sms": ["12"]}}, "recipients.sms.0"),
        ({"recipients": {"secure_hub": ["x"]}}, "recipients.secure_hub"),
        ({"reasons": {"a": "b"}}, "reasons"),
        ({"data": []}, "data"),
        ({"data": {"a": "\0"}}, "data.a"),
        ({"data": {"a": ["x", "\0"]}}, "data.a.1"),
        ({"data": {"a\0": 1}}, "data.a\\0"),
        ({"data": {"a": "\ud800"}}, "data.a"),
        ({"data": {"a": float("nan")}}, "data.a"),
        ({"data": {"a": float("-inf")}}, "data.a"),
        ({"data": {"a": 10**400}}, "data.a"),
        ({"data": {"a": "x" * 10_001}}, "data.a"),
        ({"data": {"a": "x" * 100_000}}, "data.a"),
        ({"data": {"a": list(range(1_001))}}, "data"),
        ({"data": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}}}}}, "data"),
        ({"occurred_at": "2026-11-22T14:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1764000000}, "occurred_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at"),
    ],
)
def test_a_wrong_field_is_named(api, problem, fields, field):
    returned = problem(api().post("/events", {**JAILBROKEN, **fields}), 422)
    assert returned["errors"][0]["field"].startswith(field), returned
    item = api().post("/events/batch", {"events": [{**JAILBROKEN, **fields}]}).json()
    assert item["results"][0]["error"]["errors"][0]["field"].startswith(field), item


@pytest.mark.parametrize("path", ["/events", "/events/batch", "/devices/batch", "/users/batch", "/templates"])
def test_a_name_with_half_a_surrogate_pair_is_named(api, problem, path):
    problem(api().post(path, b'{"\\udfff": 1}'), 422, "\\udfff")


def test_a_long_name_or_value_is_not_repeated_whole(api):
    for path in ("/events", "/events/batch"):
        assert len(api().post(path, {"x" * 100_000: 1}).content) < 1_000
    assert len(api().post("/events", {**JAILBROKEN, "channels": ["x" * 100_000]}).content) < 1_000


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"channels": ["smtp", "fax"]}, "Give one of smtp, sms, secure_hub."),
        ({"device": {"serial": "S1", "platform": "ios"}}, "Give one of ANDROID, MACOSX, WINDOWS, iOS."),
        ({"source": "a\r\nb"}, "Line ends and other control characters are not taken here."),
    ],
)
def test_a_problem_tells_the_remedy(api, problem, fields, remedy):
    assert problem(api().post("/events", {**JAILBROKEN, **fields}), 422)["detail"] == remedy
    item = api().post("/events/batch", {"events": [{**JAILBROKEN, **fields}]}).json()
    assert item["results"][0]["error"]["detail"] == remedy


def test_a_query_tells_the_values_it_takes(api, problem):
    returned = problem(api().get("/deliveries?channel=fax"), 422, "channel")
    assert returned["detail"] == "Give one of smtp, sms, secure_hub."
    returned = problem(api().get("/devices?ownership=mine"), 422, "ownership")
    assert returned["detail"] == "Give one of corporate, byod, unknown."


def test_a_bad_idempotency_key_of_an_item_tells_the_remedy(api):
    item = api().post("/events/batch", {"events": [{**JAILBROKEN, "idempotency_key": "\n"}]}).json()
    assert item["results"][0]["error"]["detail"] == "An idempotency key has 1 to 255 printable characters."


@pytest.mark.parametrize(("path", "field"), [("/devices/a%00b", "serial"), ("/users/a%00b", "loginname")])
def test_a_wrong_key_in_the_address_is_named(api, problem, path, field):
    problem(api().put(path, {}), 422, field, "nul")


def test_a_number_too_large_for_a_float_is_refused(api, problem):
    raw = json.dumps({**JAILBROKEN, "data": {"a": 0}}).replace('"a": 0', '"a": 1e999')
    problem(api().post("/events", raw), 422, "data.a", "not_a_number")


def test_a_time_more_than_5_minutes_ahead_is_refused(api, problem):
    ahead = (timezone.now() + timedelta(minutes=6)).isoformat()
    problem(api().post("/events", {**JAILBROKEN, "occurred_at": ahead}), 422, "occurred_at", "future")


@pytest.mark.parametrize("levels", [100, 10_000])
def test_deep_json_is_refused(api, problem, levels):
    for raw in (deep(levels), b'{"type": "device.jailbroken", "data": {"a": ' + deep(levels) + b"}}"):
        problem(api().post("/events", raw), 422)
        problem(api().put("/users/u1", b'{"properties": ' + deep(levels) + b"}"), 422)


@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"', "true"])
def test_json_that_is_no_object_is_refused(api, problem, body):
    problem(api().post("/events", body), 422, "body")
    problem(api().post("/events/batch", body), 422, "body")


def test_too_many_bytes_are_413(api, problem):
    body = json.dumps({**JAILBROKEN, "data": {"a": "x" * 2**21}})
    problem(api().post("/events", body), 413)
    problem(api().put("/devices/S1", body), 413)
    problem(api().post("/events/batch", b" " * (8 * 2**20 + 1)), 413)
    results = api().post("/events/batch", b'{"events": [' + body.encode() + b"]}").json()["results"]
    assert results[0]["error"]["status"] == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_content_type_is_415(api, problem, kind):
    problem(api().post("/events", JAILBROKEN, content_type=kind), 415)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer xmn_abcdefgh_secret", "Basic eDp5", "Bearer xmn_ä_ö", "Bearer xmn__"]
)
def test_without_a_live_key_it_is_401(api, problem, header):
    answer = api().post("/events", JAILBROKEN, headers={"Authorization": header})
    problem(answer, 401)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_changed_expired_or_revoked_key_is_401(api, problem):
    caller = api("events")
    good = caller.key
    caller.key = good[:-1] + ("a" if good[-1] != "a" else "b")
    problem(caller.post("/events", JAILBROKEN), 401)
    caller.key = good
    ApiKey.objects.update(expires_at=timezone.now())
    problem(caller.post("/events", JAILBROKEN), 401)
    ApiKey.objects.update(expires_at=None, revoked_at=timezone.now())
    problem(caller.post("/events", JAILBROKEN), 401)


def test_no_answer_repeats_the_key(api):
    caller = api("read")
    for answer in (caller.get("/ping"), caller.post("/events", JAILBROKEN), caller.get("/events?x=1")):
        assert caller.key.split("_", 2)[2] not in answer.content.decode()


def test_a_key_is_noted_as_used(api):
    caller = api("read")
    caller.get("/ping")
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.parametrize("path", ["/nowhere", "/events/1", "/events/", "", "/deliveries/x/retry"])
def test_an_address_where_nothing_is_answers_with_a_problem(api, problem, path):
    problem(api().get(path), 404)


def test_an_unknown_event_and_delivery_are_404(api, problem):
    problem(api().get("/events/00000000-0000-7000-8000-000000000000"), 404)
    problem(api().get("/deliveries/00000000-0000-7000-8000-000000000000"), 404)


def test_another_method_is_405_and_told_which_are_right(api, problem):
    answer = api().send("PATCH", "/events")
    problem(answer, 405)
    assert answer["Allow"] == "GET, OPTIONS, POST"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/events?limit=0", "limit"),
        ("/events?limit=1000", "limit"),
        ("/events?limit=x", "limit"),
        ("/events?after=x", "after"),
        ("/events?since=2026-01-01T00:00:00", "since"),
        ("/events?nonsense=1", "nonsense"),
        ("/events?limit=1&limit=2", "limit"),
        ("/events?source=%00", "source"),
        ("/deliveries?state=lost", "state"),
        ("/devices?search=%00", "search"),
    ],
)
def test_a_wrong_query_is_named(api, problem, path, field):
    problem(api().get(path), 422, field)


def test_a_database_that_is_away_is_503_with_a_time_to_wait(api, problem, monkeypatch):
    caller = api()

    def away(*_, **__):
        raise OperationalError("password of the database")

    monkeypatch.setattr("dispatch.intake.accept.accept_all", away)
    answer = caller.post("/events", JAILBROKEN)
    problem(answer, 503)
    assert answer["Retry-After"] == "5"
    assert "idempotency key" in answer.json()["detail"]
    assert "password" not in answer.content.decode()


def test_a_fault_of_ours_is_a_problem_without_internals(api, problem, monkeypatch):
    caller = api()

    def fails(*_, **__):
        raise RuntimeError("internal detail")

    monkeypatch.setattr("dispatch.intake.accept.accept_all", fails)
    answer = caller.post("/events", JAILBROKEN)
    problem(answer, 500)
    assert "internal" not in answer.content.decode().lower().replace("internal server error", "")


ROUTES = [
    ("POST", "/events", {"events"}),
    ("POST", "/events/batch", {"events"}),
    ("GET", "/events", {"read", "events"}),
    ("GET", "/events/00000000-0000-7000-8000-000000000000", {"read", "events"}),
    ("GET", "/deliveries", {"read", "events"}),
    ("GET", "/deliveries/00000000-0000-7000-8000-000000000000", {"read", "events"}),
    ("POST", "/deliveries/00000000-0000-7000-8000-000000000000/retry", {"send"}),
    ("POST", "/deliveries/00000000-0000-7000-8000-000000000000/cancel", {"send"}),
    ("PUT", "/devices/S1", {"devices"}),
    ("DELETE", "/devices/S1", {"devices"}),
    ("POST", "/devices/batch", {"devices"}),
    ("GET", "/devices", {"devices", "read"}),
    ("PUT", "/users/u1", {"devices"}),
    ("DELETE", "/users/u1", {"devices"}),
    ("POST", "/users/batch", {"devices"}),
    ("GET", "/users/u1", {"devices", "read"}),
]


@pytest.mark.parametrize(("method", "path", "scopes"), ROUTES)
def test_every_address_asks_for_its_scope(api, problem, method, path, scopes):
    wrong = sorted(set(ApiScope) - scopes)
    problem(api(*wrong).send(method, path, b"[]"), 403)
    nobody = api("read")
    nobody.key = ""
    problem(nobody.send(method, path, b"[]"), 401)
