"""Every status of the SMS API, and answers that nobody would expect."""

import io
import json
from datetime import timedelta

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from transports.nexmo.replies import ROWS, judge
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent, Unknown


def answer(body, *, status=200, kind="application/json", **headers):
    made = requests.Response()
    made.status_code, made.reason = status, "words"
    made.headers["Content-Type"] = kind
    made.headers.update(headers)
    made.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    return made


def part(status, words="", **fields):
    return {"status": status, "error-text": words, **fields}


def submitted(*parts):
    return answer({"message-count": str(len(parts)), "messages": list(parts)})


@pytest.mark.parametrize(
    ("status", "kind", "code", "scope"),
    [
        ("1", Deferred, ReasonCode.THROTTLED, Scope.SERVER),
        ("2", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        ("3", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        ("4", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        ("5", Deferred, ReasonCode.TEMPORARY, Scope.MESSAGE),
        ("6", Rejected, ReasonCode.NUMBER_INVALID, Scope.RECIPIENT),
        ("7", Rejected, ReasonCode.NUMBER_BARRED, Scope.RECIPIENT),
        ("8", Deferred, ReasonCode.ACCOUNT_SUSPENDED, Scope.SERVER),
        ("9", Deferred, ReasonCode.OUT_OF_CREDIT, Scope.SERVER),
        ("10", Deferred, ReasonCode.THROTTLED, Scope.SERVER),
        ("11", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        ("12", Rejected, ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE),
        ("14", Deferred, ReasonCode.SIGNATURE_REFUSED, Scope.SERVER),
        ("15", Rejected, ReasonCode.SENDER_REFUSED, Scope.RECIPIENT),
        ("22", Rejected, ReasonCode.PERMANENT, Scope.RECIPIENT),
        ("23", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        ("29", Rejected, ReasonCode.DEMO_ACCOUNT, Scope.RECIPIENT),
        ("32", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        ("33", Rejected, ReasonCode.NUMBER_INVALID, Scope.RECIPIENT),
        ("19", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        ("", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
    ],
)
def test_each_status_has_its_meaning(status, kind, code, scope):
    found = judge(submitted(part(status, "Some words")))
    assert isinstance(found, kind)
    assert (found.reason.code, found.reason.scope, found.reason.reply) == (code, scope, status)
    assert found.reason.detail == "Some words"


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        ("3", "Invalid value for param: to", ReasonCode.NUMBER_INVALID),
        ("3", "Invalid value for param: from", ReasonCode.SENDER_REFUSED),
        ("2", "Missing api_secret", ReasonCode.CONFIGURATION),
        ("2", "Missing text", ReasonCode.PERMANENT),
    ],
)
def test_a_parameter_that_is_named_tells_whose_fault_it_is(status, words, code):
    assert judge(submitted(part(status, words))).reason.code is code


def test_all_parts_taken_is_sent_with_every_id():
    found = judge(submitted(part("0", **{"message-id": "A"}), part("0", **{"message-id": "B", "network": "23410"})))
    assert found == Sent("A B", detail="2 parts, network 23410", reply="0")


@pytest.mark.parametrize("last", [row.status for row in ROWS])
def test_whatever_fails_behind_a_taken_part_it_is_final_and_of_this_message_alone(last):
    found = judge(submitted(part("0", **{"message-id": "A"}), part(last)))
    assert isinstance(found, Rejected)
    assert (found.reason.code, found.reason.scope) == (ReasonCode.PARTLY_SENT, Scope.MESSAGE)


def test_our_secrets_are_cut_out_of_what_is_repeated():
    found = judge(submitted(part("4", "Bad secret 'hunter2'\r\nX")), secrets=["hunter2"])
    assert found.reason.detail == "Bad secret '***'  X"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages": []}', b'{"messages": ["x"]}', b"[" * 100_000])
def test_json_that_is_none_of_the_services_leaves_it_open_whether_it_was_taken(body):
    assert isinstance(judge(answer(body)), Unknown)
    assert isinstance(judge(answer(body, kind="text/html")), Deferred)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["messages", "status", "error-text", "x"]), inner)
    ),
    max_leaves=12,
)


@given(status=st.integers(100, 599), body=json_values, kind=st.sampled_from(["application/json", "text/html", ""]))
def test_no_answer_is_a_crash(status, body, kind):
    found = judge(answer(body, status=status, kind=kind, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert isinstance(found, Sent | Deferred | Rejected | Unknown)
    if isinstance(found, Rejected):
        assert found.reason.scope is not Scope.SERVER


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("999999", 3600), ("soon", None), ("", None), ("-1", None)])
def test_how_long_to_wait_is_taken_from_the_answer_within_reason(header, seconds):
    found = judge(answer({}, status=503, **{"Retry-After": header}))
    assert found.retry_after == (timedelta(seconds=seconds) if seconds else None)


PAGE = b"<head><title>x</title></head><body><h1>Refused</h1><script>no()</script>by &quot;policy&quot; 7</body>"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 451])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Invalid sender ID"}, "Invalid sender ID"),
        (
            {"title": "Invalid", "detail": "from: not allowed", "type": "https://x.example/e"},
            "Invalid: from: not allowed",
        ),
        ({"error": {"code": 21, "message": "Not a mobile number"}}, "Not a mobile number"),
        ({"errors": [{"message": "to: missing"}, {"message": "text: missing"}]}, "to: missing: text: missing"),
        ({"messages": [{"status": "EC", "error-text": "No route"}]}, "No route"),
        ({"why": "out of range"}, "out of range"),
        (["first", "second"], "first: second"),
        (b"Sender not\r\nallowed", "Sender not allowed"),
        (PAGE, 'Refused by "policy" 7'),
        (b"", ""),
        (b"{}", ""),
        (b"[" * 100_000, None),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_words_of_a_refusal_stand_in_its_reason(status, body, words):
    detail = judge(answer(body, status=status)).reason.detail
    assert len(detail) <= 500
    if words is not None:
        assert detail == (f"words: {words}" if words else "words")


@pytest.mark.parametrize("body", [{"message": "key %s"}, b"key %s", b"<b>key %s</b>", b'{"x": ["key=%s"]}'])
@pytest.mark.parametrize(
    "written", ['s3 cr&t/ä"', "s3+cr%26t%2F%C3%A4%22", "s3%20cr%26t/%C3%A4%22", "s3 cr&amp;t/ä&quot;"]
)
def test_no_secret_is_repeated_however_it_is_written(body, written):
    if isinstance(body, dict):
        body = {"message": body["message"] % written}
    else:
        body = body.replace(b"%s", written.replace('"', '\\"' if body.startswith(b"{") else '"').encode())
    detail = judge(answer(body, status=400), secrets=['s3 cr&t/ä"']).reason.detail
    assert "***" in detail
    assert "cr" not in detail


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_compatible_services_own_words_under_a_status_of_its_own_are_read_by_the_table(status):
    refused = answer({"messages": [part("6", "Unroutable")]}, status=status)
    assert judge(refused) == judge(submitted(part("6", "Unroutable")))
    assert judge(answer({"messages": [part("4", "Bad")]}, status=status)).reason.code is ReasonCode.CREDENTIALS_REFUSED
    taken = answer({"messages": [part("0"), part("6")]}, status=status)
    assert judge(taken).reason.reply == str(status)


def test_a_body_without_end_is_cut():
    assert len(judge(answer(b"x " * 1_000_000, status=400)).reason.detail) <= 500
