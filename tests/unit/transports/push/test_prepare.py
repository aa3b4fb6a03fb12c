"""What both push channels post, and what they refuse beforehand."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.wire import push
from transports.push.apns import ApnsChannel
from transports.push.config import ApnsConfig, FcmConfig, FileError, read_account
from transports.push.doubts import Doubts
from transports.push.fcm import FcmChannel
from transports.types import AddressKind, Message, ReasonCode, Recipient, Rejected, Scope

APNS = ApnsChannel(ApnsConfig(push.TOPIC, certificate="x"))
DATE = datetime(2026, 11, 22, tzinfo=UTC)
KEY = UUID(int=5)


@pytest.fixture(scope="module")
def fcm():
    return FcmChannel(FcmConfig(push.key_file("https://localhost/token")))


def message(text="It works.", *, subject="", sound=""):
    return Message(KEY, subject, text, DATE, sound=sound)


def posted(channel, to, **fields):
    wire = channel.prepare(message(**fields), (to,))
    return channel.service.request(wire, token="secret")


@pytest.mark.parametrize(
    ("fields", "aps"),
    [
        ({}, {"alert": {"body": "It works."}}),
        ({"subject": "Hi"}, {"alert": {"title": "Hi", "body": "It works."}}),
        ({"sound": "default"}, {"alert": {"body": "It works."}, "sound": "default"}),
        ({"sound": "AlarmHorn"}, {"alert": {"body": "It works."}, "sound": "AlarmHorn.wav"}),
        ({"text": "Grüße \U0001f514"}, {"alert": {"body": "Grüße \U0001f514"}}),
    ],
)
def test_apns_gets_the_text_and_its_sound(fields, aps):
    assert json.loads(posted(APNS, push.iphone(1), **fields).body) == {"aps": aps}


def test_apns_gets_topic_kind_id_and_how_long_it_counts():
    request = posted(APNS, push.iphone(1))
    assert request.path == f"/3/device/{push.iphone(1).address}"
    assert dict(request.headers) == {
        "authorization": "bearer secret",
        "apns-topic": push.TOPIC,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-id": str(KEY),
        "apns-collapse-id": str(KEY),
        "apns-expiration": str(int((DATE + timedelta(days=3)).timestamp())),
    }


def test_fcm_gets_text_sound_urgency_and_a_tag(fcm):
    request = posted(fcm, push.android(1), subject="Hi", sound="Congos")
    assert request.path == f"/v1/projects/{push.PROJECT}/messages:send"
    assert dict(request.headers)["authorization"] == "Bearer secret"
    assert json.loads(request.body) == {
        "message": {
            "token": push.android(1).address,
            "notification": {"title": "Hi", "body": "It works."},
            "android": {
                "priority": "HIGH",
                "ttl": "259200s",
                "notification": {"tag": str(KEY), "sound": "Congos.wav"},
            },
        }
    }


@pytest.mark.parametrize(
    ("address", "name"), [("eXaMpLe_ID-0123456789", "token"), ("dEf_-0123456789abcdefg", "fid"), ("a" * 160, "token")]
)
def test_both_kinds_of_address_of_fcm_are_told_apart(address, name, fcm):
    wire = fcm.prepare(message(), (Recipient(AddressKind.FCM, address),))
    assert json.loads(wire.payload)["message"][name] == address


@pytest.mark.parametrize(
    "to",
    [
        Recipient(AddressKind.APNS, ""),
        Recipient(AddressKind.APNS, "abc"),
        Recipient(AddressKind.APNS, "zz" * 32),
        Recipient(AddressKind.APNS, "../" + "ab" * 32),
        Recipient(AddressKind.FCM, "a b" * 10),
        Recipient(AddressKind.FCM, "short"),
        Recipient(AddressKind.MAIL, "anna@example.org"),
    ],
)
def test_what_is_no_token_is_refused(to, fcm):
    for channel in (APNS, fcm):
        refused = channel.prepare(message(), (to,))
        assert isinstance(refused, Rejected)
        assert refused.reason.scope is Scope.RECIPIENT


@pytest.mark.parametrize("service", ["apns", "fcm"])
def test_a_payload_beyond_4096_bytes_is_refused_with_both_numbers(service, fcm):
    channel, to = (APNS, push.iphone(1)) if service == "apns" else (fcm, push.android(1))
    assert not isinstance(channel.prepare(message("x" * 3900), (to,)), Rejected)
    refused = channel.prepare(message("ü" * 2100), (to,))
    assert refused.reason.code is ReasonCode.TEXT_TOO_LONG
    assert refused.reason.detail.endswith("and the service takes 4,096")


def test_an_empty_text_is_refused(fcm):
    assert APNS.prepare(message(" \n"), (push.iphone(1),)).reason.code is ReasonCode.TEMPLATE_ERROR
    assert fcm.prepare(message(""), (push.android(1),)).reason.code is ReasonCode.TEMPLATE_ERROR


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("AAAA1234567:" + "x" * 140, "server key"),
        ("AIza" + "x" * 35, "server key"),
        ("", "no JSON"),
        ("[]", "another kind"),
        ('{"type": "service_account"}', "not whole"),
        (push.key_file("http://localhost/token"), "without https"),
        (push.key_file("https://localhost/token", private_key="x"), "can't be read"),
        (push.key_file("https://localhost/token", private_key=push.apple_pem()[0]), "can't be read"),
    ],
)
def test_a_file_that_is_no_service_account_is_named(text, cause):
    with pytest.raises(FileError, match=cause):
        read_account(text)


def test_a_key_of_another_kind_is_named():
    with pytest.raises(FileError, match="another kind"):
        push.signing_key(pem=push.google_pem()[0]).private_key()
    with pytest.raises(FileError, match="not the key file"):
        push.signing_key(pem="x").private_key()


def test_nothing_secret_is_in_what_a_configuration_shows(fcm):
    shown = repr(ApnsConfig(push.TOPIC, key=push.signing_key(), certificate="PRIVATE")) + repr(fcm._config)
    assert "PRIVATE" not in shown


def test_three_devices_and_more_than_a_fifth_are_doubted():
    doubts = Doubts()
    assert [doubts.doubt(str(number)) for number in range(3)] == [False, False, True]
    mixed = Doubts()
    for _ in range(20):
        mixed.trust()
    assert [mixed.doubt(str(number)) for number in range(6)] == [False] * 5 + [True]


def test_one_device_however_often_says_nothing_and_an_accepted_one_ends_it():
    doubts = Doubts()
    assert not any(doubts.doubt("same") for _ in range(10))
    assert not doubts.doubt("second")
    assert doubts.doubt("third")
    doubts.trust()
    assert not doubts.doubt("fourth")
