"""A template's test mail goes to whoever asks for it, and to nobody else."""

import pytest

from dispatch.models import Delivery
from templates_app.models import NotificationTemplate
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
PAGE = "/settings/notification-templates/"


@pytest.fixture
def template():
    return world.template(recipient="${user.mail}; boss@example.com", message="${user.displayname}: ${device.model}")


def test_it_goes_through_the_flow_to_the_administrator_alone(
    admin_client, admin_user, template, clock, channel, wake_ups, django_capture_on_commit_callbacks
):
    server = world.smtp_server()
    admin_user.email = "me@example.com"
    admin_user.save()
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(f"{PAGE}{template.pk}/test/")
    row = Delivery.objects.get()
    assert answer.url == f"/log/{row.pk}/"
    assert (row.address, wake_ups) == ("me@example.com", [server.pk])
    clock.go_to(row.due_at)
    flow.send(server, clock)
    assert Delivery.objects.get().state == "sent"
    assert "admin: iPhone 16" in admin_client.get(answer.url).content.decode()


def test_without_an_address_nothing_is_sent(admin_client, admin_user, template):
    admin_user.email = ""
    admin_user.save()
    assert b"has no mail address" in admin_client.get(f"{PAGE}{template.pk}/").content
    admin_client.post(f"{PAGE}{template.pk}/test/")
    assert not Delivery.objects.exists()


def test_a_deleted_template_is_not_sent(admin_client, template):
    NotificationTemplate.objects.filter(pk=template.pk).update(deleted_at=world.NOW)
    assert admin_client.post(f"{PAGE}{template.pk}/test/").status_code == 404
