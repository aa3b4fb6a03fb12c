"""APNs and FCM as rows: checked, shown on their own list, and sent through with one token for all workers."""

from ipaddress import ip_network

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from devices.models import PushToken
from dispatch.intake import accept
from dispatch.models import Delivery
from dispatch.rules.clock import SystemClock
from dispatch.sending.drain import drain
from servers import health
from servers.models import AccessToken, PushService, ServerTestStage
from servers.push.validators import clean_apns, clean_fcm
from tests.db import world
from tests.wire import push
from tests.wire.certificates import Authority
from transports.stages import StageName

pytestmark = pytest.mark.django_db(transaction=True)
USUAL = {"retries": "5", "timeout": "30", "connections": "4", "sign_ins_after_refusal": "2"}
APNS = {
    "name": "Apple",
    "key_id": push.KEY_ID,
    "team_id": push.TEAM_ID,
    "key_file": push.apple_pem()[0],
    "topic": push.TOPIC,
    "environment": "production",
    **USUAL,
}
FCM = {"name": "Google", "service_account": push.key_file("https://oauth2.googleapis.com/token"), **USUAL}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def apns(**fields):
    usual = {"kind": "apns", "name": "Apple", "key_id": push.KEY_ID, "team_id": push.TEAM_ID, "topic": push.TOPIC}
    return PushService(**{**usual, "key_file": push.apple_pem()[0], **fields})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"key_file": ""}, "key_file"),
        ({"key_file": push.google_pem()[0]}, "key_file"),
        ({"key_id": ""}, "key_id"),
        ({"team_id": "lower case"}, "team_id"),
        ({"topic": ""}, "topic"),
        ({"certificate": "no certificate"}, "certificate"),
        ({"base_url": "https://push.example.com/3/device"}, "base_url"),
        ({"ca_bundle": "none"}, "ca_bundle"),
    ],
)
def test_settings_of_no_use_are_refused_by_field(fields, problem):
    with pytest.raises(ValidationError) as refused:
        clean_apns(apns(**fields))
    assert list(refused.value.message_dict) == [problem]


def test_a_certificate_does_without_a_key_and_health_says_when_it_expires(authority):
    service = apns(key_file="", key_id="", team_id="", certificate=authority.client("hub", days=30))
    clean_apns(service)
    service.active = True
    service.save()
    (risk,) = [found for found in health.findings() if "expires on" in found.words]
    assert service.certificate_expires_at.date().isoformat() in risk.words
    with pytest.raises(ValidationError, match="has expired"):
        clean_apns(apns(name="Old", key_file="", certificate=authority.client("hub", days=-1)))


def test_the_project_is_read_from_the_file():
    service = PushService(name="Google", service_account=FCM["service_account"])
    clean_fcm(service)
    assert (service.kind, service.project) == ("fcm", push.PROJECT)


def test_each_has_its_own_page_and_list(admin_client):
    assert admin_client.post(reverse("apns-add"), APNS)["Location"] == reverse("secure-hub-push")
    service = PushService.objects.get()
    assert (service.active, service.kind) == (True, "apns")
    assert admin_client.get(reverse("fcm", args=[service.pk])).status_code == 404
    assert b"Apple" in admin_client.get(reverse("secure-hub-push")).content
    assert b"Apple" not in admin_client.get(reverse("notification-server")).content


def test_every_stage_of_a_test_can_be_stored():
    assert {name.value for name in StageName} == set(ServerTestStage.Name.values)


def test_an_event_reaches_both_trays_over_tokens_that_all_workers_share(authority, settings, monkeypatch):
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", lambda server_id: None)
    settings.XMNOTIFY_ALLOWED_NETWORKS, settings.XMNOTIFY_HTTPS_PORTS = (ip_network("127.0.0.0/8"),), None
    with push.apns(authority.server()) as apple, push.fcm(authority.server()) as google:
        file = push.key_file(f"https://localhost:{google.token_port}/token")
        services = [
            apns(base_url=f"https://localhost:{apple.port}"),
            PushService(kind="fcm", name="Google", service_account=file, base_url=f"https://localhost:{google.port}"),
        ]
        for service, clean in zip(services, (clean_apns, clean_fcm), strict=True):
            service.ca_bundle, service.active = authority.pem, True
            clean(service)
            service.save()
        device = world.device(owner=world.person())
        for kind, to in (("apns", push.iphone(1)), ("fcm", push.android(1))):
            PushToken.objects.create(device=device, kind=kind, token=to.address, registered_at=world.NOW)
        template = world.template(kind="secure_hub", subject="", message="${device.model} is jailbroken", recipient="")
        for number in range(2):
            now = SystemClock().now()
            event = accept.EventIn(type=template.type, occurred_at=now, device=accept.SubjectIn("serial", "S1"))
            accept.accept(event, origin=f"test {number}", now=now)
            for service in services:
                drain(service.pk, clock=SystemClock(), stopping=lambda: False)
        assert list(Delivery.objects.values_list("state", flat=True)) == ["sent"] * 4
        assert [sent.body for sent in (*apple.tray.pushes(), *google.tray.pushes())] == ["iPhone 15 is jailbroken"] * 4
        assert (len(apple.provider_tokens), google.tokens, AccessToken.objects.count()) == (1, 1, 2)
