"""The pages of Notification Templates, as a browser without script sees them."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from foundation.models import AuditEntry
from templates_app import queries
from templates_app.models import NotificationTemplate
from tests.db import world

pytestmark = pytest.mark.django_db
LIST = "/settings/notification-templates/"


@pytest.fixture
def jailbroken():
    return NotificationTemplate.objects.select_related("current").get(type="device.jailbroken", predefined=True)


@pytest.fixture
def auditor(client):
    user = get_user_model().objects.create_user("auditor", is_staff=True)
    user.groups.add(Group.objects.get(name="Auditor"))
    client.force_login(user)
    return client


def typed(client, url):
    """What the form at this address holds, as a browser would post it."""
    form = client.get(url).context["form"]
    data = {"do": "save"}
    for field in form:
        value = field.value()
        if value is True:
            data[field.html_name] = "on"
        elif value not in {None, False}:
            data[field.html_name] = str(value)
        if field.field.show_hidden_initial:
            data[field.html_initial_name] = data.get(field.html_name, "")
    return data


def current(template):
    return queries.current_content(NotificationTemplate.objects.select_related("current").get(pk=template.pk))


def test_a_form_that_comes_back_unchanged_makes_no_version(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    assert admin_client.post(url, typed(admin_client, url)).status_code == 302
    assert jailbroken.versions.count() == 1


def test_every_predefined_template_can_be_opened_and_saved_as_it_is(admin_client):
    for template in NotificationTemplate.objects.kept():
        url = f"{LIST}{template.pk}/"
        assert admin_client.post(url, typed(admin_client, url)).status_code == 302, template.name
        assert template.versions.count() == 1


def test_a_change_is_a_version_with_its_author_and_an_audit_entry(admin_client, admin_user, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    admin_client.post(url, {**typed(admin_client, url), "smtp.subject": "New", "smtp.message": "one\r\ntwo"})
    version = jailbroken.versions.get(number=2)
    assert version.saved_by == admin_user.username
    wording = current(jailbroken).channels[0].wording("")
    assert (wording.subject, wording.message) == ("New", "one\ntwo")
    entry = AuditEntry.objects.get()
    assert entry.after["smtp.subject"] == "New"


def test_the_list_shows_configured_channels_first_with_the_reasons_of_the_others(admin_client, jailbroken):
    world.smtp_server()
    (row,) = admin_client.get(LIST, {"name": "Jailbroken or Rooted Device"}).context["rows"]
    channels = re.findall(r"<li>(.*?)</li>", row.cells[2])
    assert [re.sub("<[^>]+>", " ", channel).split(maxsplit=1) for channel in channels[:2]] == [
        ["SMTP"],
        ["SMS", "No active server "],
    ]


def test_the_list_and_the_deletion_say_which_template_is_sent(admin_client, jailbroken):
    world.smtp_server()
    own = world.template(name="Mine")
    (row,) = admin_client.get(LIST, {"name": "Jailbroken or Rooted Device"}).context["rows"]
    assert "Sent instead: “Mine”" in row.cells[2]
    again = "The predefined template “Jailbroken or Rooted Device” is sent again by SMTP."
    assert again in admin_client.get(f"{LIST}{own.pk}/delete/").content.decode()
    words = re.sub(r"\s+", " ", admin_client.get(f"{LIST}{own.pk}/").content.decode())
    assert "Events of this type send SMTP by “Mine”." in words
    assert "Events of this type send SMS by “Jailbroken or Rooted Device”." in words
    world.template(name="Another")
    assert again not in admin_client.get(f"{LIST}{own.pk}/delete/").content.decode()


def test_adding_offers_to_set_up_channels_now_or_later_until_they_are(admin_client):
    answer = admin_client.get(f"{LIST}add/")
    assert b"Set up now" in answer.content
    assert b"Set up later" in answer.content
    assert b"template-form" in admin_client.get(f"{LIST}add/?later").content


def test_a_channel_without_a_server_is_not_switched_on(admin_client):
    data = {**typed(admin_client, f"{LIST}add/?later"), "name": "N", "type": "device.wiped", "smtp.active": "on"}
    data |= {"smtp.recipient": "${user.mail}", "smtp.subject": "S"}
    admin_client.post(f"{LIST}add/?later", data)
    assert not current(NotificationTemplate.objects.get(name="N")).active_kinds()


def test_a_type_that_is_unknown_or_may_not_be_added_is_refused(admin_client):
    data = {**typed(admin_client, f"{LIST}add/?later"), "name": "N"}
    for kind in ("system.apns_certificate_expiring", "device.eaten", ""):
        assert admin_client.post(f"{LIST}add/?later", {**data, "type": kind}).status_code == 422
    assert not NotificationTemplate.objects.filter(name="N").exists()


def test_the_type_is_changed_without_script_and_recipients_follow_it(admin_client):
    data = {**typed(admin_client, f"{LIST}add/?later"), "do": "type", "type": "device.wiped", "name": "N"}
    data["secure_hub.message"] = "kept"
    form = admin_client.post(f"{LIST}add/?later", data).context["form"]
    assert form["name"].value() == "N"
    assert form["smtp.recipient"].value() == "${user.mail}"
    assert [str(panel.kind) for panel in form.panels()] == ["smtp", "sms"]
    assert form["secure_hub.message"].value() == "kept"
    again = {**data, "type": "device.roaming", "smtp.recipient": "mine@example.com"}
    form = admin_client.post(f"{LIST}add/?later", again).context["form"]
    assert form["smtp.recipient"].value() == "mine@example.com"


def test_languages_are_added_saved_and_removed_without_script(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    data = {**typed(admin_client, url), "do": "language", "language": "de"}
    assert "sms.de.message" in admin_client.post(url, data).context["form"].fields
    texts = {"smtp.de.subject": "Hallo", "smtp.de.message": "Text", "sms.de.message": "T", "secure_hub.de.message": "T"}
    answer = admin_client.post(url, {**data, "do": "save", "languages": "de", **texts})
    assert answer.status_code == 302
    smtp, sms, _push = current(jailbroken).channels
    assert smtp.wording("de").subject == "Hallo"
    assert sms.wording("de").message == "T"
    form = admin_client.post(url, {**typed(admin_client, url), "do": "drop:de"}).context["form"]
    assert "smtp.de.subject" not in form.fields


def test_an_incomplete_language_is_refused_and_the_summary_names_channel_language_and_field(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    texts = {"smtp.de.subject": "Hallo", "smtp.subject": "", "sms.de.message": "T", "secure_hub.de.message": "T"}
    answer = admin_client.post(url, {**typed(admin_client, url), "do": "save", "languages": "de", **texts})
    assert answer.status_code == 422
    summary = re.findall(r'<li>\s*<a href="#id_[^"]+">(.*?)</a>: (.*?)\s*</li>', answer.content.decode())
    assert summary == [
        ("SMTP · Subject", "This field is required."),
        ("SMTP · German (de) · Message", "SMTP has no Message in German (de)."),
    ]
    assert current(jailbroken).channels[0].wordings[0].subject


def test_two_people_change_different_fields_and_neither_is_lost(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    first, second = typed(admin_client, url), typed(admin_client, url)
    admin_client.post(url, {**first, "description": "Of the first"})
    admin_client.post(url, {**second, "lifetime_hours": "5"})
    jailbroken.refresh_from_db()
    assert (jailbroken.description, jailbroken.lifetime.total_seconds()) == ("Of the first", 5 * 3600)


def test_a_taken_name_is_refused_and_that_of_a_deleted_template_is_free(admin_client, jailbroken):
    gone = world.template(name="Gone")
    admin_client.post(f"{LIST}{gone.pk}/delete/")
    url = f"{LIST}{jailbroken.pk}/"
    assert admin_client.post(url, {**typed(admin_client, url), "name": "Ad Hoc"}).status_code == 422
    assert admin_client.post(url, {**typed(admin_client, url), "name": "Gone"}).status_code == 302
    assert admin_client.get(f"{LIST}{gone.pk}/").status_code == 404


def test_a_predefined_template_is_reset_and_not_deleted(admin_client, jailbroken):
    before = current(jailbroken)
    url = f"{LIST}{jailbroken.pk}/"
    admin_client.post(url, {**typed(admin_client, url), "smtp.subject": "New"})
    page = admin_client.get(f"{url}reset/")
    assert b"-New" in page.content
    admin_client.post(f"{url}reset/", {"base": "2"})
    assert current(jailbroken) == before
    admin_client.post(f"{url}delete/")
    assert NotificationTemplate.objects.kept().filter(pk=jailbroken.pk).exists()


@pytest.mark.parametrize("page", ["reset/", "versions/1/"])
def test_going_back_from_a_version_that_is_not_current_any_more_is_refused_and_shows_the_current_one(
    admin_client, jailbroken, page
):
    url = f"{LIST}{jailbroken.pk}/"
    for subject in ("Seen", "Saved meanwhile"):
        admin_client.post(url, {**typed(admin_client, url), "smtp.subject": subject})
    refused = admin_client.post(f"{url}{page}", {"base": "2"})
    assert refused.status_code == 409
    assert b"Somebody saved version 3 meanwhile." in refused.content
    assert b"-Saved meanwhile" in refused.content
    assert (refused.context["instance"].current.number, jailbroken.versions.count()) == (3, 3)
    assert admin_client.post(f"{url}{page}", {"base": "3"}).status_code == 302


def test_an_own_template_has_no_reset_and_no_version_that_never_was(admin_client):
    own = world.template(name="Own")
    assert admin_client.get(f"{LIST}{own.pk}/reset/").status_code == 404
    assert admin_client.post(f"{LIST}{own.pk}/reset/", {"base": "1"}).status_code == 404
    assert admin_client.get(f"{LIST}{own.pk}/versions/7/").status_code == 404
    assert admin_client.post(f"{LIST}{own.pk}/versions/7/").status_code == 404


def test_an_auditor_reads_and_changes_nothing(auditor, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    page = auditor.get(url)
    assert page.status_code == 200
    assert b'value="save"' not in page.content
    data = typed(auditor, url)
    for path in (url, f"{url}reset/", f"{url}delete/", f"{url}versions/1/", f"{LIST}add/"):
        assert auditor.post(path, data).status_code == 403, path
    assert auditor.get(f"{LIST}add/").status_code == 403


def test_whoever_sets_up_channels_first_is_led_back_from_the_notification_server(admin_client):
    way_back = b"Go on adding the template"
    assert way_back not in admin_client.get("/settings/notification-server/").content
    admin_client.get(f"{LIST}add/")
    assert way_back in admin_client.get("/settings/notification-server/").content
    admin_client.get(f"{LIST}add/?later")
    assert way_back not in admin_client.get("/settings/notification-server/").content
