"""Every error code of FCM, general errors without one, and answers of something else."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.net.http2 import Answer
from transports.push.fcm_replies import is_stale, judge
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent


def answer(status, general, code="", *, words="", fields=(), **headers):
    details = [{"errorCode": code}] if code else []
    details += [{"fieldViolations": [{"field": name} for name in fields]}] if fields else []
    error = {"code": status, "status": general, "message": words, "details": details}
    return Answer(
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps({"error": error}).encode(),
    )


@pytest.mark.parametrize(
    ("status", "general", "own", "kind", "code", "scope"),
    [
        (404, "NOT_FOUND", "UNREGISTERED", Rejected, ReasonCode.TOKEN_DEAD, Scope.RECIPIENT),
        (404, "NOT_FOUND", "", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "INVALID_ARGUMENT", "", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", Rejected, ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT),
        (403, "PERMISSION_DENIED", "", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", Rejected, ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT),
        (401, "UNAUTHENTICATED", "", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Deferred, ReasonCode.THROTTLED, Scope.SERVER),
        (503, "UNAVAILABLE", "UNAVAILABLE", Deferred, ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER),
        (500, "INTERNAL", "INTERNAL", Deferred, ReasonCode.TEMPORARY, Scope.MESSAGE),
        # Google may add some:
        (400, "FAILED_PRECONDITION", "MOON_IN_WRONG_PHASE", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (503, "UNAVAILABLE", "MOON_IN_WRONG_PHASE", Deferred, ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER),
    ],
)
def test_each_error_has_its_meaning_and_is_shown_literally(status, general, own, kind, code, scope):
    found = judge(answer(status, general, own, words="Some words"))
    assert isinstance(found, kind)
    assert (found.reason.code, found.reason.scope, found.reason.reply) == (code, scope, str(status))
    assert found.reason.detail == f"{own or general}: Some words"


@pytest.mark.parametrize(
    ("words", "fields"),
    [("The registration token is not a valid FCM registration token", ()), ("Invalid value", ("message.token",))],
)
def test_a_bad_token_is_its_devices_own_and_never_dead(words, fields):
    found = judge(answer(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", words=words, fields=fields))
    assert (found.reason.code, found.reason.scope) == (ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_pause_that_is_asked_for_counts_whole_and_is_no_failure(status):
    own = {429: "QUOTA_EXCEEDED", 500: "INTERNAL", 503: "UNAVAILABLE"}[status]
    found = judge(answer(status, "X", own, retry_after="86400"))
    assert (found.reason.code, found.reason.scope) == (ReasonCode.THROTTLED, Scope.SERVER)
    assert found.retry_after == timedelta(days=1)


def test_a_pause_may_be_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    found = judge(answer(503, "UNAVAILABLE", "UNAVAILABLE", retry_after=date))
    assert timedelta(minutes=110) < found.retry_after < timedelta(minutes=121)


@pytest.mark.parametrize("header", ["soon", "", "-1", "0"])
def test_a_quota_without_a_time_waits_a_minute(header):
    found = judge(answer(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", retry_after=header))
    assert found.retry_after == timedelta(minutes=1)


def test_a_refused_access_token_is_told_from_firebases_own_trouble():
    assert is_stale(answer(401, "UNAUTHENTICATED"))
    assert not is_stale(answer(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"))


def test_taken_has_its_name():
    assert judge(Answer(200, {}, b'{"name": "projects/p/messages/1"}')) == Sent("projects/p/messages/1", reply="200")


@pytest.mark.parametrize("status", [200, 302, 403, 404, 502])
def test_what_is_not_fcm_is_the_servers_trouble(status):
    found = judge(Answer(status, {}, b"<html>Sign in</html>"))
    assert isinstance(found, Deferred)
    assert found.reason.scope is Scope.SERVER


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "details", "errorCode", "fieldViolations", "field", "name", "status"]), inner
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(100, 599), body=json_values, header=st.text(max_size=10))
def test_no_answer_is_a_crash(status, body, header):
    found = judge(Answer(status, {"retry-after": header}, json.dumps(body).encode()))
    if isinstance(found, Rejected):
        assert found.reason.scope is not Scope.SERVER
