"""What was typed stays when the session ends or the token is old; Enter in a box does what its button does."""

import pytest
from playwright.sync_api import expect

from servers.models import SmtpServer
from templates_app.models import NotificationTemplate
from tests.browser import looks
from tests.db import world

ADD = "/settings/notification-server/smtp/add/"


@pytest.fixture(autouse=True)
def _healthy(transactional_db, monkeypatch):
    world.all_is_well(monkeypatch)


def fill(page, path=ADD):
    page.goto(path)
    page.locator("#id_name").fill("Relay of the house")
    page.locator("#id_host").fill("mail.example.com")
    page.locator("#id_from_email").fill("it@example.com")


def forget(page, name):
    page.context.clear_cookies(name=name)


def test_enter_in_the_box_of_a_test_tests(staff_page):
    fill(staff_page)
    staff_page.locator("#test_to").fill("no address")
    staff_page.locator("#test_to").press("Enter")
    staff_page.locator("#test-result .notice").wait_for()
    assert staff_page.url.endswith(ADD)
    assert not SmtpServer.objects.exists()


def test_enter_in_the_box_of_a_language_adds_it(staff_page):
    template = world.template(name="Greeting", recipient="a@example.com")
    staff_page.goto(f"/settings/notification-templates/{template.pk}/")
    staff_page.locator("#id_language").fill("de")
    staff_page.locator("#id_language").press("Enter")
    staff_page.get_by_role("button", name="Remove German").wait_for()
    assert NotificationTemplate.objects.get(pk=template.pk).current.number == 1


def test_a_log_in_in_another_tab_makes_no_form_old(staff_page, live_server):
    fill(staff_page)
    staff_page.context.add_cookies([{"name": "csrftoken", "value": "n" * 32, "url": live_server.url}])
    staff_page.get_by_role("button", name="Add", exact=True).click()
    staff_page.get_by_text("was added").first.wait_for()
    assert SmtpServer.objects.get().host == "mail.example.com"


def test_a_part_of_a_page_that_meets_the_log_in_says_so_and_leaves_the_form(staff_page, show):
    fill(staff_page)
    forget(staff_page, "sessionid")
    staff_page.get_by_role("button", name="Test Configuration").click()
    link = staff_page.locator("#messages").get_by_role("link", name="Log in again (new tab)")
    link.wait_for()
    expect(staff_page.locator("#id_host")).to_have_value("mail.example.com")
    looks.check(staff_page, show=show, name="session-ended")


def test_a_form_whose_session_ended_asks_for_the_log_in_and_is_there_again(staff_page, admin_user, show):
    admin_user.set_password("correct-horse-9")
    fill(staff_page)
    admin_user.save()  # which ends all sessions
    staff_page.get_by_role("button", name="Add", exact=True).click()
    staff_page.get_by_text("Your session ended").wait_for()
    looks.check(staff_page, show=show, name="log-in-again")
    staff_page.get_by_label("Username").fill("admin")
    staff_page.get_by_label("Password").fill("correct-horse-9")
    staff_page.get_by_label("Password").press("Enter")
    staff_page.get_by_text("Nothing is saved yet").first.wait_for()
    expect(staff_page.locator("#id_host")).to_have_value("mail.example.com")
    staff_page.get_by_role("button", name="Add", exact=True).click()
    staff_page.get_by_text("was added").first.wait_for()


def test_an_old_token_is_explained_without_script_and_the_text_kept(plain_page, live_server):
    fill(plain_page)
    plain_page.context.add_cookies([{"name": "csrftoken", "value": "n" * 32, "url": live_server.url}])
    plain_page.get_by_role("button", name="Add", exact=True).click()
    plain_page.get_by_role("heading", name="This page is out of date").wait_for()
    plain_page.get_by_role("link", name="Open the page again").click()
    expect(plain_page.locator("#id_host")).to_have_value("mail.example.com")
