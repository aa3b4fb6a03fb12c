"""Templates and deliveries without script."""

import re

from django.apps import apps
from playwright.sync_api import expect

from dispatch.models import Delivery, Withheld
from templates_app.install import install, note_resumed
from templates_app.models import NotificationTemplate
from tests.browser.without_script import case, press, refused, says
from tests.db import world
from tests.db.dispatch import flow
from tests.db.dispatch.test_log import fail, hold

TEMPLATES = "/settings/notification-templates/"
WRONG = "Hello ${user.dispayname | toLower}"


def open_template(page, name):
    page.goto(TEMPLATES)
    page.get_by_role("link", name=name, exact=True).click()


def jailbroken():
    install(apps)
    return NotificationTemplate.objects.get(type="device.jailbroken", predefined=True)


@case("settings/notification-templates/add/")
def adding_a_template(page):
    page.goto(TEMPLATES)
    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_role("link", name="Set up later").click()
    page.get_by_label("Name").fill("Ours")
    page.get_by_label("Type").select_option("system.license_expiring")
    press(page, "Show the channels of this type")
    page.get_by_label("Language", exact=True).fill("de")
    press(page, "Add language")
    page.get_by_label("Subject").first.fill(WRONG)
    page.locator("details.fold").get_by_label("Subject").fill("Die Lizenz endet")
    press(page, "Add")
    refused(page, page.get_by_label("Subject").first, "toLowerCase", typed=WRONG)
    page.get_by_label("Subject").first.fill("The license ends")
    press(page, "Add")
    says(page, "“Ours” was added.")
    texts = NotificationTemplate.objects.get(name="Ours").current.channels.get().texts
    assert dict(texts.values_list("language", "subject")) == {"": "The license ends", "de": "Die Lizenz endet"}


@case("settings/notification-templates/<int:pk>/")
def changing_a_template(page):
    made = world.template(name="Mine")
    open_template(page, "Mine")
    subject = page.get_by_label("Subject")
    subject.fill(WRONG)
    press(page, "Save")
    refused(page, subject, "toLowerCase", typed=WRONG)
    subject.fill("Changed")
    press(page, "Save")
    says(page, "version 2 is current")
    made.refresh_from_db()
    assert made.current.channels.get(kind="smtp").texts.get().subject == "Changed"


@case("settings/notification-templates/<int:pk>/delete/")
def deleting_a_template(page):
    world.template(name="Mine")
    open_template(page, "Mine")
    page.get_by_role("link", name="Delete", exact=True).click()
    press(page, "Delete")
    says(page, "“Mine” was deleted.")
    assert not NotificationTemplate.objects.kept().filter(name="Mine").exists()


@case(
    "settings/notification-templates/<int:pk>/versions/<int:number>/", "settings/notification-templates/<int:pk>/reset/"
)
def going_back_to_a_version_and_to_the_predefined_text(page):
    row = jailbroken()
    for number, way in ((2, "a version"), (4, "the predefined text")):
        open_template(page, row.name)
        page.get_by_label("Subject").fill(f"Changed {number}")
        press(page, "Save")
        says(page, f"version {number} is current")
        open_template(page, row.name)
        if way == "a version":
            page.get_by_role("link", name="Versions").click()
            page.get_by_role("link", name="Version 1").click()
            press(page, "Roll back to version 1")
        else:
            page.get_by_role("link", name="Reset to default").click()
            press(page, "Reset to default")
        says(page, f"Version {number + 1} is current.")
        expect(page.get_by_label("Subject")).not_to_have_value(re.compile("^Changed"))
    row.refresh_from_db()
    assert row.current.number == 5


@case("settings/notification-templates/<int:pk>/understood/")
def having_read_that_an_update_began_to_send_a_template(page):
    row = jailbroken()
    world.template(name="Mine")
    world.sms_gateway()
    note_resumed(apps)
    page.goto("/settings/health/")
    says(page, "Since an update it is sent by SMS too")
    press(page, f"Understood {row.name}")
    assert page.get_by_text("Since an update").count() == 0
    row.refresh_from_db()
    assert row.resumed == ""


