"""The dashboard in a browser."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from dispatch.dashboard import counting
from dispatch.rules.states import DeliveryState
from tests.browser import looks
from tests.browser.rest import shown
from tests.db import world
from tests.db.dispatch.test_statistics import deliveries
from tests.db.world import smtp_server

S = DeliveryState


@pytest.fixture
def _two_weeks(monkeypatch):
    server = smtp_server(name="Corporate relay", last_test_passed=True, last_test_at=timezone.now())
    now = timezone.now()
    for day in range(14):
        states = [S.SENT] * (20 + day * 7 % 23) + [S.FAILED] * (day * 5 % 4)
        deliveries(*states, at=now - timedelta(days=day), took=timedelta(seconds=1.2 + day % 3), server=server)
    deliveries(*[S.DUE] * 12, at=now, server=server)
    while counting.count(now=now):
        pass
    world.all_is_well(monkeypatch)


@pytest.mark.usefixtures("_two_weeks")
def test_the_dashboard_shows_charts_with_tables(staff_page, show):
    staff_page.goto("/")
    looks.check(staff_page, show=show, name="dashboard")
    staff_page.locator("summary", has_text="View as a table").first.click()
    expect(staff_page.locator("details[open] tbody tr")).to_have_count(14)


def test_an_empty_dashboard_says_what_to_do_first(staff_page, show):
    staff_page.goto("/")
    shown(staff_page.get_by_role("link", name="Set up an SMTP server."))
    looks.check(staff_page, show=show, name="dashboard-empty")


@pytest.mark.usefixtures("_two_weeks")
def test_the_dashboard_weighs_less_than_160_kib_cold(staff_page):
    assert 0 < looks.weight(staff_page, "/") < 160 * 1024
