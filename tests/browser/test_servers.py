"""Settings > Notification Server in a browser."""

import pytest
from playwright.sync_api import expect

from servers.models import SmtpServer
from simulators.faults import Fault, Reply, Step
from simulators.smtp import SmtpSimulator
from tests import waiting
from tests.browser import looks
from tests.browser.rest import shown
from tests.db.world import smtp_server

LIST = "/settings/notification-server/"


@pytest.fixture(autouse=True)
def _any_port(settings):
    settings.XMNOTIFY_SMTP_PORTS = None


@pytest.fixture
def simulator():
    with SmtpSimulator() as running:
        yield running
    waiting.for_threads("server-test")


def test_a_server_is_added_by_keyboard_from_the_menu(staff_page, show):
    staff_page.goto(LIST)
    looks.check(staff_page, show=show, name="servers-empty")
    staff_page.locator("summary", has_text="Add").focus()
    staff_page.keyboard.press("ArrowDown")
    looks.check(staff_page, show=show, name="servers-menu")
    staff_page.keyboard.press("Enter")
    staff_page.locator("#id_name").fill("Corporate relay")
    staff_page.get_by_role("textbox", name="SMTP Server").fill("mail.example.com")
    staff_page.get_by_label("From email").fill("it@example.com")
    staff_page.get_by_role("button", name="Add", exact=True).click()
    shown(staff_page.get_by_text("“Corporate relay” was added.").first)
    assert SmtpServer.objects.get().active
    smtp_server(name="Backup", active=False, last_test_at="2026-11-22T09:00Z", last_test_passed=False)
    staff_page.reload()
    looks.check(staff_page, show=show, name="servers")


def test_authentication_shows_its_rows_and_ssl_sets_465_but_keeps_a_typed_port(staff_page, show):
    staff_page.goto(f"{LIST}smtp/add/")
    user_name, port = staff_page.get_by_label("User name"), staff_page.get_by_label("SMTP server port")
    expect(user_name).to_be_hidden()
    staff_page.get_by_role("switch", name="Authentication", exact=True).focus()
    staff_page.keyboard.press("Space")
    expect(user_name).to_be_visible()
    protocol = staff_page.get_by_label("Secure channel protocol")
    protocol.select_option("ssl")
    expect(port).to_have_value("465")
    protocol.select_option("tls")
    expect(port).to_have_value("587")
    port.fill("2525")
    protocol.select_option("ssl")
    expect(port).to_have_value("2525")
    staff_page.get_by_text("Advanced Settings").click()
    looks.check(staff_page, show=show, name="smtp-form")


def test_a_provider_fills_the_form_and_leads_to_the_user_name(staff_page):
    staff_page.goto(f"{LIST}smtp/add/")
    staff_page.get_by_role("button", name="Microsoft 365").click()
    expect(staff_page.get_by_role("textbox", name="SMTP Server")).to_have_value("smtp.office365.com")
    expect(staff_page.get_by_label("SMTP server port")).to_have_value("587")
    expect(staff_page.locator("[name=username]")).to_be_focused()


def test_unsaved_values_are_tested_and_the_stages_arrive(staff_page, simulator, show):
    staff_page.goto(f"{LIST}smtp/add/")
    fill(staff_page, simulator.port)
    staff_page.get_by_role("button", name="Test Configuration").click()
    shown(staff_page.get_by_text("The test passed: the server took the message to anna@example.org.").first)
    looks.check(staff_page, show=show, name="test-passed")
    expect(staff_page.get_by_role("textbox", name="SMTP Server")).to_have_value("127.0.0.1")
    assert not SmtpServer.objects.exists()


def test_enter_in_a_box_adds_the_server(staff_page):
    staff_page.goto(f"{LIST}smtp/add/")
    fill(staff_page, 2525)
    staff_page.locator("#id_name").fill("By Enter")
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("“By Enter” was added.").first)


def test_a_failing_stage_comes_with_its_cause_and_what_to_do(staff_page, simulator, show):
    simulator.faults.order(Fault(Step.RCPT, Reply(550, "5.1.1 No such user here")))
    staff_page.goto(f"{LIST}smtp/add/")
    fill(staff_page, simulator.port)
    staff_page.get_by_role("button", name="Test Configuration").click()
    shown(staff_page.get_by_text("The test failed at this stage: Recipient.").first)
    shown(staff_page.get_by_text("The recipient does not exist."))
    looks.check(staff_page, show=show, name="test-failed")


def fill(page, port):
    page.get_by_role("textbox", name="SMTP Server").fill("127.0.0.1")
    page.get_by_label("SMTP server port").fill(str(port))
    page.get_by_label("From email").fill("it@example.com")
    page.get_by_label("Send a test to").fill("anna@example.org")
