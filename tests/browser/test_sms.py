"""SMS gateways and carrier SMS gateways in a browser."""

from ipaddress import ip_network

import pytest
from playwright.sync_api import expect

from servers.models import CarrierGateway, SmsGateway
from simulators.nexmo import NexmoSimulator
from tests import waiting
from tests.browser import looks
from tests.browser.rest import shown
from tests.db import world

LIST = "/settings/notification-server/"
OWNED = "12015550123"
CARRIERS = "/settings/carrier-sms-gateway/"


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.XMNOTIFY_HTTP_PORTS = None
    settings.XMNOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def nexmo():
    with NexmoSimulator() as simulator:
        yield simulator
    waiting.for_threads("server-test")


def fill(page, simulator):
    page.get_by_label("Key", exact=False).first.fill("demo")
    page.locator("#id_secret").fill("demo-secret")
    page.locator("#id_unencrypted_accepted").check()
    page.get_by_label("Virtual Phone Number").fill(OWNED)
    page.get_by_label("Country Code").select_option("US")
    page.get_by_text("Advanced Settings").click()
    page.get_by_label("Base URL").fill(simulator.url)
    page.get_by_label("Send a test to the phone number").fill("415 555 2671")


def test_a_gateway_is_added_by_keyboard_from_the_menu(staff_page, show):
    staff_page.goto(LIST)
    staff_page.locator("summary", has_text="Add").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        staff_page.keyboard.press(key)
    staff_page.locator("#id_name").fill("Nexmo")
    staff_page.keyboard.press("Tab")
    staff_page.keyboard.press("Tab")
    staff_page.keyboard.type("a1b2c3d4")
    staff_page.keyboard.press("Tab")
    staff_page.keyboard.type("s3cret")
    looks.check(staff_page, show=show, name="sms-form")
    tick = staff_page.locator("#id_unencrypted_accepted")
    staff_page.get_by_role("button", name="Add", exact=True).click()
    shown(staff_page.locator("#id_unencrypted_accepted_error"))
    looks.check(staff_page, show=show, name="sms-refused")
    https = staff_page.get_by_role("switch", name="HTTPS")
    https.focus()
    staff_page.keyboard.press("Space")
    expect(tick).to_be_hidden()
    staff_page.keyboard.press("Space")
    tick.focus()
    staff_page.keyboard.press("Space")
    staff_page.locator("#id_secret").fill("s3cret")
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("“Nexmo” was added.").first)
    assert (SmsGateway.objects.get().active, SmsGateway.objects.get().https) == (True, False)
    looks.check(staff_page, show=show, name="sms-list")
    staff_page.get_by_role("link", name="Nexmo", exact=True).click()
    staff_page.get_by_text("Advanced Settings").click()
    expect(staff_page.locator("code.address")).to_contain_text(SmsGateway.objects.get().receipt_token.reveal())
    looks.check(staff_page, show=show, name="sms-edit")


def test_unsaved_values_are_tested_and_the_stages_arrive(staff_page, nexmo, show):
    staff_page.goto(f"{LIST}sms/add/")
    fill(staff_page, nexmo)
    staff_page.get_by_role("button", name="Test Configuration").click()
    shown(staff_page.get_by_text("The test passed: the server took the message to +14155552671.").first)
    looks.check(staff_page, show=show, name="sms-test-passed")
    assert nexmo.phone.count == 1
    assert not SmsGateway.objects.exists()


def test_a_wrong_secret_and_a_wrong_number_appear_immediately(staff_page, nexmo, show):
    staff_page.goto(f"{LIST}sms/add/")
    fill(staff_page, nexmo)
    staff_page.locator("#id_secret").fill("another")
    staff_page.get_by_label("Send a test to the phone number").fill("24273")
    button = staff_page.get_by_role("button", name="Test Configuration")
    button.click()
    shown(staff_page.get_by_text("Nothing was tested.").first)
    staff_page.get_by_label("Send a test to the phone number").fill("415 555 2671")
    button.click()
    shown(staff_page.get_by_text("The test failed at this stage: Credentials.").first)
    looks.check(staff_page, show=show, name="sms-test-failed")


def test_a_carrier_is_added_changed_and_deleted_in_dialogs_by_keyboard(staff_page, show):
    staff_page.goto(CARRIERS)
    looks.check(staff_page, show=show, name="carriers-empty")
    staff_page.get_by_role("link", name="Add", exact=True).focus()
    staff_page.keyboard.press("Enter")
    dialog = staff_page.get_by_role("dialog", name="Add a Carrier SMS Gateway")
    shown(dialog)
    looks.check(staff_page, show=show, name="carrier-add")
    dialog.get_by_label("Carrier").fill("AT&T")
    dialog.get_by_label("Gateway SMTP domain").fill("nowhere")
    staff_page.keyboard.press("Enter")
    shown(dialog.get_by_text("Enter the part after the @ alone").first)
    expect(dialog.locator("[name=domain]")).to_be_focused()
    looks.check(staff_page, show=show, name="carrier-refused")
    dialog.get_by_label("Gateway SMTP domain").fill("txt.att.net")
    dialog.get_by_label("Country code").first.select_option("US")
    dialog.get_by_role("button", name="Add").click()
    shown(staff_page.get_by_text("“AT&T” was added.").first)
    looks.check(staff_page, show=show, name="carriers")
    staff_page.get_by_role("link", name="AT&T", exact=True).click()
    change = staff_page.get_by_role("dialog", name="AT&T")
    shown(change).get_by_label("Email sending prefix").fill("TwoWay.")
    change.get_by_role("button", name="Save").click()
    shown(staff_page.get_by_text("“AT&T” was saved.").first)
    assert CarrierGateway.objects.get().prefix == "TwoWay."
    opener = staff_page.get_by_role("link", name="Delete AT&T")
    opener.click()
    shown(staff_page.get_by_role("dialog", name="Delete “AT&T”?"))
    looks.check(staff_page, show=show, name="carrier-delete")
    staff_page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    opener.click()
    shown(staff_page.get_by_role("dialog")).get_by_role("button", name="Delete").click()
    shown(staff_page.get_by_text("“AT&T” was deleted.").first)


def test_detect_says_that_there_is_none_or_lets_new_carriers_be_ticked(staff_page, show):
    staff_page.goto(CARRIERS)
    detect = staff_page.get_by_role("link", name="Detect")
    detect.click()
    dialog = staff_page.get_by_role("dialog", name="Detect carriers")
    shown(dialog.get_by_text("No new carriers were detected"))
    looks.check(staff_page, show=show, name="detect-none")
    dialog.get_by_role("link", name="Close").click()
    for number, carrier in enumerate(("AT&T", "AT&T Wireless", "Vodafone")):
        world.device(serial=f"D{number}", carrier=carrier, phone_number="+14155552671")
    detect.click()
    shown(dialog.get_by_text("2 new carriers were detected"))
    looks.check(staff_page, show=show, name="detect")
    dialog.get_by_label("AT&T").check()
    dialog.get_by_role("button", name="Continue").click()
    dialog.get_by_label("Gateway SMTP domain").fill("sms.att.example")
    looks.check(staff_page, show=show, name="detect-domains")
    dialog.get_by_role("button", name="Add").click()
    shown(staff_page.get_by_text("1 carrier was added.").first)
    assert CarrierGateway.objects.get().country == "US"
