"""A headless Chromium that reaches nothing but the live server, and fails on any error of a page or its policy."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.rest import SCRIPT, at_rest

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop lives in the tests' thread
CHROMIUM = os.environ.get("XMNOTIFY_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60_000
"""Milliseconds after which a page hangs, however busy the machine."""
expect.set_options(timeout=PATIENCE)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        required = os.environ.get("XMNOTIFY_REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)("chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, live_server):
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1366, "height": 860})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(path=SCRIPT)
    context.route(lambda url: not url.startswith(live_server.url), lambda route: route.abort())
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    yield opened
    context.close()
    assert not problems


@pytest.fixture
def staff_page(page, client, admin_user, live_server):
    """A page of an administrator who is logged in."""
    _log_in(page.context, client, admin_user, live_server)
    return page


@pytest.fixture
def plain_page(browser, client, admin_user, live_server):
    """The same in a browser without script."""
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    _log_in(context, client, admin_user, live_server)
    yield context.new_page()
    context.close()


def _log_in(context, client, user, server):
    client.force_login(user)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server.url}])


@pytest.fixture
def show(request):
    """Write a picture of the page into XMNOTIFY_SCREENSHOTS, where that is set."""
    folder = os.environ.get("XMNOTIFY_SCREENSHOTS")

    def write(page, name):
        if folder:
            at_rest(page)
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return write
