"""Every reason that APNs gives, those it may add, and answers of something else."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.net.http2 import Answer
from transports.push.apns_replies import ROWS, goodbye, judge
from transports.types import Deferred, ReasonCode, Rejected, Scope, Sent


def answer(status, reason=None, **more):
    headers = more.pop("headers", {})
    body = b"" if reason is None else json.dumps({"reason": reason, **more}).encode()
    return Answer(status, headers, body)


def judged(*args, token="", **more):
    return judge(answer(*args, **more), token=token)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "code", "scope"),
    [
        (400, "BadCollapseId", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "BadDeviceToken", Rejected, ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT),
        (400, "BadExpirationDate", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "BadMessageId", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "BadPriority", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "BadTopic", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (400, "DeviceTokenNotForTopic", Rejected, ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT),
        (400, "DuplicateHeaders", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "IdleTimeout", Deferred, ReasonCode.TEMPORARY, Scope.MESSAGE),
        (400, "InvalidPushType", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "MissingDeviceToken", Rejected, ReasonCode.ADDRESS_INVALID, Scope.RECIPIENT),
        (400, "MissingTopic", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (400, "PayloadEmpty", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (400, "TopicDisallowed", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "BadCertificate", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        (403, "BadCertificateEnvironment", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "BadEnvironmentKeyInToken", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "BadEnvironmentKeyIdInToken", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "ExpiredProviderToken", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "Forbidden", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (403, "InvalidProviderToken", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        (403, "MissingProviderToken", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        (403, "UnrelatedKeyIdInToken", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (404, "BadPath", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (405, "MethodNotAllowed", Deferred, ReasonCode.CONFIGURATION, Scope.SERVER),
        (410, "ExpiredToken", Rejected, ReasonCode.TOKEN_DEAD, Scope.RECIPIENT),
        (410, "Unregistered", Rejected, ReasonCode.TOKEN_DEAD, Scope.RECIPIENT),
        (413, "PayloadTooLarge", Rejected, ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE),
        (429, "TooManyProviderTokenUpdates", Deferred, ReasonCode.THROTTLED, Scope.SERVER),
        (429, "TooManyRequests", Deferred, ReasonCode.THROTTLED, Scope.RECIPIENT),
        (500, "InternalServerError", Deferred, ReasonCode.TEMPORARY, Scope.MESSAGE),
        (503, "ServiceUnavailable", Deferred, ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER),
        (503, "Shutdown", Deferred, ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER),
        # Apple may add some:
        (400, "MoonInWrongPhase", Rejected, ReasonCode.PERMANENT, Scope.MESSAGE),
        (403, "MoonInWrongPhase", Deferred, ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER),
        (410, "MoonInWrongPhase", Rejected, ReasonCode.TOKEN_REFUSED, Scope.RECIPIENT),
        (429, "MoonInWrongPhase", Deferred, ReasonCode.THROTTLED, Scope.SERVER),
        (503, "MoonInWrongPhase", Deferred, ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER),
    ],
)
def test_each_reason_has_its_meaning_and_is_shown_literally(status, reason, kind, code, scope):
    found = judged(status, reason)
    assert isinstance(found, kind)
    assert (found.reason.code, found.reason.scope, found.reason.reply) == (code, scope, str(status))
    assert found.reason.detail == reason


def test_the_table_above_is_whole():
    (mark,) = test_each_reason_has_its_meaning_and_is_shown_literally.pytestmark
    assert {row[1] for row in mark.args[1]} - {"MoonInWrongPhase"} == set(ROWS)


def test_taken_has_the_ids_that_came():
    found = judged(200, headers={"apns-id": "A", "apns-unique-id": "B"})
    assert found == Sent("A", detail="apns-unique-id B", reply="200")


@pytest.mark.parametrize(
    ("timestamp", "gone_at"),
    [
        (1_760_000_000_000, datetime.fromtimestamp(1_760_000_000, UTC)),
        ("soon", None),
        (None, None),
        (1e300, None),
    ],
)
def test_a_dead_token_has_since_when_in_milliseconds(timestamp, gone_at):
    assert judged(410, "Unregistered", timestamp=timestamp).gone_at == gone_at


@pytest.mark.parametrize(("minutes", "at_least", "at_most"), [(5, 14, 15), (30, 1, 1)])
def test_too_many_new_tokens_wait_until_the_next_one_is_allowed(minutes, at_least, at_most):
    token = jwt.encode({"iat": int(time.time()) - minutes * 60}, "x" * 32, algorithm="HS256")
    wait = judged(429, "TooManyProviderTokenUpdates", token=token).retry_after
    assert timedelta(minutes=at_least) <= wait <= timedelta(minutes=at_most)


@pytest.mark.parametrize(("apart", "words"), [(7200, "s behind)"), (-7200, "s ahead)"), (0, "ExpiredProviderToken")])
def test_a_token_of_this_moment_that_is_too_old_tells_of_the_clock(apart, words):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=apart), usegmt=True)
    assert judged(403, "ExpiredProviderToken", headers={"date": date}).reason.detail.endswith(words)


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_what_is_not_apns_is_the_servers_trouble(status):
    found = judge(Answer(status, {}, b"<html>Sign in</html>"), token="")
    assert isinstance(found, Deferred)
    assert found.reason.scope is Scope.SERVER


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('NO_ERROR {"reason":"BadCertificate"}', ReasonCode.CREDENTIALS_REFUSED),
        ('NO_ERROR {"reason":"Shutdown"}', None),
        ('NO_ERROR {"reason":"IdleTimeout"}', None),
        ("NO_ERROR", None),
        ("NO_ERROR {", None),
    ],
)
def test_a_goodbye_tells_of_trouble_where_that_lasts(said, code):
    found = goodbye(said)
    assert (found and found.code) == code


@given(
    status=st.integers(100, 599), body=st.binary(max_size=60) | st.text().map(lambda text: json.dumps(text).encode())
)
def test_no_answer_is_a_crash(status, body):
    found = judge(Answer(status, {"date": "yesterday"}, body), token="none")
    if isinstance(found, Rejected):
        assert found.reason.scope is not Scope.SERVER