@case("settings/notification-templates/<int:pk>/test/")
def saving_and_testing_a_template(page):
    world.smtp_server()
    made = world.template(name="Mine")
    open_template(page, "Mine")
    page.get_by_label("Subject").fill("Typed")
    address = page.get_by_label("Mail address")
    expect(address).to_have_value("admin@example.com")
    address.fill("nobody")
    press(page, "Save and test SMTP")
    expect(page.get_by_text("This is not a mail address.")).to_be_visible()
    expect(page.get_by_label("Subject")).to_have_value("Typed")
    page.get_by_label("Mail address").fill("me@example.com")
    press(page, "Save and test SMTP")
    says(page, "Test to me@example.com: Queued")
    assert Delivery.objects.get().address == "me@example.com"
    made.refresh_from_db()
    assert made.current.channels.get(kind="smtp").texts.get().subject == "Typed"


@case("log/bulk/")
def doing_it_to_what_is_ticked_or_to_all(page):
    failed, held, *queued = flow.deliveries(4, server_id=world.smtp_server().pk)
    fail(failed)
    hold(held)
    page.goto("/log/")
    press(page, "Retry (if failed)")
    says(page, "Tick at least one delivery")
    for pk, button, words in (
        (failed, "Retry (if failed)", "1 delivery will be sent again."),
        (held, "Mark as sent (if held)", "1 delivery was marked as sent."),
        (queued[0], "Cancel (if queued)", "1 delivery was cancelled."),
    ):
        page.locator(f"input[value='{pk}']").check()
        press(page, button)
        says(page, words)
    page.get_by_label("What").select_option("all")
    press(page, "Cancel (if queued)")
    page.get_by_role("heading", name="Cancel 2 deliveries?").wait_for()
    press(page, "Cancel the deliveries")
    says(page, "2 deliveries were cancelled.")
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {failed: "cancelled", held: "sent", queued[0]: "cancelled", queued[1]: "cancelled"}


@case("log/withheld/<int:pk>/<str:decision>/")
def deciding_about_what_was_refused_alike(page):
    version = world.template(name="Refused").current
    for button, words, state in (
        ("Send again Refused", "What waits of “Refused” will be sent again.", "due"),
        ("Cancel Refused", "What waits of “Refused” is cancelled.", "cancelled"),
    ):
        (pk,) = flow.deliveries(1, server_id=None, template_version_id=version.pk)
        Delivery.objects.filter(pk=pk).update(state="held", reason_code="refused_alike", reason_detail="no")
        Withheld.objects.create(
            template_version=version,
            channel="smtp",
            server_name="Mail",
            words="5.7.1 no",
            since=world.NOW,
            settled=True,
        )
        page.goto("/settings/about/")
        press(page, button)
        says(page, words)
        assert Delivery.objects.get(pk=pk).state == state
        assert not Withheld.objects.exists()


@case("log/<uuid:pk>/retry/", "log/<uuid:pk>/sent/", "log/<uuid:pk>/cancel/")
def doing_it_to_one_delivery(page):
    failed, held, queued = flow.deliveries(3, server_id=world.smtp_server().pk)
    fail(failed)
    hold(held)
    for pk, button, words, state in (
        (failed, "Send again", "The delivery will be sent again.", "due"),
        (held, "Mark as sent", "The delivery was marked as sent.", "sent"),
        (queued, "Cancel", "The delivery was cancelled.", "cancelled"),
    ):
        page.goto(f"/log/{pk}/")
        was = Delivery.objects.get(pk=pk).state
        Delivery.objects.filter(pk=pk).update(state="cancelled")
        press(page, button)
        says(page, "Its state changed meanwhile, so nothing was done.")
        Delivery.objects.filter(pk=pk).update(state=was)
        page.goto(f"/log/{pk}/")
        press(page, button)
        says(page, words)
        assert Delivery.objects.get(pk=pk).state == state
