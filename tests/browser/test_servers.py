"""Settings > Notification Server in a browser."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from playwright.sync_api import expect

from dispatch.models import Withheld
from servers.models import ServerTest, SmtpServer
from simulators.faults import Fault, Reply, Step
from simulators.smtp import SmtpSimulator
from tests import waiting
from tests.browser import looks
from tests.browser.rest import shown
from tests.db.world import sms_gateway, smtp_server, template

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


def test_a_server_in_trouble_has_its_banner_what_can_be_done_and_what_was_learned(staff_page, show):
    later = timezone.now() + timedelta(minutes=5)
    words = "5.7.1 Your company's mail is not wanted here, ask the postmaster at https://postmaster.example/why?id=77"
    paused = {"paused_until": later, "trouble_code": "refused_alike", "trouble_detail": words}
    learned = {
        "session_limit": 10,
        "session_limit_at": timezone.now() - timedelta(hours=3),
        "session_limit_reply": "452 4.4.5 Maximum number of messages per session exceeded.",
        "unpipelined_at": timezone.now() - timedelta(days=2),
        "unpipelined_reply": "503 5.5.1 Bad sequence of commands",
    }
    server = smtp_server(
        name="Corporate relay", authentication=True, username="anna", password="p", **paused, **learned
    )
    sms_gateway(stopped_at=timezone.now(), trouble_code="credentials_refused", trouble_detail="401")
    version = template(name="Your device was found").current
    Withheld.objects.create(
        template_version=version,
        channel="smtp",
        server_name="Corporate relay",
        words=words,
        since=timezone.now(),
        settled=True,
    )
    staff_page.goto(LIST)
    looks.check(staff_page, show=show, name="servers-in-trouble")
    staff_page.goto(f"{LIST}smtp/{server.pk}/")
    staff_page.get_by_text("Advanced Settings").click()
    expect(staff_page.get_by_label("Pipelining")).to_have_value("auto")
    expect(staff_page.get_by_label("Sign-ins after a refusal")).to_have_value("2")
    looks.check(staff_page, show=show, name="server-learned")
    staff_page.get_by_role("button", name="Forget").click()
    shown(staff_page.get_by_text("is forgotten.").first)
    assert SmtpServer.objects.get().session_limit is None
    staff_page.goto("/settings/health/")
    looks.check(staff_page, show=show, name="health-in-trouble")
    staff_page.get_by_role("button", name="Try again now Corporate relay").first.click()
    shown(staff_page.get_by_text("is tried with one message now.").first)
    assert SmtpServer.objects.get().paused_until < later


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
    expect(staff_page.get_by_label("Send the password unencrypted")).to_be_hidden()
    protocol.select_option("none")
    expect(staff_page.get_by_label("Send the password unencrypted")).to_be_visible()
    looks.check(staff_page, show=show, name="smtp-form")


def test_a_provider_fills_the_form_and_another_takes_back_what_it_filled_and_nothing_typed(staff_page, show):
    staff_page.goto(f"{LIST}smtp/add/")
    host, user_name = staff_page.get_by_role("textbox", name="SMTP Server"), staff_page.locator("[name=username]")
    staff_page.get_by_text("Advanced Settings").click()
    staff_page.get_by_label("Envelope sender").fill("bounces@example.com")
    staff_page.get_by_role("link", name="Microsoft 365").click()
    expect(host).to_have_value("smtp.office365.com")
    expect(user_name).to_be_focused()
    expect(staff_page.get_by_label("Token endpoint")).to_be_visible()
    expect(staff_page.locator("#id_password")).to_be_hidden()
    expect(staff_page.get_by_label("Rate limit")).to_have_value("0.5")
    expect(staff_page.get_by_role("heading", name="To be done at Microsoft 365 first")).to_be_visible()
    looks.check(staff_page, show=show, name="provider")
    user_name.fill("it@example.com")
    staff_page.get_by_label("Parallel connections").fill("2")
    staff_page.get_by_role("link", name="SendGrid").click()
    expect(host).to_have_value("smtp.sendgrid.net")
    expect(staff_page.get_by_label("SASL mechanism")).to_have_value("AUTO")
    expect(staff_page.locator("#id_oauth_scope")).to_have_value("")
    expect(staff_page.get_by_label("Rate limit")).to_have_value("0")
    expect(staff_page.get_by_label("Parallel connections")).to_have_value("2")
    expect(user_name).to_have_value("it@example.com")
    expect(staff_page.get_by_label("Envelope sender")).to_have_value("bounces@example.com")
    expect(staff_page.get_by_role("heading", name="To be done at")).to_have_count(0)


def test_what_belongs_together_goes_together_and_a_retired_domain_is_told_while_typing(staff_page):
    staff_page.goto(f"{LIST}smtp/add/")
    spa = staff_page.get_by_role("switch", name="Microsoft Secure Password")
    authentication = staff_page.get_by_role("switch", name="Authentication", exact=True)
    spa.check()
    expect(authentication).to_be_checked()
    authentication.uncheck()
    expect(spa).not_to_be_checked()
    staff_page.goto("/settings/carrier-sms-gateway/add/")
    note = staff_page.locator("#id_domain_warns")
    staff_page.get_by_label("Gateway SMTP domain").press_sequentially("TXT.att.net")
    expect(note).to_have_text("AT&T switched this domain off on 17 June 2025.")
    staff_page.get_by_label("Gateway SMTP domain").press_sequentially("work")
    expect(note).to_be_hidden()


def test_unsaved_values_are_tested_and_the_stages_arrive(staff_page, simulator, show):
    staff_page.goto(f"{LIST}smtp/add/")
    fill(staff_page, simulator.port)
    staff_page.get_by_role("button", name="Test Configuration").click()
    shown(staff_page.get_by_text("The test passed: the server took the message to anna@example.org.").first)
    expect(staff_page.get_by_role("button", name="Test Configuration")).to_be_focused()
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


def signed_in_server(port):
    how = {"authentication": True, "username": "anna", "password": "open-sesame"}
    return smtp_server(name="Relay", host="127.0.0.1", port=port, from_email="it@example.com", **how)


def test_choosing_tls_says_immediately_that_the_password_is_needed_again(staff_page, show):
    server = signed_in_server(2525)
    staff_page.goto(f"{LIST}smtp/{server.pk}/")
    note, protocol = staff_page.locator("#id_password_again"), staff_page.get_by_label("Secure channel protocol")
    expect(note).to_be_hidden()
    protocol.select_option("tls")
    expect(note).to_be_visible()
    looks.check(staff_page, show=show, name="password-again")
    staff_page.locator("#id_password").fill("typed")
    expect(note).to_be_hidden()
    staff_page.locator("#id_password").fill("")
    expect(note).to_be_visible()
    protocol.select_option("none")
    expect(note).to_be_hidden()


def test_a_test_with_the_stored_password_asks_for_the_own_one_by_keyboard(staff_page, simulator, show):
    server = signed_in_server(simulator.port)
    store = SessionStore(session_key=staff_page.context.cookies()[0]["value"])
    store["console.password_at"] = 0
    store.save()
    staff_page.goto(f"{LIST}smtp/{server.pk}/")
    staff_page.get_by_label("Send a test to").fill("anna@example.org")
    staff_page.get_by_role("button", name="Test Configuration").click()
    box = staff_page.get_by_label("Your password")
    expect(box).to_be_focused()
    looks.check(staff_page, show=show, name="test-asks-password")
    staff_page.keyboard.type("wrong")
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("This is not your password. Nothing was tested yet.").first)
    expect(box).to_be_focused()
    staff_page.keyboard.type("password")
    staff_page.keyboard.press("Enter")
    staff_page.locator("#test-result .stages").wait_for()
    expect(box).to_have_count(0)
    expect(staff_page.get_by_role("button", name="Test Configuration")).to_be_focused()
    assert ServerTest.objects.get().to == "anna@example.org"


def fill(page, port):
    page.get_by_role("textbox", name="SMTP Server").fill("127.0.0.1")
    page.get_by_label("SMTP server port").fill(str(port))
    page.get_by_label("From email").fill("it@example.com")
    page.get_by_label("Send a test to").fill("anna@example.org")
