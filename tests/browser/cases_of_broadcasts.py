"""Notify and broadcasts without script."""

from django.apps import apps
from django.utils import timezone
from playwright.sync_api import expect

from dispatch.broadcasts import planning
from dispatch.models import Broadcast, Delivery
from dispatch.rules.clock import SystemClock
from templates_app.install import install
from tests.browser.without_script import case, press, refused, says
from tests.db import world


def to_two(page):
    """A broadcast to two users, planned, and its page opened."""
    install(apps)
    world.smtp_server()
    for number in (1, 2):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
    page.goto("/devices/")
    page.get_by_label("What").select_option("all")
    page.locator("#bulk").get_by_role("button", name="Notify").click()
    return page


def sent(page):
    to_two(page)
    page.get_by_label("SMS", exact=True).uncheck()
    page.get_by_label("Subject").fill("Closed")
    page.get_by_label("Message", exact=True).fill("Dear ${user.displayname}, we are closed.")
    press(page, "Notify")
    press(page, "Notify")
    row = Broadcast.objects.get()
    planning.plan(row.pk, clock=SystemClock(), stopping=lambda: False)
    page.reload()
    return row


@case("broadcasts/notify/")
def notifying(page):
    to_two(page)
    page.get_by_label("SMS", exact=True).uncheck()
    page.get_by_label("Message", exact=True).fill("Dear ${user.displayname}, we are closed.")
    press(page, "Notify")
    refused(page, page.get_by_label("Subject"), "This field is required.", typed="")
    page.get_by_label("Subject").fill("Closed")
    press(page, "Notify")
    expect(page.get_by_text("Messages: 2. Recipients: 2.")).to_be_visible()
    press(page, "Back to the text")
    expect(page.get_by_label("Subject")).to_have_value("Closed")
    press(page, "Notify")
    press(page, "Notify")
    row = Broadcast.objects.get()
    assert page.url.endswith(f"/broadcasts/{row.pk}/")
    assert row.texts["smtp"]["subject"] == "Closed"


@case("broadcasts/<uuid:pk>/pause/", "broadcasts/<uuid:pk>/resume/")
def pausing_and_resuming(page):
    row = sent(page)
    press(page, "Pause")
    says(page, "nothing more of it is sent until somebody resumes it")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"paused"}
    press(page, "Resume")
    says(page, "It goes on.")
    row.refresh_from_db()
    assert row.state == "planning"


@case("broadcasts/<uuid:pk>/cancel/", "broadcasts/<uuid:pk>/again/")
def cancelling_and_sending_again(page):
    row = sent(page)
    Delivery.objects.filter(address="u1@example.com").update(state="failed", reason_code="mailbox_full")
    press(page, "Cancel")
    says(page, "It is cancelled")
    press(page, "Send again to those not reached")
    says(page, "It is sent again")
    again = Broadcast.objects.exclude(pk=row.pk).get()
    planning.plan(again.pk, clock=SystemClock(), stopping=lambda: False)
    assert [each.address for each in again.deliveries.all()] == ["u1@example.com"]
    assert again.created_at <= timezone.now()
