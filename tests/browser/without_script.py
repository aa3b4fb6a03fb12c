"""What a person does to every POST of the console in a browser without script: its route, and a case for each.

A case fills the form in wrongly where that can be done, then rightly, and looks at the page and at the database.
"""

from django.urls import get_resolver
from playwright.sync_api import expect

from tests.db.console.test_every_page import patterns

STOCK_READING = {None, "index", "password_change_done", "autocomplete", "jsi18n", "view_on_site"}
"""Django's own functions of the admin that take no POST; None is the one that answers to what is nowhere."""
NEEDS_SCRIPT = {
    "settings/notification-templates/preview/": "it follows what is typed; saving says the same of every field",
    "settings/notification-templates/preview/frame/": "it fills the frame of that preview",
}
CASES = {}


def case(*routes):
    """Register a function of the page without script, which is logged in as admin."""

    def register(does):
        CASES.update(dict.fromkeys(routes, does))
        return does

    return register


def routes_of(does):
    return [route for route, registered in CASES.items() if registered is does]


def posts():
    """The routes that take a POST, from the table of addresses."""
    admin = next(each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    every = [("", pattern) for pattern in patterns()] + [("admin/", pattern) for pattern in patterns(admin)]
    return sorted(prefix + str(pattern.pattern) for prefix, pattern in every if _takes_posts(pattern))


def _takes_posts(pattern):
    view = getattr(pattern.callback, "view_class", None)
    if view is None:
        return pattern.name not in STOCK_READING
    return hasattr(view, "post") and "post" in view.http_method_names


def press(page, name):
    """Press the button of this name that is to be seen, and wait for the page that answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).locator("visible=true").last.click()


def says(page, words):
    """A whole page, with its navigation, says so."""
    page.locator("header.top nav.tabs a").first.wait_for()
    page.locator("main").get_by_text(words).locator("visible=true").first.wait_for()


def refused(page, box, words, *, typed):
    """The error stands beside the box, which still holds what was typed."""
    error = box.locator("xpath=ancestor::*[contains(@class, 'control')][1]").locator(".error")
    expect(error).to_contain_text(words)
    expect(box).to_have_value(typed)
    expect(box).to_have_attribute("aria-invalid", "true")
