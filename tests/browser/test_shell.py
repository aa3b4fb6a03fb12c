"""The shell that surrounds every page."""

import re
import sqlite3

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from playwright.sync_api import expect

from api.models import ApiKey
from console.accounts import roles
from console.kit.pages import AboutPage
from tests.browser import looks
from tests.browser.rest import at_rest, shown
from tests.db.console.test_login import code_of


def test_one_logs_in_and_out(page, admin_user, show):
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("password")
    looks.check(page, show=show, name="login")
    page.get_by_role("button", name="Log in").click()
    page.locator("summary", has_text="admin").click()
    page.get_by_role("button", name="Log out").click()
    shown(page.get_by_role("heading", name="You are logged out"))


def test_the_first_tab_skips_to_the_content_and_the_user_menu_works_by_keyboard(staff_page):
    staff_page.goto("/settings/")
    staff_page.keyboard.press("Tab")
    expect(staff_page.get_by_role("link", name="Skip to main content")).to_be_focused()
    menu = staff_page.locator("details.menu summary")
    menu.focus()
    staff_page.keyboard.press("Enter")
    staff_page.keyboard.press("ArrowDown")
    expect(staff_page.get_by_role("link", name="Profile")).to_be_focused()
    staff_page.keyboard.press("Escape")
    expect(menu).to_be_focused()


def test_the_theme_goes_from_automatic_to_dark_to_light_and_is_kept(staff_page):
    staff_page.goto("/settings/")
    page = staff_page.locator("html")
    for theme in ("auto", "dark", "light", "auto"):
        expect(page).to_have_attribute("data-theme", theme)
        staff_page.locator(".theme-toggle").click()
    staff_page.reload()
    expect(page).to_have_attribute("data-theme", "dark")


def test_a_page_weighs_less_than_160_kib_cold(staff_page):
    assert 0 < looks.weight(staff_page, "/settings/") < 160 * 1024


def test_a_deletion_is_confirmed_in_a_dialog_that_escape_closes(staff_page, show):
    roles.install(apps)
    staff_page.goto("/settings/roles/")
    looks.check(staff_page, show=show, name="roles")
    button = staff_page.get_by_role("link", name="Delete Auditor")
    button.click()
    shown(staff_page.get_by_role("dialog", name="Delete “Auditor”?"))
    looks.check(staff_page, show=show, name="delete-dialog")
    staff_page.keyboard.press("Escape")
    expect(button).to_be_focused()
    button.click()
    shown(staff_page.get_by_role("dialog")).get_by_role("button", name="Delete").click()
    shown(staff_page.get_by_text("“Auditor” was deleted.").first)
    assert not Group.objects.filter(name="Auditor").exists()


def test_what_was_typed_is_not_lost_by_leaving(staff_page):
    staff_page.goto("/settings/roles/add/")
    staff_page.get_by_label("Name").fill("Helpdesk")
    staff_page.on("dialog", lambda dialog: dialog.dismiss())
    with staff_page.expect_event("dialog") as question:
        staff_page.get_by_role("link", name="Cancel").click()
    assert question.value.type == "beforeunload"
    at_rest(staff_page)
    expect(staff_page.get_by_label("Name")).to_have_value("Helpdesk")


def test_an_api_key_is_made_and_shown_once(staff_page, show):
    staff_page.goto("/settings/api-keys/add/")
    looks.check(staff_page, show=show, name="api-key-add")
    staff_page.get_by_label("Name").fill("Device management")
    staff_page.get_by_role("button", name="Add").click()
    key = staff_page.get_by_label("API key", exact=True)
    expect(key).to_have_value(re.compile("^xmn_"))
    looks.check(staff_page, show=show, name="api-key-shown")
    staff_page.get_by_role("link", name="I have copied it").click()
    shown(staff_page.get_by_role("button", name="Revoke Device management"))
    looks.check(staff_page, show=show, name="api-keys")


def test_a_second_factor_is_switched_on_with_a_key_that_can_be_read_and_typed(staff_page, show):
    staff_page.goto("/admin/second_factor/")
    secret = staff_page.locator("dd.mono").inner_text().replace(" ", "")
    expect(staff_page.get_by_role("img", name="QR code of the key below").locator("svg path")).to_have_count(2)
    staff_page.get_by_role("textbox", name="Code").fill(code_of(secret))
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_role("heading", name="Your recovery codes"))
    looks.check(staff_page, show=show, name="recovery-codes")
    staff_page.get_by_role("link", name="I have kept them").click()
    shown(staff_page.get_by_text("You have 10 recovery codes left."))
    looks.check(staff_page, show=show, name="second-factor-on")


def test_the_password_is_asked_and_what_was_typed_goes_on(staff_page, show):
    staff_page.goto("/settings/roles/add/")
    staff_page.get_by_label("Name").fill("Helpdesk")
    store = SessionStore(session_key=staff_page.context.cookies()[0]["value"])
    store["console.password_at"] = 0
    store.save()
    staff_page.get_by_role("button", name="Add").click()
    staff_page.get_by_label("Your password").fill("wrong")
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("This is not your password"))
    looks.check(staff_page, show=show, name="confirm-password")
    staff_page.get_by_label("Your password").fill("password")
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("“Helpdesk” was added.").first)


def test_a_double_click_sends_a_form_once(staff_page):
    posts = []
    staff_page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    staff_page.goto("/settings/api-keys/add/")
    staff_page.get_by_label("Name").fill("Twice")
    staff_page.get_by_role("button", name="Add").dblclick()
    shown(staff_page.get_by_label("API key", exact=True))
    at_rest(staff_page)
    assert len(posts) == 1
    assert ApiKey.objects.count() == 1


def test_on_a_phone_the_link_to_the_current_page_is_in_view(staff_page):
    staff_page.set_viewport_size(looks.PHONE)
    staff_page.goto("/settings/about/")
    at_rest(staff_page)
    link = staff_page.locator(".side a[aria-current]").bounding_box()
    assert link["x"] >= 0
    assert link["x"] + link["width"] <= looks.PHONE["width"]


def test_the_page_of_a_locked_database_stands_like_the_others(staff_page, monkeypatch, show):
    def locked(*_given, **_named):
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise OperationalError from error

    monkeypatch.setattr(AboutPage, "get", locked)
    assert staff_page.goto("/settings/about/").status == 503
    expect(staff_page.get_by_text("The database is locked by something else.")).to_be_visible()
    looks.check(staff_page, show=show, name="unavailable")
    at_rest(staff_page)
    card = staff_page.locator("section.card").bounding_box()
    window = staff_page.viewport_size["width"]
    assert 10 < card["x"] == pytest.approx(window - card["x"] - card["width"], abs=1)
