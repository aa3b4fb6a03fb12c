"""SMS through the whole drain to a simulated service, and its receipts back over HTTP, in any order and number."""

import itertools
import logging
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from dispatch.log import timeline
from dispatch.models import Attempt, Delivery, Receipt
from dispatch.outbox import deliveries, interventions
from dispatch.sending.settle import judged
from dispatch.upkeep import receipts, sweep
from foundation.sql.ids import new_uid
from servers import factory
from servers.models import SmsGateway
from servers.sms.receipts import address
from simulators.faults import Drop, Fault, Reply, SmsStep
from simulators.nexmo import NexmoSimulator
from simulators.nexmo_account import Account
from tests.db import world
from tests.db.dispatch import flow
from tests.db.world import NOW
from transports.types import Sent
from xmnotify.logs import Formatter

pytestmark = pytest.mark.django_db
NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.XMNOTIFY_HTTP_PORTS = None
    settings.XMNOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)
    factory.forget()


@pytest.fixture
def nexmo():
    with NexmoSimulator() as simulator:
        yield simulator


@pytest.fixture
def gateway(nexmo):
    world.device(owner=world.person(mobile="07700900123"))
    return world.simulated_gateway(nexmo.url, rate_limit=0)


def send(gateway, clock, *, message="It works.", **fields):
    world.sms_template(message=message, **fields)
    flow.post()
    flow.send(gateway, clock)
    return Delivery.objects.get()


def receipt_of(delivery, *, part=0, status="delivered", **fields):
    ids = delivery.provider_id.split() or ["PART0", "PART1", "PART2"]
    return {
        "msisdn": "447700900123",
        "messageId": ids[part] if isinstance(part, int) else part,
        "client-ref": str(delivery.pk),
        "status": status,
        "err-code": "0",
        "api-key": "demo",
        "message-timestamp": "2026-11-22 12:00:03",
        **fields,
    }


def path(gateway):
    return "/" + address(gateway).partition("//")[2].partition("/")[2]


