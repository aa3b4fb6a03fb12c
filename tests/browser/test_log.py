"""Analyze > Delivery log."""

import pytest
from playwright.sync_api import expect

from dispatch.models import Delivery
from tests.browser import looks
from tests.browser.rest import shown
from tests.db import world
from tests.db.dispatch import flow
from tests.hand_clock import HandClock
from transports.fake import FakeChannel


@pytest.fixture
def sent(transactional_db, monkeypatch):
    """Deliveries in several states: sent, deferred, refused, skipped."""
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", lambda _server_id: None)
    channel = FakeChannel()
    monkeypatch.setattr("servers.factory.build_channel", lambda server, **_: channel)
    server, clock = world.smtp_server(), HandClock(world.NOW)
    world.template(html="<h1>Hello</h1><p>Your ${device.model} is <b>jailbroken</b>.</p>", message="Is ${device.X}bad")
    for number, answer in enumerate((None, flow.GREYLISTED, flow.UNKNOWN_USER)):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
        flow.post(device=flow.accept.SubjectIn("serial", f"S{number}"))
        if answer:
            channel.answer = lambda wire, recipient, said=answer: said
        flow.send(server, clock)
    world.device(serial="S9", owner=world.person(loginname="u9", mail=""))
    flow.post(device=flow.accept.SubjectIn("serial", "S9"))


def test_the_log_and_the_pages_of_deliveries_have_no_fault_in_any_look(staff_page, show, sent):
    staff_page.goto("/log/")
    looks.check(staff_page, show=show, name="log")
    for state in ("sent", "due", "failed", "skipped"):
        staff_page.goto(f"/log/{Delivery.objects.get(state=state).pk}/")
        looks.check(staff_page, show=show, name=f"delivery-{state}")


def test_the_question_about_all_and_an_empty_answer_have_no_fault_in_any_look(staff_page, show, sent):
    staff_page.goto("/log/?state=failed")
    staff_page.get_by_label("What").select_option("all")
    staff_page.get_by_role("button", name="Retry (if failed)").click()
    staff_page.get_by_role("heading", name="Send 1 delivery again?").wait_for()
    looks.check(staff_page, show=show, name="log-question")
    staff_page.goto("/log/?state=failed&recipient=u1")
    looks.check(staff_page, show=show, name="log-empty")


@pytest.mark.parametrize("width", [1280, 390])
def test_state_why_and_time_are_seen_without_scrolling(staff_page, sent, width, monkeypatch):
    world.all_is_well(monkeypatch)
    Delivery.objects.filter(state="due").delete()
    staff_page.set_viewport_size({"width": width, "height": 900})
    staff_page.goto("/log/?recipient=u2")
    row = staff_page.locator("tbody tr").first
    for cell in ("Failed", "The address does not exist.", "2026-11-22"):
        box = row.get_by_text(cell).first.bounding_box()
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 900


def test_why_a_user_did_not_get_it_takes_two_clicks_from_typing_a_part_of_the_name(staff_page, sent):
    staff_page.goto("/log/")
    staff_page.get_by_label("Recipient").fill("U2")
    staff_page.get_by_role("button", name="Filter", exact=True).click()
    expect(staff_page.locator("tbody tr")).to_have_count(1)
    staff_page.get_by_role("link", name="u2@example.com").click()
    shown(staff_page.get_by_text("The address does not exist.").first)
    shown(staff_page.get_by_text("550 5.1.1 no such user").first)


def test_the_html_of_a_message_stands_in_a_frame_that_runs_nothing(staff_page, sent):
    staff_page.goto(f"/log/{Delivery.objects.get(state='sent').pk}/")
    frame = staff_page.frame_locator("iframe.mail")
    expect(frame.locator("h1")).to_have_text("Hello")


def test_a_failed_one_is_ticked_and_sent_again_by_keyboard(staff_page, sent):
    staff_page.goto("/log/?state=failed")
    staff_page.locator("tbody").get_by_role("checkbox").focus()
    staff_page.keyboard.press("Space")
    staff_page.get_by_role("button", name="Retry (if failed)").focus()
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_text("1 delivery will be sent again.").first)
    assert not Delivery.objects.filter(state="failed").exists()
