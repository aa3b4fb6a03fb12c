"""The lines of APNs and FCM in the table of kinds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from servers.kind import SECURE_HUB_PUSH, Kind, Risk, TestBox
from servers.models import PushService
from servers.push import channel, testing
from servers.push.forms import ApnsForm, FcmForm
from servers.push.validators import clean_apns, clean_fcm
from servers.values import ServerKind
from transports.push import hints

_SOON = timedelta(days=60)
_NOTE = gettext_lazy(
    "A secret is the text of its file and stays with its server: with another `base_url` or `ca_bundle` it has to be "
    "given again."
)


def _risks(service: PushService) -> Iterator[Risk]:
    ends_at = service.certificate_expires_at
    if service.kind == ServerKind.APNS and not service.key_file and ends_at and ends_at < timezone.now() + _SOON:
        words = _("Its certificate expires on %s. Renew it, or better use a key file, which does not expire.")
        yield Risk(words % ends_at.date().isoformat(), _("Renew it"))


def _no_warnings(_service: PushService) -> dict[str, str]:
    return {}


APNS = Kind(
    value=ServerKind.APNS,
    model=PushService,
    form=ApnsForm,
    page=SECURE_HUB_PUSH,
    address="apns",
    label=gettext_lazy("APNs (iOS)"),
    add_title=gettext_lazy("Add APNs"),
    note=_NOTE,
    test_box=TestBox(gettext_lazy("Send a test to the push token"), "text", 512, "off"),
    clean=clean_apns,
    warnings=_no_warnings,
    channel=channel.build_apns,
    prepare_test=testing.prepare_apns,
    recipient=testing.iphone,
    advise=hints.advise,
    endpoint=lambda service: f"{service.topic}, {service.get_environment_display()}",
    security=lambda _service: "TLS",
    risks=_risks,
    looked_at=("certificate_expires_at", "key_file"),
)
FCM = Kind(
    value=ServerKind.FCM,
    model=PushService,
    form=FcmForm,
    page=SECURE_HUB_PUSH,
    address="fcm",
    label=gettext_lazy("FCM (Android)"),
    add_title=gettext_lazy("Add FCM"),
    note=_NOTE,
    test_box=TestBox(gettext_lazy("Check a message to the push token"), "text", 4096, "off", sent=False),
    clean=clean_fcm,
    warnings=_no_warnings,
    channel=channel.build_fcm,
    prepare_test=testing.prepare_fcm,
    recipient=testing.android,
    advise=hints.advise,
    endpoint=lambda service: service.project,
    security=lambda _service: "TLS",
)