def come_in(gateway, fields, *, status=204):
    answer = Client().post(path(gateway), urlencode(fields), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == status
    return Delivery.objects.get()


def test_an_event_becomes_an_sms_and_what_it_cost_is_kept(nexmo, gateway, clock):
    delivery = send(gateway, clock, message="Your ${device.model} is jailbroken. 🙂")
    (text,) = nexmo.phone.texts()
    assert (text.text, text.to, text.client_ref) == (
        "Your iPhone 15 is jailbroken. 🙂",
        "447700900123",
        str(delivery.pk),
    )
    assert (delivery.state, delivery.provider_id) == ("sent", text.ids[0])
    assert "price 0.03330000, balance 9.96670000, network 23410" in Attempt.objects.get().detail


def test_a_receipt_says_that_it_was_delivered(gateway, clock):
    delivery = come_in(gateway, receipt_of(send(gateway, clock)))
    assert (delivery.state, delivery.reason_code) == ("delivered", "")
    (line,) = [line for line in timeline.lines(delivery) if "receipt" in line]
    assert line.endswith(f"receipt for {delivery.provider_id}: delivered")


def test_a_receipt_says_why_it_was_not(gateway, clock):
    delivery = come_in(gateway, receipt_of(send(gateway, clock), status="failed", **{"err-code": "3"}))
    assert (delivery.state, delivery.reason_code, delivery.reason_detail) == (
        "undelivered",
        "number_unreachable",
        "failed: absent for good",
    )


@pytest.mark.parametrize("style", ["get", "form", "json"])
def test_every_way_in_which_the_service_posts_is_taken(gateway, clock, style):
    fields = receipt_of(send(gateway, clock))
    match style:
        case "get":
            answer = Client().get(path(gateway), fields)
        case "form":
            answer = Client().post(path(gateway), urlencode(fields), content_type="application/x-www-form-urlencoded")
        case _:
            answer = Client().post(path(gateway), fields, content_type="application/json")
    assert answer.status_code == 204
    assert Delivery.objects.get().state == "delivered"


def test_a_later_state_never_undoes_a_final_one(gateway, clock):
    delivery = send(gateway, clock)
    for status in ("buffered", "delivered", "accepted", "buffered", "failed", "delivered", "expired", "unknown"):
        delivery = come_in(gateway, receipt_of(delivery, status=status))
        assert delivery.state == ("sent" if status == "buffered" and delivery.state == "sent" else "delivered")
    assert Receipt.objects.count() == 6


def test_a_long_text_is_delivered_when_all_its_parts_are_in_any_order_and_number(gateway, clock):
    delivery = send(gateway, clock, message="x" * 400)
    assert len(delivery.provider_id.split()) == 3
    for part in (2, 2, 0, 2, 0):
        assert come_in(gateway, receipt_of(delivery, part=part)).state == "sent"
    assert come_in(gateway, receipt_of(delivery, part=1)).state == "delivered"
    assert Receipt.objects.count() == 3


def test_a_long_text_is_undelivered_when_one_part_is(gateway, clock):
    delivery = send(gateway, clock, message="x" * 400)
    come_in(gateway, receipt_of(delivery, part=1))
    assert (
        come_in(gateway, receipt_of(delivery, part=0, status="rejected", **{"err-code": "14"})).state == "undelivered"
    )
    assert come_in(gateway, receipt_of(delivery, part=2)).state == "undelivered"


def test_a_receipt_that_comes_before_the_answer_is_followed_by_the_sweep(gateway):
    world.sms_template(message="It works.")
    flow.post()
    lease = uuid4()
    (claim,) = flow.claim(gateway.pk, lease=lease)
    flow.begin([claim], lease=lease)
    assert come_in(gateway, receipt_of(Delivery.objects.get(), part="EARLY")).state == "claimed"
    sweep.sweep(now=NOW)
    assert Delivery.objects.get().state == "claimed"
    settlement = judged(
        claim,
        Sent("EARLY"),
        limits=gateway.limits(),
        now=NOW,
        started_at=NOW,
        duration=timedelta(),
        jitter=lambda: 0.0,
    )
    assert deliveries.settle([settlement], lease=lease, server_id=gateway.pk, server_name="Nexmo") == 1
    assert Delivery.objects.get().state == "sent"
    sweep.sweep(now=NOW)
    assert Delivery.objects.get().state == "delivered"
    assert not Receipt.objects.filter(early=True).exists()


def test_a_lost_answer_is_made_up_for_by_the_receipt_so_that_nobody_gets_it_twice(nexmo, gateway, clock):
    nexmo.faults.order(Fault(SmsStep.ANSWER, Drop()))
    delivery = send(gateway, clock)
    assert (delivery.state, Attempt.objects.get().outcome) == ("due", "unknown")
    delivery = come_in(gateway, receipt_of(delivery, part="PART0"))
    assert (delivery.state, delivery.provider_id, delivery.sent_at is None) == ("delivered", "PART0", False)
    clock.pass_time(timedelta(hours=1))
    flow.send(gateway, clock)
    assert nexmo.phone.count == 1


def test_a_lost_answer_that_is_held_for_a_person_is_settled_by_the_receipt(nexmo, gateway, clock):
    nexmo.faults.order(Fault(SmsStep.ANSWER, Drop()))
    delivery = send(gateway, clock, message="x" * 200, on_unknown="hold")
    assert delivery.state == "held"
    assert come_in(gateway, receipt_of(delivery, part=0)).state == "held"
    assert come_in(gateway, receipt_of(delivery, part=1)).state == "delivered"


def test_what_is_due_for_another_reason_follows_no_receipt(nexmo, gateway, clock):
    nexmo.faults.order(Fault(SmsStep.TAKE, Reply(5)))
    delivery = send(gateway, clock)
    assert delivery.state == "due"
    assert come_in(gateway, receipt_of(delivery)).state == "due"


def test_an_old_receipt_says_nothing_of_a_new_submission(gateway, clock):
    delivery = send(gateway, clock)
    old = delivery.provider_id
    come_in(gateway, receipt_of(delivery, status="failed", **{"err-code": "2"}))
    interventions.retry(delivery.pk, now=clock.now())
    assert come_in(gateway, receipt_of(delivery, part=old, status="failed", **{"err-code": "8"})).state == "due"
    flow.send(gateway, clock)
    assert come_in(gateway, receipt_of(delivery, part=old, status="expired")).state == "sent"
    assert come_in(gateway, receipt_of(Delivery.objects.get())).state == "delivered"


def test_one_gateways_token_says_nothing_of_anothers_messages(nexmo, gateway, clock):
    other = world.simulated_gateway(nexmo.url, name="Other", active=False)
    assert come_in(other, receipt_of(send(gateway, clock))).state == "sent"
    assert not Receipt.objects.exists()


def test_what_is_none_of_ours_is_answered_so_that_it_does_not_come_again(gateway, clock):
    send(gateway, clock)
    for fields in (
        {"client-ref": "something else", "messageId": "X", "status": "delivered"},
        {"client-ref": str(new_uid()), "messageId": "X", "status": "delivered"},
        {"client-ref": str(Delivery.objects.get().pk), "messageId": "<script>", "status": "delivered"},
        {"client-ref": str(Delivery.objects.get().pk), "messageId": "X", "status": "no such state"},
        {"text": "hello", "msisdn": "447700900123"},
    ):
        assert come_in(gateway, fields).state == "sent"
    assert Client().get(path(gateway)).status_code == 204
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("token", ["x", "0" * 32, "%00", "demo"])
def test_without_the_token_there_is_nothing(gateway, clock, token):
    delivery = send(gateway, clock)
    answer = Client().post(f"/receipts/nexmo/{token}/", receipt_of(delivery))
    assert answer.status_code == 404
    assert Delivery.objects.get().state == "sent"


def test_what_cannot_be_read_is_refused(gateway):
    for body in ("[1]", "{", '"x"', "[" * 5000):
        assert Client().post(path(gateway), body, content_type="application/json").status_code == 400
    assert Client().post(path(gateway), "x" * 20_000, content_type="text/plain").status_code == 413
    assert Client().put(path(gateway), "x").status_code == 405


def signed(fields, *, account, at=None):
    now = datetime.now(UTC).timestamp()
    fields = fields | {"timestamp": str(int(at if at is not None else now)), "nonce": f"n{next(NUMBERS)}"}
    return fields | {"sig": account.sign(fields).upper()}


@pytest.mark.parametrize("method", ["sha256", "sha512"])
def test_with_a_signature_secret_only_what_is_signed_now_is_believed(nexmo, gateway, clock, method):
    gateway.signature_secret, gateway.signature_method = "signature & secret", method
    gateway.save()
    account = Account(signature_secret="signature & secret", signature_method=method)
    nexmo.account = account
    fields = receipt_of(send(gateway, clock))
    seconds = datetime.now(UTC).timestamp()
    good = signed(fields, account=account)
    forged = {
        "none": fields,
        "empty": fields | {"sig": "", "timestamp": good["timestamp"]},
        "wrong": good | {"sig": good["sig"][::-1]},
        "of another secret": signed(fields, account=Account(signature_secret="guess", signature_method=method)),
        "old": signed(fields, account=account, at=seconds - 301),
        "of tomorrow": signed(fields, account=account, at=seconds + 86_400),
        "replayed for another part": good | {"messageId": "OTHER"},
        "replayed with another state": good | {"status": "failed"},
        "replayed at another time": good | {"timestamp": str(int(seconds) + 1)},
        "not ascii": good | {"sig": "é" * 64},
        "of another account": signed(fields | {"api-key": "other"}, account=account),
    }
    for name, each in forged.items():
        assert come_in(gateway, each, status=401).state == "sent", name
    assert not Receipt.objects.exists()
    assert come_in(gateway, good).state == "delivered"
    assert come_in(gateway, good).state == "delivered"
    assert Receipt.objects.count() == 1


def test_a_refused_receipt_is_logged_without_its_token(gateway, clock, caplog):
    gateway.signature_secret, gateway.signature_method = "s", "sha256"
    gateway.save()
    with caplog.at_level(logging.INFO):
        assert Client().get(path(gateway), {"status": "delivered"}).status_code == 401
    lines = [Formatter("%(name)s %(message)s").format(record) for record in caplog.records]
    assert any("receipt.refused" in line for line in lines)
    assert any("/receipts/nexmo/***/" in line for line in lines)
    assert gateway.receipt_token.reveal() not in "".join(lines)


def test_the_token_is_stored_encrypted_and_never_shown():
    gateway = world.simulated_gateway("http://127.0.0.1:1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT receipt_token FROM servers_smsgateway")
        (stored,) = cursor.fetchone()
    assert len(gateway.receipt_token.reveal()) == 32
    assert gateway.receipt_token.reveal() not in stored
    assert str(gateway.receipt_token) == "••••••"
    assert SmsGateway().receipt_token != SmsGateway().receipt_token


def test_bad_credentials_stop_the_gateway_after_two_more_and_the_messages_wait(nexmo, gateway, clock):
    nexmo.account = Account(secret="another")
    delivery = send(gateway, clock)
    for minutes in (1, 15):
        gateway.refresh_from_db()
        assert (delivery.state, delivery.tries, gateway.trouble_code) == ("due", 0, "credentials_refused")
        assert (gateway.stopped_at, gateway.paused_until) == (None, clock.now() + timedelta(minutes=minutes))
        clock.go_to(gateway.paused_until)
        flow.send(gateway, clock)
    gateway.refresh_from_db()
    assert gateway.stopped_at == clock.now()
    assert Delivery.objects.values_list("state", "tries").get() == ("due", 0)


def test_being_too_fast_rests_the_gateway_shortly_and_costs_the_message_no_try(nexmo, gateway, clock):
    nexmo.faults.order(Fault(SmsStep.TAKE, Reply(1)))
    delivery = send(gateway, clock)
    gateway.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.reason_code) == ("due", 0, "throttled")
    assert (gateway.paused_until, delivery.due_at) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=1))
    clock.pass_time(timedelta(seconds=1))
    flow.send(gateway, clock)
    assert Delivery.objects.get().state == "sent"


