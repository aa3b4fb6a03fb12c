"""A text is saved and sent to one address, by mail or as an SMS, and what becomes of it is shown beside the editor."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from console.models import RoleRule
from dispatch.models import Delivery
from foundation.models import AuditEntry
from templates_app.models import NotificationTemplate
from tests.db import world
from tests.db.dispatch import flow
from tests.db.templates_app.test_pages import typed

pytestmark = pytest.mark.django_db
PAGE = "/settings/notification-templates/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def template():
    return world.template(recipient="${user.mail}; boss@example.com", message="${user.displayname}: ${device.model}")


def trial(client, template, channel, to, **changes):
    url = f"{PAGE}{template.pk}/"
    data = {**typed(client, url), f"trial-{channel}": to, "do": f"test:{channel}", **changes}
    return client.post(f"{url}test/", data)


def test_it_is_saved_and_goes_through_the_flow_to_the_address_alone(
    admin_client, template, clock, channel, wake_ups, django_capture_on_commit_callbacks
):
    server = world.smtp_server()
    with django_capture_on_commit_callbacks(execute=True):
        answer = trial(admin_client, template, "smtp", "me@example.com", **{"smtp.message": "New: ${device.model}"})
    row = Delivery.objects.get()
    assert answer.url == f"{PAGE}{template.pk}/?test={row.pk}"
    assert (row.address, row.priority, wake_ups) == ("me@example.com", 5, [server.pk])
    shown = admin_client.get(answer.url).content.decode()
    assert "Test to me@example.com: Queued" in re.sub(r"\s+", " ", shown)
    clock.go_to(row.due_at)
    flow.send(server, clock)
    result = admin_client.get(f"/log/{row.pk}/result/", headers=HTMX).content.decode()
    assert "Test to me@example.com: Sent" in re.sub(r"\s+", " ", result)
    assert "hx-trigger" not in result
    assert "New: iPhone 16" in admin_client.get(f"/log/{row.pk}/").content.decode()
    assert AuditEntry.objects.filter(action="test").get().after == {"recipient": "me@example.com"}


def test_an_sms_goes_to_a_number_in_the_language_that_is_previewed(admin_client):
    world.sms_gateway(country="GB")
    template = world.template(kind="sms", subject="", message="Hello", recipient="${user.mobile}")
    german = {"languages": "de", "sms.de.message": "Hallo", "preview_language": "de"}
    trial(admin_client, template, "sms", "07700 900123", **german)
    row = Delivery.objects.get()
    assert (row.address, row.channel, row.language) == ("+447700900123", "sms", "de")
    boxes = admin_client.get(f"{PAGE}{template.pk}/").content.decode()
    assert 'value="07700 900123"' in boxes


@pytest.mark.parametrize(("channel", "to"), [("smtp", "nobody"), ("smtp", ""), ("sms", "12")])
def test_a_wrong_address_is_told_beside_its_box_and_nothing_is_saved_or_sent(admin_client, template, channel, to):
    answer = trial(admin_client, template, channel, to, **{"smtp.subject": "Typed"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'id="trial-{channel}-error"' in page
    assert 'value="Typed"' in page
    assert f'action="{PAGE}{template.pk}/"' in page
    assert template.versions.count() == 1
    assert not Delivery.objects.exists()


def test_a_form_that_is_refused_sends_nothing(admin_client, template):
    answer = trial(admin_client, template, "smtp", "me@example.com", **{"smtp.subject": "${user.mai"})
    assert answer.status_code == 422
    assert not Delivery.objects.exists()


def test_a_channel_without_a_text_is_told(admin_client, template):
    answer = trial(admin_client, template, "sms", "+447700900123")
    assert answer.url == f"{PAGE}{template.pk}/"
    assert [str(message) for message in admin_client.get(answer.url).context["messages"]][-1] == (
        "Nothing was sent: SMS has no text."
    )


def test_an_operator_tests_what_is_stored_and_changes_nothing(client, template):
    operator = get_user_model().objects.create_user("op", is_staff=True)
    operator.groups.add(Group.objects.get(name="Operator"))
    client.force_login(operator)
    assert "Save and test" not in client.get(f"{PAGE}{template.pk}/").content.decode()
    trial(client, template, "smtp", "me@example.com", **{"smtp.subject": "Typed"})
    assert Delivery.objects.get().address == "me@example.com"
    assert template.versions.count() == 1


def test_a_deleted_template_is_not_sent(admin_client, template):
    url = f"{PAGE}{template.pk}/"
    data = {**typed(admin_client, url), "trial-smtp": "me@example.com", "do": "test:smtp"}
    NotificationTemplate.objects.filter(pk=template.pk).update(deleted_at=world.NOW)
    assert admin_client.post(f"{url}test/", data).status_code == 404


def test_who_is_limited_to_groups_tests_to_the_own_address_and_sees_how_that_goes(client, template):
    user = get_user_model().objects.create_user("op", email="op@example.com", is_staff=True)
    role = Group.objects.get(name="Operator")
    RoleRule.objects.update_or_create(role=role, defaults={"limited": True})
    user.groups.add(role)
    client.force_login(user)
    assert "limited to groups" in trial(client, template, "smtp", "me@example.com").content.decode()
    assert not Delivery.objects.exists()
    shown = client.get(trial(client, template, "smtp", "op@example.com").url).content.decode()
    assert "Test to op@example.com" in shown
    assert "delivery log" not in shown.split('id="trial-result"')[1].split("</section>")[0]
    others = flow.deliveries(1, server_id=None)[0]
    assert client.get(f"/log/{others}/result/", headers=HTMX).status_code == 404
