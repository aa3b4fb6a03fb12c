"""Settings > Notification Templates."""

import pytest
from django.apps import apps
from django.utils import timezone
from playwright.sync_api import expect

from dispatch.models import Attempt, Delivery
from templates_app.install import install
from templates_app.models import NotificationTemplate
from tests.browser import looks
from tests.browser.rest import at_rest, shown
from tests.db import world

LIST = "/settings/notification-templates/"


@pytest.fixture(autouse=True)
def _predefined(transactional_db):
    """The predefined templates, though the test before may have emptied every table."""
    install(apps)


@pytest.fixture
def jailbroken():
    return NotificationTemplate.objects.get(type="device.jailbroken", predefined=True)


def test_the_list_has_no_fault_in_any_look(staff_page, show):
    world.smtp_server()
    world.template(name="Mine")
    staff_page.goto(LIST)
    looks.check(staff_page, show=show, name="templates")


def test_the_editor_has_no_fault_in_any_look(staff_page, show, jailbroken):
    world.smtp_server()
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    looks.check(staff_page, show=show, name="template")


def test_adding_asks_for_the_channels_then_changes_them_with_the_type(staff_page, show):
    staff_page.goto(LIST)
    staff_page.get_by_role("link", name="Add", exact=True).click()
    shown(staff_page.get_by_role("heading", name="Set up the channels first?"))
    looks.check(staff_page, show=show, name="template-set-up")
    staff_page.get_by_role("link", name="Set up later").click()
    shown(staff_page.get_by_role("heading", name="Add Notification Template"))
    expect(staff_page.get_by_role("switch")).to_have_count(3)
    staff_page.get_by_label("Name").fill("Ours")
    staff_page.get_by_label("Type").select_option("system.license_expiring")
    staff_page.locator("#channels section.channel").nth(1).wait_for(state="detached")
    expect(staff_page.get_by_label("Recipient")).to_have_value("${admin.mail}")
    staff_page.get_by_label("Subject").fill("The license ends")
    staff_page.get_by_label("Language", exact=True).fill("de")
    staff_page.get_by_role("button", name="Add language").click()
    german = staff_page.locator("details.fold")
    german.get_by_label("Subject").fill("Die Lizenz endet")
    looks.check(staff_page, show=show, name="template-add")
    staff_page.get_by_role("button", name="Add", exact=True).last.click()
    shown(staff_page.get_by_text("“Ours” was added.").first)
    shown(staff_page.get_by_role("heading", name="Ours"))


def test_a_wrong_macro_is_refused_beside_its_field(staff_page, show, jailbroken):
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    subject = staff_page.get_by_label("Subject")
    subject.fill("Hello ${user.dispayname | toLower}")
    staff_page.get_by_role("button", name="Save", exact=True).last.click()
    at_rest(staff_page)
    field = staff_page.locator(".field", has=subject)
    shown(field.locator(".lint .is-error").first)
    expect(field.get_by_text("toLowerCase")).to_have_count(1)
    expect(subject).to_have_value("Hello ${user.dispayname | toLower}")
    expect(subject).to_have_attribute("aria-invalid", "true")
    looks.check(staff_page, show=show, name="template-refused")
    subject.fill("Hello ${user.displayname | toLowerCase}")
    expect(field.locator(".lint .is-error")).to_have_count(0)
    expect(field).not_to_contain_class("has-error")
    expect(subject).not_to_have_attribute("aria-invalid", "true")


def test_a_second_tab_is_shown_what_it_would_overwrite(staff_page, show, jailbroken):
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    other = staff_page.context.new_page()
    other.goto(f"{LIST}{jailbroken.pk}/")
    other.get_by_label("Subject").fill("From the second tab")
    other.get_by_role("button", name="Save", exact=True).last.click()
    shown(other.get_by_text("version 2 is current").first)
    staff_page.get_by_label("Subject").fill("From the first tab")
    staff_page.get_by_role("button", name="Save", exact=True).last.click()
    shown(staff_page.get_by_text("saved version 2, which is current"))
    expect(staff_page.locator(".diff del")).to_contain_text("From the second tab")
    looks.check(staff_page, show=show, name="template-stale")
    staff_page.get_by_role("button", name="Save anyway").click()
    shown(staff_page.get_by_text("version 3 is current").first)


