"""The preview: the unsaved texts as they would be sent, with the lint of every field."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache

from devices import coverage
from devices.scope import EVERYBODY
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
URL = "/settings/notification-templates/preview/"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def preview(client, **fields):
    return client.post(URL, {"type": "device.jailbroken", **fields}, **HTMX).content.decode()


def test_texts_are_shown_with_the_values_of_the_user_and_device(admin_client):
    world.device(owner=world.person(displayname="Ana Ode"), model="iPhone 17")
    text = {"smtp.subject": "Hi ${user.displayname}", "sms.message": "${device.model} ${event.type}"}
    page = preview(admin_client, preview_device="S1", **text)
    assert "Hi Ana Ode" in page
    assert "iPhone 17 device.jailbroken" in page
    assert "1 SMS" in page


def test_without_a_choice_sample_values_are_shown_and_an_unknown_user_is_told(admin_client):
    assert "Hi Ana Silva" in preview(admin_client, **{"smtp.subject": "Hi ${user.displayname}"})
    assert "No user has this login name" in preview(admin_client, preview_user="nobody")


def test_a_user_comes_with_the_device_that_was_seen_last(admin_client):
    owner = world.person(displayname="Ana Ode")
    world.device(owner=owner, serial="S1", model="iPhone 17", last_access=world.NOW)
    world.device(owner=owner, serial="S2", model="iPad Air")
    page = preview(admin_client, preview_user="u1", **{"sms.message": "${user.displayname}: ${device.model}"})
    assert '<p class="bubble">Ana Ode: iPhone 17</p>' in page
    assert "With the values of Ana Ode · iPhone 17 S1" in page
    chosen = preview(admin_client, preview_user="u1", preview_device="S2", **{"sms.message": "${device.model}"})
    assert '<p class="bubble">iPad Air</p>' in chosen


def test_the_event_that_is_chosen_supplies_its_data(admin_client):
    event = flow.event(type="device.jailbroken", payload={"data": {"app": "Chess"}, "user": {"displayname": "Told"}})
    text = {"sms.message": "${event.data.app} of ${user.displayname}"}
    assert "Chess of Told" in preview(admin_client, preview_event=str(event.pk), **text)


def test_a_language_is_shown_when_it_is_chosen(admin_client):
    text = {"sms.message": "hello", "sms.de.message": "hallo", "languages": "de"}
    assert '<p class="bubble">hallo</p>' in preview(admin_client, preview_language="de", **text)


def test_each_field_hears_what_is_wrong_with_it(admin_client):
    world.person(mail="")
    world.person(loginname="u2")
    page = preview(
        admin_client, **{"smtp.recipient": "${user.mail}", "smtp.subject": "${user.mai", "sms.message": "ok"}
    )
    assert "user.mail is empty for 1 of 2 users." in page
    lint = page.split('id="lint-smtp.subject"')[1].split('id="lint-')[0]
    assert "is-error" in lint
    assert "can be shown when its mistakes are fixed" in page


def test_the_lint_speaks_just_where_the_form_has_a_place_for_it(admin_client):
    world.smtp_server()
    world.sms_gateway()
    form = admin_client.get("/settings/notification-templates/add/?type=adhoc").content.decode()
    places = re.findall(r'id="(lint-[^"]+)"', form)
    assert places
    assert sorted(re.findall(r'id="(lint-[^"]+)"', preview(admin_client, type="adhoc"))) == sorted(places)


def test_values_are_text_on_the_page(admin_client):
    world.person(displayname="<script>alert(1)</script>")
    page = preview(admin_client, preview_user="u1", **{"smtp.subject": "${user.displayname}"})
    assert "<script>" not in page


def test_who_may_not_see_users_gets_sample_values(client):
    world.person(displayname="Ana Ode")
    user = get_user_model().objects.create_user("writer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_notificationtemplate"))
    client.force_login(user)
    page = preview(client, preview_user="u1", **{"smtp.subject": "${user.displayname}"})
    assert "Ana Silva" in page
    assert "Ana Ode" not in page


def test_the_frame_gives_html_back_without_rights(admin_client):
    answer = admin_client.post(f"{URL}frame/", {"html": "<b>x</b>"})
    assert answer.content == b"<b>x</b>"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_completion_knows_names_stored_properties_and_functions(admin_client):
    world.device(properties={"ROOM": "4"})
    known = admin_client.get("/settings/notification-templates/macros/").json()
    names = {name["text"] for name in known["names"]}
    assert {"user.displayname", "device.ROOM", "outofcompliance.reason(smg_block)"} <= names
    assert "toLowerCase" in {each["text"] for each in known["functions"]}


def test_emptiness_counts_columns_and_properties():
    world.device(serial="A", model="", properties={"ROOM": "4"})
    world.device(serial="B")
    assert coverage.empty("device.model", scope=EVERYBODY) == (1, 2)
    assert coverage.empty("device.ROOM", scope=EVERYBODY) == (1, 2)
    assert coverage.properties() == {"device.ROOM"}