def test_parts_that_were_billed_are_not_sent_again_by_themselves(nexmo, gateway, clock):
    nexmo.faults.order(Fault(SmsStep.PART, Reply(5), skip=1))
    delivery = send(gateway, clock, message="x" * 400)
    assert (delivery.state, delivery.reason_code) == ("failed", "partly_sent")
    clock.pass_time(timedelta(days=1))
    flow.send(gateway, clock)
    assert len(nexmo.requests) == 1


def test_a_fault_while_receipts_are_followed_leaves_them_for_the_next_sweep(gateway, clock):
    delivery = send(gateway, clock)
    Receipt.objects.create(
        delivery=delivery, part=delivery.provider_id, status="delivered", delivered=True, received_at=NOW
    )
    assert receipts.follow_early(now=NOW) == 1
    assert Delivery.objects.get().state == "delivered"
    assert receipts.follow_early(now=NOW) == 0


def test_the_deliverys_page_shows_price_and_receipts_escaped(gateway, clock, admin_client):
    delivery = send(gateway, clock)
    come_in(gateway, receipt_of(delivery, status="failed", **{"err-code": "<i>"}))
    html = admin_client.get(reverse("delivery", args=[delivery.pk])).content.decode()
    assert "price 0.03330000, balance 9.96670000" in html
    assert "<strong>Receipt</strong>" in html
    assert f"{delivery.provider_id} &lt;i&gt;" in html
    assert "<i>" not in html
