"""The pages of Notification Templates, as a browser without script sees them."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from foundation.models import AuditEntry
from servers.models import SmtpServer
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
    (row,) = admin_client.get(LIST, {"search": "Jailbroken or Rooted Device"}).context["rows"]
    channels = re.findall(r"<li>(.*?)</li>", row.cells[2])
    assert [re.sub("<[^>]+>", " ", channel).split(maxsplit=1) for channel in channels[:2]] == [
        ["SMTP"],
        ["SMS", "No active server "],
    ]


def test_the_list_and_the_deletion_say_which_template_is_sent(admin_client, jailbroken):
    world.smtp_server()
    own = world.template(name="Mine")
    rows = {row.name: row for row in admin_client.get(LIST, {"type": "device.jailbroken"}).context["rows"]}
    assert "Sent instead: “Mine”" in rows["Jailbroken or Rooted Device"].cells[2]
    again = "The predefined template “Jailbroken or Rooted Device” is sent again by SMTP."
    assert again in admin_client.get(f"{LIST}{own.pk}/delete/").content.decode()
    words = re.sub(r"\s+", " ", admin_client.get(f"{LIST}{own.pk}/").content.decode())
    assert "Sent for events of this type: “Mine” (SMTP)." in words
    world.sms_gateway()
    words = re.sub(r"\s+", " ", admin_client.get(f"{LIST}{own.pk}/").content.decode())
    assert "Sent for events of this type: “Mine” (SMTP), “Jailbroken or Rooted Device” (SMS)." in words
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


def test_a_name_that_somebody_else_changed_meanwhile_is_shown_and_replaced_by_a_second_save(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    mine = {**typed(admin_client, url), "name": "Mine", "lifetime_hours": "5"}
    admin_client.post(url, {**typed(admin_client, url), "name": "Theirs", "on_unknown": "hold"})
    refused = admin_client.post(url, mine)
    assert refused.status_code == 409
    assert "Name: stored “Theirs”, typed “Mine”." in refused.content.decode()
    jailbroken.refresh_from_db()
    assert (jailbroken.name, jailbroken.lifetime.days) == ("Theirs", 3)
    shown = dict(re.findall(r'<input type="hidden" name="(initial-[^"]+)" value="([^"]*)"', refused.content.decode()))
    assert shown["initial-name"] == "Theirs"
    assert admin_client.post(url, {**mine, **shown}).status_code == 302
    jailbroken.refresh_from_db()
    assert (jailbroken.name, jailbroken.on_unknown, jailbroken.lifetime.total_seconds()) == ("Mine", "hold", 5 * 3600)


def test_adding_a_language_does_not_lose_what_else_was_changed(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    data = {**typed(admin_client, url), "name": "Renamed"}
    page = admin_client.post(url, {**data, "do": "language", "language": "de"}).content.decode()
    shown = dict(re.findall(r'<input type="hidden" name="(initial-[^"]+)" value="([^"]*)"', page))
    assert admin_client.post(url, {**data, **shown}).status_code == 302
    jailbroken.refresh_from_db()
    assert jailbroken.name == "Renamed"


def test_saving_stays_in_the_editor_and_says_who_is_sent_now_and_closing_goes_to_the_list(admin_client):
    world.smtp_server()
    data = {**typed(admin_client, f"{LIST}add/?later"), "name": "Mine", "type": "device.jailbroken"}
    data |= {"smtp.active": "on", "smtp.recipient": "${user.mail}", "smtp.subject": "S", "smtp.message": "M"}
    page = admin_client.post(f"{LIST}add/?later", data, follow=True)
    url = f"{LIST}{NotificationTemplate.objects.get(name='Mine').pk}/"
    assert page.redirect_chain[-1][0] == url
    said = [str(message) for message in page.context["messages"]]
    silent = "The predefined template “Jailbroken or Rooted Device” is no longer sent by SMTP."
    assert said == ["“Mine” was added.", f"{silent} “Mine” is sent by SMTP now."]
    assert admin_client.post(url, typed(admin_client, url)).url == url
    assert admin_client.post(url, {**typed(admin_client, url), "do": "close"}).url == LIST


def test_return_in_a_box_saves_or_adds_the_language_that_was_typed(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    data = {**typed(admin_client, url), "do": "return", "smtp.subject": "New"}
    assert "smtp.de.subject" in admin_client.post(url, {**data, "language": "de"}).context["form"].fields
    assert jailbroken.versions.count() == 1
    assert admin_client.post(url, data).status_code == 302
    assert jailbroken.versions.count() == 2


def test_a_copy_says_the_same_and_activates_no_channel_without_a_server(admin_client, jailbroken):
    world.smtp_server()
    url = f"{LIST}add/?from={jailbroken.pk}"
    data = typed(admin_client, url)
    answer = admin_client.post(url, {**data, "type": admin_client.get(url).context["types"]["type"].value()})
    made = NotificationTemplate.objects.get(name="Copy of Jailbroken or Rooted Device")
    assert (answer.status_code, made.type, made.predefined) == (302, "device.jailbroken", False)
    copied = {channel.kind: channel for channel in current(made).channels}
    for channel in current(jailbroken).channels:
        assert copied[channel.kind].wordings == channel.wordings
        assert copied[channel.kind].active == (channel.kind != "sms")
    only = NotificationTemplate.objects.get(type="system.apns_certificate_expiring")
    for pk in (only.pk, 0, "x"):
        assert admin_client.get(f"{LIST}add/?from={pk}").status_code == 404


@pytest.mark.parametrize("words", ["mine", "GRÜ", "rooted", "boss@", "described"])
def test_the_list_is_searched_by_name_type_and_text(admin_client, words):
    own = world.template(name="Mine", message="Viele Grüße", recipient="boss@example.com", description="As described")
    rows = [row.name for row in admin_client.get(LIST, {"search": words}).context["rows"]]
    assert own.name in rows
    assert len(rows) <= 2


def test_where_it_is_sent_by_hand_is_linked_with_those_that_can_be(admin_client, jailbroken):
    url = f"{LIST}{jailbroken.pk}/"
    link = f'<a href="/broadcasts/notify/?template={jailbroken.pk}">Notify</a>'
    assert link in admin_client.get(url).content.decode()
    assert link in admin_client.get(LIST, {"type": jailbroken.type}).context["rows"][0].cells[4]
    (pin,) = admin_client.get(LIST, {"type": "enrollment.pin"}).context["rows"]
    assert pin.cells[4] == "<td>No</td>"


def test_the_macros_are_listed_with_meanings_and_samples(admin_client):
    page = admin_client.get(f"{LIST}macros/list/", headers={"HX-Request": "true"}).content.decode()
    for words in ("user.mail", "Mail address", "ana.silva@example.com", "toUpperCase", "firstnotnull"):
        assert words in page
    assert admin_client.get(f"{LIST}macros/list/").url == "/help/macros/"


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


def test_going_back_to_a_channel_that_has_no_server_any_more_is_refused_with_its_name(admin_client):
    server = world.smtp_server()
    own = world.template(name="Mine")
    url = f"{LIST}{own.pk}/"
    data = typed(admin_client, url)
    del data["smtp.active"]
    admin_client.post(url, data)
    SmtpServer.objects.filter(pk=server.pk).update(active=False)
    refused = admin_client.post(f"{url}versions/1/", {"base": "2"})
    assert refused.status_code == 422
    assert "SMTP · Activate: Set up an active server for SMTP first." in refused.content.decode()
    assert own.versions.count() == 2


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
