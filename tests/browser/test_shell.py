"""The shell that surrounds every page."""

import pytest

from tests.browser import looks


def test_one_logs_in_and_out(page, admin_user, show):
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("password")
    looks.check(page, show=show, name="login")
    page.get_by_role("button", name="Log in").click()
    page.locator("summary", has_text="admin").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="You are logged out").wait_for()


@pytest.mark.parametrize("path", ["/settings/", "/settings/health/", "/settings/about/", "/admin/password_change/"])
def test_a_page_has_no_accessibility_fault_in_any_look(staff_page, show, path):
    staff_page.goto(path)
    looks.check(staff_page, show=show, name=path.strip("/").replace("/", "-"))


def test_the_first_tab_skips_to_the_content_and_the_user_menu_works_by_keyboard(staff_page):
    staff_page.goto("/settings/")
    staff_page.keyboard.press("Tab")
    assert staff_page.evaluate("document.activeElement.textContent") == "Skip to main content"
    menu = staff_page.locator("details.menu summary")
    menu.focus()
    staff_page.keyboard.press("Enter")
    staff_page.keyboard.press("ArrowDown")
    assert staff_page.evaluate("document.activeElement.textContent").strip() == "Change password"
    staff_page.keyboard.press("Escape")
    assert staff_page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_theme_goes_from_automatic_to_dark_to_light_and_is_kept(staff_page):
    staff_page.goto("/settings/")
    toggle = staff_page.locator(".theme-toggle")
    seen = []
    for _ in range(3):
        seen.append(staff_page.evaluate("document.documentElement.dataset.theme"))
        toggle.click()
    assert seen == ["auto", "dark", "light"]
    toggle.click()
    staff_page.reload()
    assert staff_page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_page_weighs_less_than_160_kib_cold(staff_page):
    sizes = []
    staff_page.on("response", lambda response: sizes.append(len(response.body())))
    staff_page.goto("/settings/", wait_until="networkidle")
    assert 0 < sum(sizes) < 160 * 1024
