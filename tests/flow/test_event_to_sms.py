"""POST over HTTP, a real broker, a real worker process, a simulated SMS service, and its receipts back over HTTP."""

import pytest

from api.access import keys
from api.kit.callers import ApiScope
from dispatch.models import Delivery
from dispatch.upkeep import sweep
from simulators.nexmo import NexmoSimulator
from simulators.nexmo_account import Account
from simulators.nexmo_receipts import Order
from tests import waiting
from tests.db import world
from tests.flow.test_event_to_mail import post

pytestmark = pytest.mark.flow
LOOPBACK = {"XMNOTIFY_HTTP_PORTS": "any", "XMNOTIFY_ALLOWED_NETWORKS": "127.0.0.1/32"}
SIGNED = {"signature_secret": "a signature secret", "signature_method": "sha512"}


@pytest.fixture
def nexmo(tmp_path):
    with NexmoSimulator(account=Account(**SIGNED), ledger=tmp_path / "phone") as simulator:
        yield simulator


def wait_for(state, *, sweeping=False):
    def reached():
        found = Delivery.objects.get()
        if sweeping and found.state != state:
            sweep.sweep(now=found.created_at)
        return found.state == state

    waiting.until(reached, report=Delivery.objects.values("state", "reason_code", "reason_detail").get)
    return Delivery.objects.get()


@pytest.mark.parametrize(
    ("order", "state"),
    [
        (Order(), "delivered"),
        (Order(before_answer=True, style="json"), "delivered"),
        (Order(statuses=("buffered", "delivered"), reverse=True, times=2, style="get"), "delivered"),
        (Order(statuses=("failed",), err_code="2"), "undelivered"),
    ],
    ids=["on time", "before the answer", "twice and out of order", "failed"],
)
def test_a_posted_event_becomes_an_sms_whose_signed_receipts_come_back(
    client, live_server, start_worker, nexmo, order, state
):
    nexmo.receipts.order = order
    key = keys.create("tests", scopes=[ApiScope.EVENTS])
    world.simulated_gateway(nexmo.url, **SIGNED)
    world.sms_template(message="Hello ${user.displayname} " + "x" * 200)
    world.device(owner=world.person(mobile="07700900123"))
    start_worker("drain", XMNOTIFY_CONSOLE_URL=live_server.url, **LOOPBACK)
    assert post(client, key, type="device.jailbroken", device={"serial": "S1"}).status_code == 202
    found = wait_for(state, sweeping=order.before_answer)
    (text,) = nexmo.phone.texts()
    assert (text.client_ref, len(text.parts)) == (str(found.pk), 2)
    nexmo.receipts.wait_until_sent(len(text.parts) * len(order.statuses) * order.times, timeout=waiting.PATIENCE)
    assert set(nexmo.receipts.answers) == {204}


@pytest.mark.parametrize("forged", ["none", "wrong", "old"])
def test_forged_receipts_change_nothing(client, live_server, start_worker, nexmo, forged):
    nexmo.receipts.order = Order(forged=forged)
    key = keys.create("tests", scopes=[ApiScope.EVENTS])
    world.simulated_gateway(nexmo.url, **SIGNED)
    world.sms_template()
    world.device(owner=world.person(mobile="07700900123"))
    start_worker("drain", XMNOTIFY_CONSOLE_URL=live_server.url, **LOOPBACK)
    post(client, key, type="device.jailbroken", device={"serial": "S1"})
    nexmo.receipts.wait_until_sent(1, timeout=waiting.PATIENCE)
    wait_for("sent")
    assert nexmo.receipts.answers == [401]
