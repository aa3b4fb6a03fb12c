"""What is prepared for the SMS service, and how it is signed."""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.nexmo_account import split
from transports.addresses.segments import cut
from transports.nexmo.channel import MOST_CHARACTERS, NexmoChannel, signed_in
from transports.nexmo.config import NexmoConfig, SignatureMethod, Signer
from transports.nexmo.receipts import CODES, read
from transports.types import AddressKind, Message, ReasonCode, Recipient, Rejected, Scope, Wire

LONDON, BOSTON, KINGSTON = (
    Recipient(AddressKind.PHONE, number) for number in ("+447700900123", "+16175550123", "+18765550123")
)


def prepare(text="Hello", *, to=LONDON, **fields):
    config = NexmoConfig("key", "secret", **fields)
    return NexmoChannel(config).prepare(Message(UUID(int=1), "", text, datetime(2026, 11, 22, tzinfo=UTC)), (to,))


def form(wire):
    assert isinstance(wire, Wire)
    return dict(parse_qsl(wire.payload.decode()))


def test_the_form_has_no_plus_no_secret_and_the_deliverys_id():
    assert form(prepare(callback="https://x.example/r/")) == {
        "to": "447700900123",
        "from": "xmnotify",
        "text": "Hello",
        "type": "text",
        "client-ref": str(UUID(int=1)),
        "callback": "https://x.example/r/",
    }


@pytest.mark.parametrize("to", [BOSTON, KINGSTON])
def test_every_number_with_the_prefix_1_needs_the_virtual_number(to):
    refused = prepare(to=to)
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (ReasonCode.VIRTUAL_NUMBER_MISSING, Scope.RECIPIENT)
    assert form(prepare(to=to, virtual_number="12015550123"))["from"] == "12015550123"


def test_elsewhere_the_virtual_number_is_the_sender_too():
    assert form(prepare(virtual_number="12015550123"))["from"] == "12015550123"
    assert form(prepare(sender_name="Acme"))["from"] == "Acme"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hello", "text"),
        ("€ [x] ~ \\", "text"),
        ("ÄÖÜ äöü ß ñ", "text"),
        ("ç", "unicode"),
        ("🙂", "unicode"),
        ("“x”", "unicode"),
    ],
)
def test_unicode_is_asked_for_exactly_when_the_alphabet_lacks_a_character(text, kind):
    assert form(prepare(text))["type"] == kind


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ReasonCode.TEMPLATE_ERROR),
        (" \n", ReasonCode.TEMPLATE_ERROR),
        ("x" * (MOST_CHARACTERS + 1), ReasonCode.TEXT_TOO_LONG),
        ("x" * 10_000, ReasonCode.TEXT_TOO_LONG),
    ],
)
def test_a_text_that_the_service_would_not_take_is_refused_before(text, code):
    refused = prepare(text)
    assert isinstance(refused, Rejected)
    assert (refused.reason.code, refused.reason.scope) == (code, Scope.MESSAGE)


@pytest.mark.parametrize(
    "address",
    ["", "+", "0", "+1", "12345", "٤٤٧٧٠٠٩٠٠١٢٣", "+44 7700", "anna@example.org", "+44\n7700900123", "x" * 30],
)
def test_what_is_no_number_is_refused_before(address):
    refused = prepare(to=Recipient(AddressKind.PHONE, address))
    assert isinstance(refused, Rejected)
    assert refused.reason.code is ReasonCode.NUMBER_INVALID


@given(st.text(min_size=1, max_size=MOST_CHARACTERS))
def test_the_service_gets_every_text_as_it_was_written_in_as_many_parts_as_we_count(text):
    made = prepare(text)
    if isinstance(made, Rejected):
        assert not text.strip()
        return
    fields = parse_qs(made.payload.decode(), keep_blank_values=True)
    arrived = split(fields["text"][0], kind=fields["type"][0])
    assert "".join(arrived.parts) == text
    assert len(arrived.parts) == cut(text).count


def by_the_book(fields, *, secret, method):
    """The documentation's steps, one by one."""
    words = ""
    for name in sorted(fields):
        words += "&" + name + "=" + fields[name].replace("&", "_").replace("=", "_")
    return hmac.new(secret.encode(), words.encode(), getattr(hashlib, method)).hexdigest()


@pytest.mark.parametrize("method", list(SignatureMethod))
def test_a_signed_form_has_the_documented_signature_and_no_secret(method):
    signer = Signer("signature secret", method)
    made = prepare("a & b = c", signer=signer)
    fields = dict(parse_qsl(signed_in(made.payload, NexmoConfig("key", "secret", signer=signer)).decode()))
    signature = fields.pop("sig")
    assert signature == by_the_book(fields, secret="signature secret", method=method.value)
    assert len(signature) == {"sha256": 64, "sha512": 128}[method.value]
    assert fields["timestamp"].isdecimal()
    assert "api_secret" not in fields


def test_without_a_signer_the_secret_goes_in_the_form_and_in_nothing_that_is_shown():
    config = NexmoConfig("key", "the secret", signer=Signer("of signatures"), callback="https://x.example/token/")
    assert b"api_secret=the+secret" in signed_in(b"to=1", NexmoConfig("key", "the secret"))
    for words in ("the secret", "of signatures", "token"):
        assert words not in repr(config)


@given(
    fields=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6),
    method=st.sampled_from(SignatureMethod),
)
def test_a_signature_fits_its_fields_in_either_case_and_no_others(fields, method):
    signer = Signer("secret", method)
    fields.pop("sig", None)
    signature = signer.sign(fields)
    assert signer.has_signed(fields | {"sig": signature})
    assert signer.has_signed(fields | {"sig": signature.upper()})
    assert not signer.has_signed(fields | {"sig": signature, "more": "x"})
    assert not signer.has_signed(fields)
    assert not Signer("another", method).has_signed(fields | {"sig": signature})


REFERENCE = "01a20446-253a-72cc-932a-1bb4a92aa53a"


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        ("delivered", True),
        ("failed", False),
        ("rejected", False),
        ("expired", False),
        ("accepted", None),
        ("buffered", None),
        ("unknown", None),
    ],
)
def test_each_state_of_a_receipt_is_final_or_not(status, delivered):
    found = read({"client-ref": REFERENCE, "messageId": "0A", "status": status, "err-code": "0"})
    assert found.delivered is delivered
    assert (found.reason is not None) is (delivered is False)


@pytest.mark.parametrize("code", [*CODES, "0", "777", ""])
def test_each_error_code_has_a_reason(code):
    found = read({"client-ref": REFERENCE, "messageId": "0A", "status": "failed", "err-code": code})
    assert found.reason.scope is Scope.RECIPIENT
    assert found.reason.code is CODES.get(code, (ReasonCode.PERMANENT, ""))[0]


@given(
    st.dictionaries(st.sampled_from(["client-ref", "messageId", "status", "err-code", "message-timestamp"]), st.text())
)
def test_no_receipt_is_a_crash(fields):
    read({"client-ref": REFERENCE, "messageId": "0A", "status": "failed"} | fields)