def test_a_changed_text_is_seen_delivered_after_four_clicks_and_the_caret_stays(staff_page, show, jailbroken):
    world.smtp_server()
    staff_page.goto(LIST)
    staff_page.get_by_role("link", name=jailbroken.name, exact=True).click()
    subject = staff_page.get_by_label("Subject")
    subject.click()
    staff_page.keyboard.press("Home")
    staff_page.keyboard.type("Please read: ")
    staff_page.get_by_role("button", name="Save and test SMTP").click()
    result = staff_page.locator("#trial-result")
    shown(result.get_by_text("Test to admin@example.com: Queued"))
    expect(result).to_be_focused()
    now = timezone.now()
    Delivery.objects.update(state="sent", sent_at=now, attempt_count=1)
    said = {"outcome": "sent", "reply": "250", "detail": "250 2.0.0 Ok"}
    Attempt.objects.create(delivery=Delivery.objects.get(), number=1, started_at=now, duration_ms=12, **said)
    staff_page.reload()
    shown(result.get_by_text("Test to admin@example.com: Sent"))
    looks.check(staff_page, show=show, name="template-tested")
    subject.click()
    staff_page.keyboard.press("End")
    staff_page.keyboard.type("!")
    staff_page.get_by_role("button", name="Save", exact=True).last.click()
    shown(staff_page.get_by_text("version 3 is current").first)
    expect(subject).to_be_focused()


def test_macros_are_looked_up_and_inserted_at_the_caret_by_keyboard(staff_page, show, jailbroken):
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    at_rest(staff_page)
    subject = staff_page.get_by_label("Subject")
    subject.fill("For :")
    staff_page.keyboard.press("ArrowLeft")
    staff_page.keyboard.press("Alt+M")
    search = staff_page.locator("#macro-search")
    expect(search).to_be_focused()
    looks.check(staff_page, show=show, name="template-macros")
    search.fill("full name")
    staff_page.keyboard.press("Enter")
    expect(subject).to_have_value("For ${user.displayname}:")
    expect(subject).to_be_focused()
    staff_page.keyboard.press("Alt+M")
    search.fill("capital letters")
    staff_page.keyboard.press("ArrowDown")
    staff_page.keyboard.press("Enter")
    expect(subject).to_have_value("For ${user.displayname | toUpperCase}:")


def test_versions_are_compared_and_rolled_back(staff_page, show, jailbroken):
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    staff_page.get_by_label("Subject").fill("Changed")
    staff_page.get_by_role("button", name="Save", exact=True).last.click()
    shown(staff_page.get_by_text("version 2 is current").first)
    staff_page.goto(f"{LIST}{jailbroken.pk}/versions/")
    looks.check(staff_page, show=show, name="template-versions")
    staff_page.get_by_role("link", name="Version 1").click()
    shown(staff_page.get_by_role("heading", name="Version 1"))
    looks.check(staff_page, show=show, name="template-version")
    staff_page.get_by_role("button", name="Roll back to version 1").click()
    shown(staff_page.get_by_text("Version 3 is current.").first)
    expect(staff_page.get_by_label("Subject")).not_to_have_value("Changed")


def test_an_own_template_is_deleted_from_the_dialog_by_keyboard(staff_page, show):
    world.template(name="Mine")
    staff_page.goto(LIST)
    staff_page.get_by_role("link", name="Delete Mine").focus()
    staff_page.keyboard.press("Enter")
    shown(staff_page.get_by_role("heading", name="Delete “Mine”?"))
    looks.check(staff_page, show=show, name="template-delete")
    staff_page.get_by_role("button", name="Delete").click()
    shown(staff_page.get_by_text("“Mine” was deleted.").first)
    assert not NotificationTemplate.objects.kept().filter(name="Mine").exists()


def test_macros_are_completed_at_the_caret_by_keyboard(staff_page, show, jailbroken):
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    message = staff_page.get_by_label("Message").nth(1)
    message.fill("Dear ")
    message.press_sequentially("${user.disp")
    shown(staff_page.get_by_role("option", name="user.displayname"))
    looks.check(staff_page, show=show, name="template-completion")
    staff_page.keyboard.press("Enter")
    expect(message).to_have_value("Dear ${user.displayname}")
    staff_page.keyboard.press("ArrowLeft")
    message.press_sequentially(" | toU")
    shown(staff_page.get_by_role("option", name="toUpperCase"))
    staff_page.keyboard.press("Tab")
    expect(message).to_have_value("Dear ${user.displayname | toUpperCase}")
    message.press_sequentially(" ${de")
    completions = staff_page.locator("#completions")
    shown(completions)
    staff_page.keyboard.press("Escape")
    completions.wait_for(state="hidden")


def test_the_preview_follows_what_is_typed_and_for_whom(staff_page, show, jailbroken):
    world.smtp_server()
    world.device(owner=world.person(displayname="Ana Ode"))
    staff_page.goto(f"{LIST}{jailbroken.pk}/")
    preview = staff_page.locator("#preview")
    shown(preview.get_by_text("Ana Silva"))
    staff_page.get_by_label("User").fill("u1")
    shown(preview.get_by_text("Hello Ana Ode"))
    staff_page.get_by_label("HTML message").fill("<h1>For ${user.displayname}</h1><script>parent.x = 1</script>")
    frame = staff_page.frame_locator("iframe[name=html-preview]")
    shown(frame.get_by_role("heading", name="For Ana Ode"))
    staff_page.get_by_label("Subject").fill("About ${user.room}")
    shown(staff_page.get_by_text("it may stay empty"))
    assert staff_page.evaluate("typeof window.x") == "undefined"
